//! `initialize(bump u8, deposit u64, commission_millionths u32, notice_seconds u32)` by [admin: signer, writable]
//! [state: writable] [mint] [commission tokens] [system program]: whoever calls first is admin.

use pinocchio::{AccountView, Address, ProgramResult};

use super::{require_payer, require_system_program, require_writable};
use crate::encoding::Reader;
use crate::errors::Error;
use crate::events::{emit, INITIALIZED};
use crate::numbers::{U32, U64};
use crate::state::marketplace::{State, MAX_COMMISSION_MILLIONTHS, MAX_NOTICE_SECONDS};
use crate::state::{change, create_kind, Chain, Header};
use crate::tokens;

pub const DISCRIMINATOR: &[u8; 8] = &0xafaf6d1f0d989bed_u64.to_be_bytes();

#[inline(never)]
pub fn process(program: &Address, accounts: &mut [AccountView], arguments: &mut Reader) -> ProgramResult {
    let bump = arguments.u8()?;
    let deposit = arguments.u64()?;
    let commission_millionths = arguments.u32()?;
    let notice_seconds = arguments.u32()?;
    arguments.finish()?;
    if commission_millionths > MAX_COMMISSION_MILLIONTHS {
        return Err(Error::CommissionInvalid.into());
    }
    if notice_seconds == 0 || notice_seconds > MAX_NOTICE_SECONDS {
        return Err(Error::NoticeInvalid.into());
    }
    let [admin, state, mint, commission_tokens, system] = accounts else {
        return Err(Error::AccountCountInvalid.into());
    };
    require_payer(admin)?;
    require_writable(state)?;
    tokens::require_mint(mint)?;
    tokens::require_of_mint(commission_tokens, mint.address())?;
    require_system_program(system)?;

    let value = State {
        header: Header::new::<State>(bump),
        admin: *admin.address(),
        chain: Chain::START,
        mint: *mint.address(),
        commission_tokens: *commission_tokens.address(),
        deposit: U64::new(deposit),
        commission_millionths: U32::new(commission_millionths),
        notice_seconds: U32::new(notice_seconds),
    };
    create_kind(admin, state, program, &value, 0)?;

    let scope = *state.address();
    emit(&scope, &mut change::<State>(state)?.chain, INITIALIZED, |event| {
        event
            .address(&value.admin)
            .address(&value.mint)
            .address(&value.commission_tokens)
            .u64(deposit)
            .u32(commission_millionths)
            .u32(notice_seconds);
    })?;
    Ok(())
}
