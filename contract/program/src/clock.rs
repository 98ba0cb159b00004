//! The cluster's clock.

use pinocchio::sysvars::{clock::CLOCK_ID, get_sysvar};

use crate::errors::Error;

/// Where the sysvar has the Unix time: after slot, start of the epoch, epoch, and leader schedule epoch.
const UNIX_TIMESTAMP_AT: usize = 32;

/// The Unix time, in seconds. It is asked of the runtime, so that no account can stand in for it.
#[inline(never)]
pub fn now() -> Result<i64, Error> {
    let mut timestamp = [0; 8];
    get_sysvar(&mut timestamp, &CLOCK_ID, UNIX_TIMESTAMP_AT).map_err(|_| Error::ClockUnknown)?;
    Ok(i64::from_le_bytes(timestamp))
}
