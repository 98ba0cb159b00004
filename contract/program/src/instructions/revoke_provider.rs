//! `revoke_provider()` by [authority: signer] [authorizer] [provider: writable], which is authorized: nothing
//! new can be deployed to it then, and it can charge nobody.

use pinocchio::{AccountView, Address, ProgramResult};

use super::{set_provider_status, StatusChange};
use crate::encoding::Reader;
use crate::events::PROVIDER_REVOKED;
use crate::state::provider::{AUTHORIZED, DISABLED};

pub const DISCRIMINATOR: &[u8; 8] = &0x7d684a77f7218070_u64.to_be_bytes();

#[inline(never)]
pub fn process(program: &Address, accounts: &mut [AccountView], arguments: &mut Reader) -> ProgramResult {
    arguments.finish()?;
    let change = StatusChange { from: AUTHORIZED, to: DISABLED, event: PROVIDER_REVOKED };
    set_provider_status(program, accounts, &change)
}
