//! `sync_escrow()` with [escrow: writable] [vault], by anybody: what was sent to the vault by a plain transfer counts
//! from then on.

use pinocchio::{AccountView, Address, ProgramResult};

use crate::encoding::Reader;
use crate::errors::Error;
use crate::events::{emit, ESCROW_SYNCED};
use crate::state::escrow::Escrow;
use crate::state::write;
use crate::tokens;

pub const DISCRIMINATOR: &[u8; 8] = &0x4eeb42d42508a903_u64.to_be_bytes();

#[inline(never)]
pub fn process(program: &Address, accounts: &mut [AccountView], arguments: &mut Reader) -> ProgramResult {
    arguments.finish()?;
    let [escrow, vault] = accounts else {
        return Err(Error::AccountCountInvalid.into());
    };
    let scope = *escrow.address();
    let mut fields = write::<Escrow>(escrow, program)?;
    fields.require_vault(vault.address())?;
    let held = tokens::read(vault)?.amount.get();
    let amount = held.checked_sub(fields.balance.get()).ok_or(Error::CounterExhausted)?;
    if amount == 0 {
        return Err(Error::NothingChanges.into());
    }

    let balance = fields.receive(amount)?;
    emit(&scope, &mut fields.chain, ESCROW_SYNCED, |event| {
        event.u64(amount).u64(balance);
    })?;
    Ok(())
}
