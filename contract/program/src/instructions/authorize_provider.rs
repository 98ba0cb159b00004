//! `authorize_provider()` by [authority: signer] [authorizer] [provider: writable], which is disabled.

use pinocchio::{AccountView, Address, ProgramResult};

use super::{set_provider_status, StatusChange};
use crate::encoding::Reader;
use crate::events::PROVIDER_AUTHORIZED;
use crate::state::provider::{AUTHORIZED, DISABLED};

pub const DISCRIMINATOR: &[u8; 8] = &0x18c15ae13f86a6c2_u64.to_be_bytes();

#[inline(never)]
pub fn process(program: &Address, accounts: &mut [AccountView], arguments: &mut Reader) -> ProgramResult {
    arguments.finish()?;
    let change = StatusChange { from: DISABLED, to: AUTHORIZED, event: PROVIDER_AUTHORIZED };
    set_provider_status(program, accounts, &change)
}
