//! `close_provider()` by [owner: signer, writable] [provider: writable] [vault: writable]
//! [owner tokens: writable] [token program].
//!
//! The account stays as a tombstone, so that its numbering of events never begins again; all that the vault holds
//! goes to the owner's tokens.

use pinocchio::{AccountView, Address, ProgramResult};

use super::{require_payer, require_writable};
use crate::encoding::Reader;
use crate::errors::Error;
use crate::events::{emit, PROVIDER_CLOSED};
use crate::state::provider::{Provider, CLOSED};
use crate::state::{change, read};
use crate::tokens::{self, Vault};

pub const DISCRIMINATOR: &[u8; 8] = &0xa5139fa0b3f157f4_u64.to_be_bytes();

#[inline(never)]
pub fn process(program: &Address, accounts: &mut [AccountView], arguments: &mut Reader) -> ProgramResult {
    arguments.finish()?;
    let [owner, provider, vault, owner_tokens, token_program] = accounts else {
        return Err(Error::AccountCountInvalid.into());
    };
    require_payer(owner)?;
    require_writable(provider)?;
    let fields = read::<Provider>(provider, program)?;
    fields.require_owner(owner.address())?;
    fields.require_open()?;
    if fields.region_count.get() > 0 {
        return Err(Error::ProviderHasRegions.into());
    }
    if &fields.vault != vault.address() {
        return Err(Error::VaultMismatch.into());
    }
    if owner_tokens.address() == vault.address() {
        return Err(Error::AccountInUse.into());
    }
    tokens::require_token_program(token_program)?;
    require_writable(vault)?;
    let refund = {
        let deposited = tokens::open(vault)?;
        tokens::require_destination(owner_tokens, &deposited.mint)?;
        deposited.amount.get()
    };
    let paying = Vault { tokens: vault, authority: provider, fields: &*fields };
    paying.pay([(owner_tokens, refund)])?;
    paying.close(owner)?;
    drop(fields);

    let scope = *provider.address();
    let mut fields = change::<Provider>(provider)?;
    fields.deposit.set(0);
    fields.status = CLOSED;
    emit(&scope, &mut fields.chain, PROVIDER_CLOSED, |event| {
        event.address(owner.address()).u64(refund);
    })?;
    Ok(())
}
