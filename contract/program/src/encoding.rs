//! Borsh, as far as the program needs it: little-endian integers, and byte strings after a u32 length in
//! bytes.

use pinocchio::Address;

use crate::errors::Error;
use crate::numbers::Plain;

/// Takes an instruction's arguments off the front of its data.
pub struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    pub fn fixed<const N: usize>(&mut self) -> Result<[u8; N], Error> {
        let (taken, rest) = self.rest.split_first_chunk().ok_or(Error::InstructionDataInvalid)?;
        self.rest = rest;
        Ok(*taken)
    }

    pub fn u8(&mut self) -> Result<u8, Error> {
        self.fixed().map(|[byte]| byte)
    }

    pub fn u32(&mut self) -> Result<u32, Error> {
        self.fixed().map(u32::from_le_bytes)
    }

    pub fn u64(&mut self) -> Result<u64, Error> {
        self.fixed().map(u64::from_le_bytes)
    }

    pub fn i64(&mut self) -> Result<i64, Error> {
        self.fixed().map(i64::from_le_bytes)
    }

    pub fn plain<T: Plain>(&mut self) -> Result<&'a T, Error> {
        let (value, rest) = T::split(self.rest).ok_or(Error::InstructionDataInvalid)?;
        self.rest = rest;
        Ok(value)
    }

    /// A byte string of 1 to `max_bytes` bytes; `error` says that it is empty or longer.
    #[inline(never)]
    pub fn bytes(&mut self, max_bytes: usize, error: Error) -> Result<&'a [u8], Error> {
        let length = self.u32()? as usize;
        let (taken, rest) = self.rest.split_at_checked(length).ok_or(Error::InstructionDataInvalid)?;
        if taken.is_empty() || length > max_bytes {
            return Err(error);
        }
        self.rest = rest;
        Ok(taken)
    }

    /// A byte string as above that must also be UTF-8.
    pub fn text(&mut self, max_bytes: usize, error: Error) -> Result<&'a [u8], Error> {
        let bytes = self.bytes(max_bytes, error)?;
        core::str::from_utf8(bytes).map_err(|_| error)?;
        Ok(bytes)
    }

    /// Refuses bytes after the last argument.
    pub fn finish(&self) -> Result<(), Error> {
        if self.rest.is_empty() {
            Ok(())
        } else {
            Err(Error::InstructionDataInvalid)
        }
    }
}

/// Puts fields one after another into a buffer that is known to be large enough; panics where it is not.
pub struct Writer<'a> {
    room: &'a mut [u8],
}

#[cold]
#[inline(never)]
fn no_room() -> ! {
    panic!()
}

// All is inlined: where the lengths are constants, so are the positions, and no check is left.
impl<'a> Writer<'a> {
    #[inline(always)]
    pub fn new(buffer: &'a mut [u8]) -> Self {
        Self { room: buffer }
    }

    #[inline(always)]
    pub fn fixed(&mut self, bytes: &[u8]) -> &mut Self {
        let Some((field, room)) = core::mem::take(&mut self.room).split_at_mut_checked(bytes.len()) else {
            no_room()
        };
        field.copy_from_slice(bytes);
        self.room = room;
        self
    }

    #[inline(always)]
    pub fn address(&mut self, address: &Address) -> &mut Self {
        self.fixed(address.as_ref())
    }

    #[inline(always)]
    pub fn u32(&mut self, number: u32) -> &mut Self {
        self.fixed(&number.to_le_bytes())
    }

    #[inline(always)]
    pub fn u64(&mut self, number: u64) -> &mut Self {
        self.fixed(&number.to_le_bytes())
    }

    #[inline(always)]
    pub fn i64(&mut self, number: i64) -> &mut Self {
        self.fixed(&number.to_le_bytes())
    }

    #[inline(always)]
    pub fn plain<T: Plain>(&mut self, value: &T) -> &mut Self {
        self.fixed(value.as_bytes())
    }

    #[inline(always)]
    pub fn bytes(&mut self, bytes: &[u8]) -> &mut Self {
        self.u32(bytes.len() as u32).fixed(bytes)
    }

    /// How many bytes there is still room for.
    #[inline(always)]
    pub fn room_bytes(&self) -> usize {
        self.room.len()
    }
}
