//! `create_region(bump u8, number u32, name string, base_url string)` by [owner: signer, writable] [provider]
//! [region: writable] [system program]; the owner is the provider's.

use pinocchio::{AccountView, Address, ProgramResult};

use super::{require_payer, require_system_program, require_writable};
use crate::addresses::{create, NewAccount};
use crate::encoding::Reader;
use crate::errors::Error;
use crate::events::{emit, REGION_CREATED};
use crate::state::{
    begin, chain, provider, region, require_kind, CHAIN_BYTES, MAX_BASE_URL_BYTES, MAX_NAME_BYTES,
};

pub const DISCRIMINATOR: &[u8; 8] = &0x6cfcb7292e4d5442_u64.to_be_bytes();

pub fn process(program: &Address, accounts: &mut [AccountView], mut arguments: Reader) -> ProgramResult {
    let bump = arguments.u8()?;
    let number = arguments.u32()?;
    let name = arguments.text(MAX_NAME_BYTES, Error::NameInvalid)?;
    let base_url = arguments.text(MAX_BASE_URL_BYTES, Error::BaseUrlInvalid)?;
    arguments.finish()?;
    let [owner, provider, region, system] = accounts else {
        return Err(Error::AccountCountInvalid.into());
    };
    require_payer(owner)?;
    require_kind::<provider::Provider>(provider, program)?;
    if provider::owner(&provider.try_borrow()?) != owner.address().as_ref() {
        return Err(Error::NotTheOwner.into());
    }
    require_writable(region)?;
    require_system_program(system)?;
    let number_bytes = number.to_le_bytes();
    let seeds = region::seeds(provider.address().as_ref(), &number_bytes);
    create(&NewAccount { payer: owner, account: region, program, seeds, bump, bytes: region::BYTES })?;

    let scope = *region.address();
    let mut data = region.try_borrow_mut()?;
    begin::<region::Region>(&mut data, bump)
        .address(provider.address())
        .u32(number)
        .fixed(&[0; CHAIN_BYTES])
        .u32(0)
        .bytes(name)
        .bytes(base_url);
    emit(&scope, chain(&mut data, region::CHAIN_AT)?, REGION_CREATED, |event| {
        event.address(provider.address()).u32(number).bytes(name).bytes(base_url);
    })?;
    Ok(())
}
