//! Borsh, as far as the program needs it: little-endian integers, and byte strings after a u32 length in
//! bytes.

use pinocchio::Address;

use crate::errors::Error;

/// Takes an instruction's arguments off the front of its data.
pub struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    fn fixed<const N: usize>(&mut self) -> Result<[u8; N], Error> {
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

    /// A byte string of 1 to `max_bytes` bytes; `error` says that it is empty or longer.
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
    pub fn finish(self) -> Result<(), Error> {
        if self.rest.is_empty() {
            Ok(())
        } else {
            Err(Error::InstructionDataInvalid)
        }
    }
}

/// Puts fields one after another into a buffer that is known to be large enough; panics where it is not.
pub struct Writer<'a> {
    buffer: &'a mut [u8],
    length: usize,
}

impl<'a> Writer<'a> {
    pub fn new(buffer: &'a mut [u8]) -> Self {
        Self { buffer, length: 0 }
    }

    pub fn fixed(&mut self, bytes: &[u8]) -> &mut Self {
        let end = self.length + bytes.len();
        self.buffer[self.length..end].copy_from_slice(bytes);
        self.length = end;
        self
    }

    pub fn address(&mut self, address: &Address) -> &mut Self {
        self.fixed(address.as_ref())
    }

    pub fn u8(&mut self, number: u8) -> &mut Self {
        self.fixed(&[number])
    }

    pub fn u32(&mut self, number: u32) -> &mut Self {
        self.fixed(&number.to_le_bytes())
    }

    pub fn u64(&mut self, number: u64) -> &mut Self {
        self.fixed(&number.to_le_bytes())
    }

    pub fn bytes(&mut self, bytes: &[u8]) -> &mut Self {
        self.u32(bytes.len() as u32).fixed(bytes)
    }

    pub fn written(self) -> &'a [u8] {
        &self.buffer[..self.length]
    }
}
