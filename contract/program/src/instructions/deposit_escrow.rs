//! `deposit_escrow(amount u64)` by [depositor: signer] [escrow: writable] [vault: writable]
//! [depositor tokens: writable] [token program]: anybody may fill anybody's escrow.

use pinocchio::{AccountView, Address, ProgramResult};

use super::{require_signer, require_writable};
use crate::encoding::Reader;
use crate::errors::Error;
use crate::events::{emit, ESCROW_DEPOSITED};
use crate::state::escrow::Escrow;
use crate::state::write;
use crate::tokens;

pub const DISCRIMINATOR: &[u8; 8] = &0xe2709eb0b2769980_u64.to_be_bytes();

#[inline(never)]
pub fn process(program: &Address, accounts: &mut [AccountView], arguments: &mut Reader) -> ProgramResult {
    let amount = arguments.u64()?;
    arguments.finish()?;
    if amount == 0 {
        return Err(Error::AmountInvalid.into());
    }
    let [depositor, escrow, vault, depositor_tokens, token_program] = accounts else {
        return Err(Error::AccountCountInvalid.into());
    };
    require_signer(depositor)?;
    let scope = *escrow.address();
    let mut fields = write::<Escrow>(escrow, program)?;
    fields.require_vault(vault.address())?;
    require_writable(vault)?;
    tokens::require_source(depositor_tokens, &tokens::open(vault)?.mint, depositor.address(), amount)?;
    tokens::require_token_program(token_program)?;

    tokens::pay_in(depositor_tokens, vault, depositor, amount)?;
    let balance = fields.receive(amount)?;
    emit(&scope, &mut fields.chain, ESCROW_DEPOSITED, |event| {
        event.address(depositor.address()).u64(amount).u64(balance);
    })?;
    Ok(())
}
