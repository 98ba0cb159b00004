//! `initialize(bump u8)` by [admin: signer, writable] [state: writable] [system program]: whoever calls first
//! is admin.

use pinocchio::{AccountView, Address, ProgramResult};

use super::{require_payer, require_system_program, require_writable};
use crate::addresses::{create, NewAccount};
use crate::encoding::Reader;
use crate::errors::Error;
use crate::events::{emit, INITIALIZED};
use crate::state::{begin, chain, state};

pub const DISCRIMINATOR: &[u8; 8] = &0xafaf6d1f0d989bed_u64.to_be_bytes();

pub fn process(program: &Address, accounts: &mut [AccountView], mut arguments: Reader) -> ProgramResult {
    let bump = arguments.u8()?;
    arguments.finish()?;
    let [admin, state, system] = accounts else {
        return Err(Error::AccountCountInvalid.into());
    };
    require_payer(admin)?;
    require_writable(state)?;
    require_system_program(system)?;
    create(&NewAccount {
        payer: admin,
        account: state,
        program,
        seeds: state::seeds(),
        bump,
        bytes: state::BYTES,
    })?;

    let scope = *state.address();
    let mut data = state.try_borrow_mut()?;
    begin::<state::State>(&mut data, bump).address(admin.address());
    emit(&scope, chain(&mut data, state::CHAIN_AT)?, INITIALIZED, |event| {
        event.address(admin.address());
    })?;
    Ok(())
}
