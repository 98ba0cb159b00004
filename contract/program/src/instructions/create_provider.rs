//! `create_provider(bump u8, vault_bump u8, max_deposit u64, name string)` by [owner: signer, writable] [state]
//! [provider: writable] [vault: writable] [owner tokens: writable] [mint] [token program] [system program].
//! The provider is disabled until an authorizer authorizes it.

use pinocchio::{AccountView, Address, ProgramResult};

use super::{require_payer, require_system_program, require_writable};
use crate::encoding::{Reader, Writer};
use crate::errors::Error;
use crate::events::{emit, PROVIDER_CREATED};
use crate::numbers::{Plain, U32};
use crate::state::marketplace::State;
use crate::state::provider::{Provider, DISABLED, VARIABLE_BYTES};
use crate::state::{change, create_kind, read, Chain, Header, MAX_NAME_BYTES};
use crate::tokens::{self, NewVault};

pub const DISCRIMINATOR: &[u8; 8] = &0x4a35d3ae26a8e3b1_u64.to_be_bytes();

#[inline(never)]
pub fn process(program: &Address, accounts: &mut [AccountView], arguments: &mut Reader) -> ProgramResult {
    let bump = arguments.u8()?;
    let vault_bump = arguments.u8()?;
    let max_deposit = arguments.u64()?;
    let name = arguments.text(MAX_NAME_BYTES, Error::NameInvalid)?;
    arguments.finish()?;
    let [owner, state, provider, vault, owner_tokens, mint, token_program, system] = accounts else {
        return Err(Error::AccountCountInvalid.into());
    };
    require_payer(owner)?;
    let state = read::<State>(state, program)?;
    require_writable(provider)?;
    require_writable(vault)?;
    if mint.address() != &state.mint {
        return Err(Error::MintInvalid.into());
    }
    let deposit = state.deposit.get();
    if deposit > max_deposit {
        return Err(Error::DepositTooHigh.into());
    }
    tokens::require_source(owner_tokens, &state.mint, owner.address(), deposit)?;
    tokens::require_token_program(token_program)?;
    require_system_program(system)?;

    let value = Provider {
        header: Header::new::<Provider>(bump),
        owner: *owner.address(),
        chain: Chain::START,
        vault: *vault.address(),
        deposit: state.deposit,
        region_count: U32::new(0),
        status: DISABLED,
    };
    create_kind(owner, provider, program, &value, VARIABLE_BYTES)?;
    tokens::create_vault(&NewVault {
        payer: owner,
        vault,
        mint,
        authority: provider.address(),
        program,
        bump: vault_bump,
    })?;
    tokens::pay_in(owner_tokens, vault, owner, deposit)?;

    Writer::new(&mut provider.try_borrow_mut()?[Provider::BYTES..]).bytes(name);
    let scope = *provider.address();
    emit(&scope, &mut change::<Provider>(provider)?.chain, PROVIDER_CREATED, |event| {
        event.address(&value.owner).address(&value.vault).u64(deposit).bytes(name);
    })?;
    Ok(())
}
