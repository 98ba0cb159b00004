//! `withdraw_escrow(amount u64)` by [client: signer] [state] [escrow: writable]: asks for a withdrawal, in the place
//! of one asked for before; 0 takes that back. It is at most the balance, so that later deposits are not part of it.

use pinocchio::{AccountView, Address, ProgramResult};

use super::require_signer;
use crate::clock::now;
use crate::encoding::Reader;
use crate::errors::Error;
use crate::events::{emit, WITHDRAWAL_REQUESTED};
use crate::state::escrow::Escrow;
use crate::state::marketplace::State;
use crate::state::{read, write};

pub const DISCRIMINATOR: &[u8; 8] = &0x5154e280f52f6068_u64.to_be_bytes();

#[inline(never)]
pub fn process(program: &Address, accounts: &mut [AccountView], arguments: &mut Reader) -> ProgramResult {
    let amount = arguments.u64()?;
    arguments.finish()?;
    let [client, state, escrow] = accounts else {
        return Err(Error::AccountCountInvalid.into());
    };
    require_signer(client)?;
    let notice_seconds = read::<State>(state, program)?.notice_seconds.get();
    let scope = *escrow.address();
    let mut fields = write::<Escrow>(escrow, program)?;
    fields.require_client(client.address())?;
    if amount == 0 && fields.withdrawal.get() == 0 {
        return Err(Error::NothingChanges.into());
    }
    if amount > fields.balance.get() {
        return Err(Error::TokensInsufficient.into());
    }

    let claimable_from = if amount == 0 {
        0
    } else {
        now()?.checked_add(notice_seconds.into()).ok_or(Error::CounterExhausted)?
    };
    fields.withdrawal.set(amount);
    fields.withdrawal_from.set(claimable_from);
    emit(&scope, &mut fields.chain, WITHDRAWAL_REQUESTED, |event| {
        event.u64(amount).i64(claimable_from);
    })?;
    Ok(())
}
