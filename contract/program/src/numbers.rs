//! Numbers as they lie in accounts and instructions: little-endian, at any address.

use crate::errors::Error;

/// A type of which every bit pattern is a value and that may lie at any address, so that bytes can be viewed
/// as it.
///
/// # Safety
/// The type must be `repr(C)` or `repr(transparent)`, have an alignment of 1, and be made of such types only.
pub unsafe trait Plain: Sized {
    const BYTES: usize = size_of::<Self>();

    /// The value that `bytes` begins with, and the bytes after it; None where it is cut short.
    fn split(bytes: &[u8]) -> Option<(&Self, &[u8])> {
        let (value, rest) = bytes.split_at_checked(Self::BYTES)?;
        // SAFETY: the length is checked, and the type is plain.
        Some((unsafe { &*value.as_ptr().cast() }, rest))
    }

    /// As `split`, to be changed.
    fn split_mut(bytes: &mut [u8]) -> Option<(&mut Self, &mut [u8])> {
        let (value, rest) = bytes.split_at_mut_checked(Self::BYTES)?;
        // SAFETY: the length is checked, and the type is plain.
        Some((unsafe { &mut *value.as_mut_ptr().cast() }, rest))
    }

    fn as_bytes(&self) -> &[u8] {
        // SAFETY: a plain type has no padding.
        unsafe { core::slice::from_raw_parts(core::ptr::from_ref(self).cast(), Self::BYTES) }
    }
}

macro_rules! number {
    ($name:ident, $number:ty) => {
        #[derive(Clone, Copy, PartialEq)]
        #[repr(transparent)]
        pub struct $name([u8; size_of::<$number>()]);

        // SAFETY: an array of bytes.
        unsafe impl Plain for $name {}

        impl $name {
            pub const fn new(number: $number) -> Self {
                Self(number.to_le_bytes())
            }

            #[inline(always)]
            pub fn get(&self) -> $number {
                // SAFETY: the array has the number's size; the read asks for no alignment.
                <$number>::from_le(unsafe { self.0.as_ptr().cast::<$number>().read_unaligned() })
            }

            pub fn set(&mut self, number: $number) {
                self.0 = number.to_le_bytes();
            }
        }
    };
}

macro_rules! counter {
    ($name:ident, $number:ty) => {
        impl $name {
            /// Adds to the number. Raises `CounterExhausted` where the sum has no room.
            pub fn add(&mut self, number: $number) -> Result<$number, Error> {
                let sum = self.get().checked_add(number).ok_or(Error::CounterExhausted)?;
                self.set(sum);
                Ok(sum)
            }

            /// Takes from the number. Raises `CounterExhausted` where it would fall below its least value.
            pub fn subtract(&mut self, number: $number) -> Result<$number, Error> {
                let difference = self.get().checked_sub(number).ok_or(Error::CounterExhausted)?;
                self.set(difference);
                Ok(difference)
            }
        }
    };
}

number!(U32, u32);
number!(U64, u64);
number!(I64, i64);
counter!(U32, u32);
counter!(U64, u64);

// SAFETY: a number of one byte.
unsafe impl Plain for u8 {}

// SAFETY: an array of bytes, repr(transparent).
unsafe impl Plain for pinocchio::Address {}
