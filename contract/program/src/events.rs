//! Events: each is one log line, numbered and hash-chained in the account that is its scope.

use pinocchio::syscalls::sol_log_data;
use pinocchio::Address;

use crate::addresses::sha256;
use crate::encoding::Writer;
use crate::errors::Error;
use crate::state::{Chain, MAX_MANIFEST_BYTES};

pub const INITIALIZED: [u8; 8] = 0xd0d573627352c9d1_u64.to_be_bytes();
pub const DEPOSIT_UPDATED: [u8; 8] = 0x76a67ba88046380d_u64.to_be_bytes();
pub const COMMISSION_UPDATED: [u8; 8] = 0x6bb78784e718e2b7_u64.to_be_bytes();
pub const AUTHORIZER_CREATED: [u8; 8] = 0x070fc3fc4a30b912_u64.to_be_bytes();
pub const AUTHORIZER_REMOVED: [u8; 8] = 0x877edbd5a5170de6_u64.to_be_bytes();
pub const PROVIDER_CREATED: [u8; 8] = 0x8f6f91bcb98c6f22_u64.to_be_bytes();
pub const PROVIDER_AUTHORIZED: [u8; 8] = 0x21decb810ded0ab3_u64.to_be_bytes();
pub const PROVIDER_REVOKED: [u8; 8] = 0x754479c3e50655d6_u64.to_be_bytes();
pub const PROVIDER_CLOSED: [u8; 8] = 0xa1a6f9608899e8c2_u64.to_be_bytes();
pub const REGION_CREATED: [u8; 8] = 0x324d407dbeca51a5_u64.to_be_bytes();
pub const REGION_UPDATED: [u8; 8] = 0xb60844ee45c83086_u64.to_be_bytes();
pub const REGION_CLOSED: [u8; 8] = 0xa8eb269b732d5222_u64.to_be_bytes();
pub const ESCROW_CREATED: [u8; 8] = 0x467f69665c6107ad_u64.to_be_bytes();
pub const ESCROW_DEPOSITED: [u8; 8] = 0x1cc1691b286541d3_u64.to_be_bytes();
pub const ESCROW_SYNCED: [u8; 8] = 0x6e6ea19c467bed1b_u64.to_be_bytes();
pub const WITHDRAWAL_REQUESTED: [u8; 8] = 0x4bcf150ca0669637_u64.to_be_bytes();
pub const WITHDRAWAL_CLAIMED: [u8; 8] = 0x098363440769b424_u64.to_be_bytes();
pub const STACK_DEPLOYED: [u8; 8] = 0x5c8d86dfad1f9b8c_u64.to_be_bytes();
pub const STACK_UPDATED: [u8; 8] = 0xacc4bfab87da553c_u64.to_be_bytes();
pub const STACK_DELETED: [u8; 8] = 0xbcc487d8e298afdd_u64.to_be_bytes();
pub const USAGE_SIGNER_CREATED: [u8; 8] = 0x55c9aeffd42f765f_u64.to_be_bytes();
pub const USAGE_SIGNER_REVOKED: [u8; 8] = 0x9dd5a78bf6da112a_u64.to_be_bytes();
pub const REQUEST_SIGNER_CREATED: [u8; 8] = 0x6d1fdb2dc1a89120_u64.to_be_bytes();
pub const REQUEST_SIGNER_ACTIVATED: [u8; 8] = 0xb840c314bfe03d4d_u64.to_be_bytes();
pub const REQUEST_SIGNER_DEACTIVATED: [u8; 8] = 0x773daf4e54b2fa1d_u64.to_be_bytes();
pub const USAGE_REPORTED: [u8; 8] = 0x7eb8f572f2360e63_u64.to_be_bytes();
pub const USAGE_REPORT_CLOSED: [u8; 8] = 0x17775805c5bb04e3_u64.to_be_bytes();

/// Discriminator, scope, sequence, previous hash.
const HEADER_BYTES: usize = 8 + 32 + 8 + 32;

/// The largest event is StackDeployed: stack, owner, escrow, minimum, seed, revision, manifest.
const MAX_EVENT_BYTES: usize = HEADER_BYTES + 32 + 32 + 32 + 8 + 8 + 4 + 4 + MAX_MANIFEST_BYTES;

/// Logs the next event of a scope and notes it in the scope's chain. Raises `CounterExhausted` after
/// 2^64 - 1 events.
#[inline(always)]
pub fn emit(
    scope: &Address,
    chain: &mut Chain,
    discriminator: [u8; 8],
    fields: impl FnOnce(&mut Writer),
) -> Result<(), Error> {
    let mut buffer = [0; MAX_EVENT_BYTES];
    let (header, room) = buffer.split_at_mut(HEADER_BYTES);
    begin(header, scope, chain, discriminator)?;
    let mut event = Writer::new(room);
    fields(&mut event);
    let length = MAX_EVENT_BYTES - event.room_bytes();
    log(&buffer[..length], chain);
    Ok(())
}

#[inline(never)]
fn begin(header: &mut [u8], scope: &Address, chain: &mut Chain, discriminator: [u8; 8]) -> Result<(), Error> {
    let sequence = chain.sequence.add(1)?;
    Writer::new(header).fixed(&discriminator).address(scope).u64(sequence).fixed(&chain.hash);
    Ok(())
}

#[inline(never)]
fn log(event: &[u8], chain: &mut Chain) {
    let event = [event];
    // SAFETY: a slice of slices is laid out as the (address, length) pairs that the call reads.
    unsafe { sol_log_data(event.as_ptr().cast(), event.len() as u64) };
    chain.hash = sha256(&event);
}
