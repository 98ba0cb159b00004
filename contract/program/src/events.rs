//! Events: each is one log line, numbered and hash-chained in the account that is its scope.

use pinocchio::syscalls::sol_log_data;
use pinocchio::Address;

use crate::addresses::sha256;
use crate::encoding::Writer;
use crate::errors::Error;
use crate::state::{CHAIN_BYTES, MAX_MANIFEST_BYTES};

pub const INITIALIZED: [u8; 8] = 0xd0d573627352c9d1_u64.to_be_bytes();
pub const PROVIDER_CREATED: [u8; 8] = 0x8f6f91bcb98c6f22_u64.to_be_bytes();
pub const REGION_CREATED: [u8; 8] = 0x324d407dbeca51a5_u64.to_be_bytes();
pub const STACK_DEPLOYED: [u8; 8] = 0x5c8d86dfad1f9b8c_u64.to_be_bytes();
pub const STACK_UPDATED: [u8; 8] = 0xacc4bfab87da553c_u64.to_be_bytes();
pub const STACK_DELETED: [u8; 8] = 0xbcc487d8e298afdd_u64.to_be_bytes();

/// Discriminator, scope, sequence, previous hash.
const HEADER_BYTES: usize = 8 + 32 + 8 + 32;

/// The largest event is StackDeployed: stack, owner, seed, revision, manifest.
const MAX_EVENT_BYTES: usize = HEADER_BYTES + 32 + 32 + 8 + 4 + 4 + MAX_MANIFEST_BYTES;

/// Logs the next event of a scope and notes it in the scope's chain.
///
/// `chain` is what the scope account keeps: the sequence of its last event (u64, 0 before the first) and the
/// sha256 of all bytes of that event (zeros before the first). Raises `CounterExhausted` after 2^64 - 1
/// events.
pub fn emit(
    scope: &Address,
    chain: &mut [u8; CHAIN_BYTES],
    discriminator: [u8; 8],
    fields: impl FnOnce(&mut Writer),
) -> Result<(), Error> {
    let (sequence, hash) = chain.split_first_chunk_mut::<8>().ok_or(Error::AccountKindInvalid)?;
    let next = u64::from_le_bytes(*sequence).checked_add(1).ok_or(Error::CounterExhausted)?;
    let mut buffer = [0; MAX_EVENT_BYTES];
    let mut event = Writer::new(&mut buffer);
    event.fixed(&discriminator).address(scope).u64(next).fixed(hash);
    fields(&mut event);
    let event = [event.written()];
    // SAFETY: a slice of slices is laid out as the (address, length) pairs that the call reads.
    unsafe { sol_log_data(event.as_ptr().cast(), event.len() as u64) };
    *sequence = next.to_le_bytes();
    hash.copy_from_slice(&sha256(&event));
    Ok(())
}
