//! `activate_request_signer()` by [client: signer] [region: writable] [request signer: writable],
//! which is inactive.

use pinocchio::{AccountView, Address, ProgramResult};

use super::{set_request_signer, Switch};
use crate::encoding::Reader;
use crate::events::REQUEST_SIGNER_ACTIVATED;
use crate::state::request_signer::ACTIVE;

pub const DISCRIMINATOR: &[u8; 8] = &0x9a48fb54fb87aedf_u64.to_be_bytes();

#[inline(never)]
pub fn process(program: &Address, accounts: &mut [AccountView], arguments: &mut Reader) -> ProgramResult {
    arguments.finish()?;
    set_request_signer(program, accounts, &Switch { active: ACTIVE, event: REQUEST_SIGNER_ACTIVATED })
}
