//! `create_provider(bump u8, name string)` by [owner: signer, writable] [provider: writable] [system
//! program].

use pinocchio::{AccountView, Address, ProgramResult};

use super::{require_payer, require_system_program, require_writable};
use crate::addresses::{create, NewAccount};
use crate::encoding::Reader;
use crate::errors::Error;
use crate::events::{emit, PROVIDER_CREATED};
use crate::state::{begin, chain, provider, CHAIN_BYTES, MAX_NAME_BYTES};

pub const DISCRIMINATOR: &[u8; 8] = &0x4a35d3ae26a8e3b1_u64.to_be_bytes();

pub fn process(program: &Address, accounts: &mut [AccountView], mut arguments: Reader) -> ProgramResult {
    let bump = arguments.u8()?;
    let name = arguments.text(MAX_NAME_BYTES, Error::NameInvalid)?;
    arguments.finish()?;
    let [owner, provider, system] = accounts else {
        return Err(Error::AccountCountInvalid.into());
    };
    require_payer(owner)?;
    require_writable(provider)?;
    require_system_program(system)?;
    let seeds = provider::seeds(owner.address().as_ref());
    create(&NewAccount { payer: owner, account: provider, program, seeds, bump, bytes: provider::BYTES })?;

    let scope = *provider.address();
    let mut data = provider.try_borrow_mut()?;
    begin::<provider::Provider>(&mut data, bump)
        .address(owner.address())
        .fixed(&[0; CHAIN_BYTES])
        .bytes(name);
    emit(&scope, chain(&mut data, provider::CHAIN_AT)?, PROVIDER_CREATED, |event| {
        event.address(owner.address()).bytes(name);
    })?;
    Ok(())
}
