//! `create_region(bump u8, number u32, name string, base_url string, terms Terms)` by [owner: signer, writable]
//! [state] [provider: writable] [region: writable] [system program]; the owner is the provider's.

use pinocchio::{AccountView, Address, ProgramResult};

use super::{require_payer, require_system_program, require_writable};
use crate::encoding::{Reader, Writer};
use crate::errors::Error;
use crate::events::{emit, REGION_CREATED};
use crate::numbers::{Plain, I64, U32};
use crate::state::marketplace::State;
use crate::state::provider::Provider;
use crate::state::region::{Region, LIVE, VARIABLE_BYTES};
use crate::state::terms::Terms;
use crate::state::{change, create_kind, read, write, Chain, Header, MAX_BASE_URL_BYTES, MAX_NAME_BYTES};

pub const DISCRIMINATOR: &[u8; 8] = &0x6cfcb7292e4d5442_u64.to_be_bytes();

#[inline(never)]
pub fn process(program: &Address, accounts: &mut [AccountView], arguments: &mut Reader) -> ProgramResult {
    let bump = arguments.u8()?;
    let number = arguments.u32()?;
    let name = arguments.text(MAX_NAME_BYTES, Error::NameInvalid)?;
    let base_url = arguments.text(MAX_BASE_URL_BYTES, Error::BaseUrlInvalid)?;
    let terms = *arguments.plain::<Terms>()?;
    arguments.finish()?;
    let [owner, state, provider, region, system] = accounts else {
        return Err(Error::AccountCountInvalid.into());
    };
    require_payer(owner)?;
    terms.require_valid(&*read::<State>(state, program)?)?;
    let provider_address = *provider.address();
    let mut provider = write::<Provider>(provider, program)?;
    provider.require_owner(owner.address())?;
    provider.require_authorized()?;
    require_writable(region)?;
    require_system_program(system)?;

    let value = Region {
        header: Header::new::<Region>(bump),
        provider: provider_address,
        number: U32::new(number),
        chain: Chain::START,
        stack_count: U32::new(0),
        status: LIVE,
        terms,
        next_from: I64::new(0),
        next_terms: Terms::NONE,
    };
    create_kind(owner, region, program, &value, VARIABLE_BYTES)?;
    provider.region_count.add(1)?;
    Writer::new(&mut region.try_borrow_mut()?[Region::BYTES..]).bytes(name).bytes(base_url);
    let scope = *region.address();
    emit(&scope, &mut change::<Region>(region)?.chain, REGION_CREATED, |event| {
        event.address(&provider_address).u32(number).bytes(name).bytes(base_url).plain(&terms);
    })?;
    Ok(())
}
