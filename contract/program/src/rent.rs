//! What an account must hold to be exempt from rent.

use pinocchio::sysvars::{get_sysvar, rent::RENT_ID};

use crate::errors::Error;

/// Bytes that the cluster counts for an account beside its data.
const OVERHEAD_BYTES: u64 = 128;

/// A bound on the product below; 160 million times today's rate.
const MAX_LAMPORTS_PER_BYTE: u64 = 1 << 40;

/// A bound on the product below; 800 times our largest account.
const MAX_COUNTED_BYTES: u64 = 1 << 20;

/// The least balance, in lamports, of an account with `bytes` of data.
///
/// The sysvar is a rate (u64, lamports a byte) and a threshold (f64). Clusters before SIMD-0194 have a
/// threshold of 2.0 and half the rate, later ones 1.0; pinocchio's own `Rent` knows only the latter. Anything
/// else is `RentUnknown`: the program has no floating-point arithmetic to multiply with.
#[inline(never)]
pub fn minimum_lamports(bytes: usize) -> Result<u64, Error> {
    let mut sysvar = [0; 16];
    get_sysvar(&mut sysvar, &RENT_ID, 0).map_err(|_| Error::RentUnknown)?;
    let (rate, threshold) = sysvar.split_at(8);
    let rate = u64::from_le_bytes(rate.try_into().map_err(|_| Error::RentUnknown)?);
    let threshold = u64::from_le_bytes(threshold.try_into().map_err(|_| Error::RentUnknown)?);
    let doublings = if threshold == 1f64.to_bits() {
        0
    } else if threshold == 2f64.to_bits() {
        1
    } else {
        return Err(Error::RentUnknown);
    };
    let counted_bytes = OVERHEAD_BYTES + bytes as u64;
    if rate > MAX_LAMPORTS_PER_BYTE || counted_bytes > MAX_COUNTED_BYTES {
        return Err(Error::RentUnknown);
    }
    // Cannot wrap: 2^40 * 2^20 * 2 < 2^64. A checked product would need 128-bit arithmetic, which SBF lacks.
    Ok(counted_bytes.wrapping_mul(rate) << doublings)
}
