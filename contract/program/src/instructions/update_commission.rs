//! `update_commission(commission_millionths u32)` by [admin: signer] [state: writable] [commission tokens].

use pinocchio::{AccountView, Address, ProgramResult};

use super::require_signer;
use crate::encoding::Reader;
use crate::errors::Error;
use crate::events::{emit, COMMISSION_UPDATED};
use crate::state::marketplace::{State, MAX_COMMISSION_MILLIONTHS};
use crate::state::write;
use crate::tokens;

pub const DISCRIMINATOR: &[u8; 8] = &0x02ca489c13fd5bae_u64.to_be_bytes();

#[inline(never)]
pub fn process(program: &Address, accounts: &mut [AccountView], arguments: &mut Reader) -> ProgramResult {
    let commission_millionths = arguments.u32()?;
    arguments.finish()?;
    if commission_millionths > MAX_COMMISSION_MILLIONTHS {
        return Err(Error::CommissionInvalid.into());
    }
    let [admin, state, commission_tokens] = accounts else {
        return Err(Error::AccountCountInvalid.into());
    };
    require_signer(admin)?;
    let scope = *state.address();
    let mut fields = write::<State>(state, program)?;
    fields.require_admin(admin.address())?;
    tokens::require_of_mint(commission_tokens, &fields.mint)?;
    if fields.commission_millionths.get() == commission_millionths
        && &fields.commission_tokens == commission_tokens.address()
    {
        return Err(Error::NothingChanges.into());
    }

    fields.commission_millionths.set(commission_millionths);
    fields.commission_tokens = *commission_tokens.address();
    emit(&scope, &mut fields.chain, COMMISSION_UPDATED, |event| {
        event.u32(commission_millionths).address(commission_tokens.address());
    })?;
    Ok(())
}
