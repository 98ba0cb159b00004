//! `deactivate_request_signer()` by [client: signer] [region: writable] [request signer: writable],
//! which is active.

use pinocchio::{AccountView, Address, ProgramResult};

use super::{set_request_signer, Switch};
use crate::encoding::Reader;
use crate::events::REQUEST_SIGNER_DEACTIVATED;
use crate::state::request_signer::INACTIVE;

pub const DISCRIMINATOR: &[u8; 8] = &0x9e3809e822f67965_u64.to_be_bytes();

#[inline(never)]
pub fn process(program: &Address, accounts: &mut [AccountView], arguments: &mut Reader) -> ProgramResult {
    arguments.finish()?;
    set_request_signer(program, accounts, &Switch { active: INACTIVE, event: REQUEST_SIGNER_DEACTIVATED })
}
