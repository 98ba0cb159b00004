//! `update_deposit(deposit u64)` by [admin: signer] [state: writable]; it changes nothing for present providers.

use pinocchio::{AccountView, Address, ProgramResult};

use super::require_signer;
use crate::encoding::Reader;
use crate::errors::Error;
use crate::events::{emit, DEPOSIT_UPDATED};
use crate::state::marketplace::State;
use crate::state::write;

pub const DISCRIMINATOR: &[u8; 8] = &0x7e740fa4eeb39b3b_u64.to_be_bytes();

#[inline(never)]
pub fn process(program: &Address, accounts: &mut [AccountView], arguments: &mut Reader) -> ProgramResult {
    let deposit = arguments.u64()?;
    arguments.finish()?;
    let [admin, state] = accounts else {
        return Err(Error::AccountCountInvalid.into());
    };
    require_signer(admin)?;
    let scope = *state.address();
    let mut fields = write::<State>(state, program)?;
    fields.require_admin(admin.address())?;
    if fields.deposit.get() == deposit {
        return Err(Error::NothingChanges.into());
    }

    fields.deposit.set(deposit);
    emit(&scope, &mut fields.chain, DEPOSIT_UPDATED, |event| {
        event.u64(deposit);
    })?;
    Ok(())
}
