//! `update_region(base_url string, terms Terms)` by [owner: signer] [state] [provider] [region: writable].
//!
//! The base URL holds at once; the terms hold after the notice that the present ones give, so that nobody is
//! charged a price that they could not have seen.

use pinocchio::{AccountView, Address, ProgramResult};

use super::require_signer;
use crate::clock::now;
use crate::encoding::{Reader, Writer};
use crate::errors::Error;
use crate::events::{emit, REGION_UPDATED};
use crate::numbers::{Plain, I64, U32};
use crate::state::marketplace::State;
use crate::state::provider::Provider;
use crate::state::region::Region;
use crate::state::terms::Terms;
use crate::state::{read, require_changeable, LENGTH_BYTES, MAX_BASE_URL_BYTES};

pub const DISCRIMINATOR: &[u8; 8] = &0x329a3da683415c14_u64.to_be_bytes();

#[inline(never)]
pub fn process(program: &Address, accounts: &mut [AccountView], arguments: &mut Reader) -> ProgramResult {
    let base_url = arguments.text(MAX_BASE_URL_BYTES, Error::BaseUrlInvalid)?;
    let terms = *arguments.plain::<Terms>()?;
    arguments.finish()?;
    let [owner, state, provider, region] = accounts else {
        return Err(Error::AccountCountInvalid.into());
    };
    require_signer(owner)?;
    terms.require_valid(&*read::<State>(state, program)?)?;
    let provider_fields = read::<Provider>(provider, program)?;
    provider_fields.require_owner(owner.address())?;
    require_changeable::<Region>(region, program)?;
    let scope = *region.address();
    let mut data = region.try_borrow_mut()?;
    let (fields, variable) = Region::split_mut(&mut data).ok_or(Error::AccountKindInvalid)?;
    fields.require_provider(provider.address())?;
    fields.require_live()?;

    let name_bytes = U32::split(variable).ok_or(Error::AccountKindInvalid)?.0.get() as usize;
    let url_field = &mut variable[LENGTH_BYTES + name_bytes..];
    let old_url_bytes = U32::split(url_field).ok_or(Error::AccountKindInvalid)?.0.get() as usize;
    let old_url = &mut url_field[LENGTH_BYTES..][..old_url_bytes];

    let now = now()?;
    let present = *fields.terms_at(now);
    let announced_from = fields.next_from.get();
    let (next_from, next_terms) = if terms == present {
        (0, Terms::NONE)
    } else if terms == fields.next_terms && announced_from > now {
        (announced_from, terms)
    } else {
        (now.checked_add(present.notice_seconds.get().into()).ok_or(Error::CounterExhausted)?, terms)
    };
    if old_url == base_url && fields.terms == present && fields.next_terms == next_terms {
        return Err(Error::NothingChanges.into());
    }

    old_url.fill(0);
    Writer::new(url_field).bytes(base_url);
    fields.terms = present;
    fields.next_from = I64::new(next_from);
    fields.next_terms = next_terms;
    emit(&scope, &mut fields.chain, REGION_UPDATED, |event| {
        event.bytes(base_url).plain(&present).i64(next_from).plain(&next_terms);
    })?;
    Ok(())
}
