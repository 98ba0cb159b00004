//! `create_escrow(bump u8, vault_bump u8)` by [client: signer, writable] [state] [provider] [escrow: writable]
//! [vault: writable] [mint] [token program] [system program].

use pinocchio::{AccountView, Address, ProgramResult};

use super::{require_payer, require_system_program, require_writable};
use crate::encoding::Reader;
use crate::errors::Error;
use crate::events::{emit, ESCROW_CREATED};
use crate::numbers::{I64, U64};
use crate::state::escrow::{Escrow, Lock, MAX_REGIONS};
use crate::state::marketplace::State;
use crate::state::provider::Provider;
use crate::state::{change, create_kind, read, Chain, Header};
use crate::tokens::{self, NewVault};

pub const DISCRIMINATOR: &[u8; 8] = &0xfdd7a574246c4450_u64.to_be_bytes();

#[inline(never)]
pub fn process(program: &Address, accounts: &mut [AccountView], arguments: &mut Reader) -> ProgramResult {
    let bump = arguments.u8()?;
    let vault_bump = arguments.u8()?;
    arguments.finish()?;
    let [client, state, provider, escrow, vault, mint, token_program, system] = accounts else {
        return Err(Error::AccountCountInvalid.into());
    };
    require_payer(client)?;
    let state = read::<State>(state, program)?;
    read::<Provider>(provider, program)?.require_authorized()?;
    require_writable(escrow)?;
    require_writable(vault)?;
    if mint.address() != &state.mint {
        return Err(Error::MintInvalid.into());
    }
    tokens::require_token_program(token_program)?;
    require_system_program(system)?;

    let value = Escrow {
        header: Header::new::<Escrow>(bump),
        provider: *provider.address(),
        client: *client.address(),
        chain: Chain::START,
        vault: *vault.address(),
        balance: U64::new(0),
        withdrawal: U64::new(0),
        withdrawal_from: I64::new(0),
        locks: [Lock::EMPTY; MAX_REGIONS],
    };
    create_kind(client, escrow, program, &value, 0)?;
    tokens::create_vault(&NewVault {
        payer: client,
        vault,
        mint,
        authority: escrow.address(),
        program,
        bump: vault_bump,
    })?;
    let scope = *escrow.address();
    emit(&scope, &mut change::<Escrow>(escrow)?.chain, ESCROW_CREATED, |event| {
        event.address(&value.provider).address(&value.client).address(&value.vault);
    })?;
    Ok(())
}
