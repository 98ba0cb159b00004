//! `claim_withdrawal()` by [client: signer] [escrow: writable] [vault: writable] [client tokens: writable]
//! [token program]: pays what was asked for, or as much of it as is not locked.

use pinocchio::{AccountView, Address, ProgramResult};

use super::{require_signer, require_writable};
use crate::clock::now;
use crate::encoding::Reader;
use crate::errors::Error;
use crate::events::{emit, WITHDRAWAL_CLAIMED};
use crate::state::escrow::Escrow;
use crate::state::{change, read};
use crate::tokens::{self, Vault};

pub const DISCRIMINATOR: &[u8; 8] = &0x76cead26efa5411e_u64.to_be_bytes();

#[inline(never)]
pub fn process(program: &Address, accounts: &mut [AccountView], arguments: &mut Reader) -> ProgramResult {
    arguments.finish()?;
    let [client, escrow, vault, client_tokens, token_program] = accounts else {
        return Err(Error::AccountCountInvalid.into());
    };
    require_signer(client)?;
    require_writable(escrow)?;
    let fields = read::<Escrow>(escrow, program)?;
    fields.require_client(client.address())?;
    fields.require_vault(vault.address())?;
    require_writable(vault)?;
    if client_tokens.address() == vault.address() {
        return Err(Error::AccountInUse.into());
    }
    tokens::require_destination(client_tokens, &tokens::open(vault)?.mint)?;
    tokens::require_token_program(token_program)?;
    let unlocked = fields.balance.get().saturating_sub(fields.locked());
    let amount = fields.withdrawal.get().min(unlocked);
    if amount == 0 {
        return Err(Error::NothingToWithdraw.into());
    }
    if now()? < fields.withdrawal_from.get() {
        return Err(Error::NoticeNotOver.into());
    }

    Vault { tokens: vault, authority: escrow, fields: &*fields }.pay([(client_tokens, amount)])?;
    drop(fields);
    let scope = *escrow.address();
    let mut fields = change::<Escrow>(escrow)?;
    let balance = fields.balance.subtract(amount)?;
    fields.withdrawal.set(0);
    fields.withdrawal_from.set(0);
    emit(&scope, &mut fields.chain, WITHDRAWAL_CLAIMED, |event| {
        event.u64(amount).u64(balance);
    })?;
    Ok(())
}
