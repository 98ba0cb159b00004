//! `create_usage_signer(bump u8, signer pubkey, valid_to i64)` by [owner: signer, writable] [provider]
//! [region: writable] [usage signer: writable] [system program].
//!
//! A region has one usage signer: the account is made once, and a new signer takes the place of the one before,
//! whose reports are refused from then on. A closed region may need one, too, for its last reports.

use pinocchio::{AccountView, Address, ProgramResult};

use super::{require_payer, require_system_program, require_writable};
use crate::clock::now;
use crate::encoding::Reader;
use crate::errors::Error;
use crate::events::{emit, USAGE_SIGNER_CREATED};
use crate::numbers::I64;
use crate::state::provider::Provider;
use crate::state::region::Region;
use crate::state::usage_signer::UsageSigner;
use crate::state::{create_kind, read, write, Header};

pub const DISCRIMINATOR: &[u8; 8] = &0x915ae6031d456b62_u64.to_be_bytes();

#[inline(never)]
pub fn process(program: &Address, accounts: &mut [AccountView], arguments: &mut Reader) -> ProgramResult {
    let bump = arguments.u8()?;
    let signer = *arguments.plain::<Address>()?;
    let valid_to = arguments.i64()?;
    arguments.finish()?;
    let [owner, provider, region, usage_signer, system] = accounts else {
        return Err(Error::AccountCountInvalid.into());
    };
    require_payer(owner)?;
    read::<Provider>(provider, program)?.require_owner(owner.address())?;
    let scope = *region.address();
    let mut region = write::<Region>(region, program)?;
    region.require_provider(provider.address())?;
    require_writable(usage_signer)?;
    require_system_program(system)?;
    let valid_from = now()?;
    if valid_to <= valid_from {
        return Err(Error::ValidityInvalid.into());
    }

    let value = UsageSigner {
        header: Header::new::<UsageSigner>(bump),
        region: scope,
        signer,
        valid_from: I64::new(valid_from),
        valid_to: I64::new(valid_to),
    };
    if usage_signer.owned_by(program) {
        let mut present = write::<UsageSigner>(usage_signer, program)?;
        if present.region != scope {
            return Err(Error::RegionMismatch.into());
        }
        present.signer = value.signer;
        present.valid_from = value.valid_from;
        present.valid_to = value.valid_to;
    } else {
        create_kind(owner, usage_signer, program, &value, 0)?;
    }
    emit(&scope, &mut region.chain, USAGE_SIGNER_CREATED, |event| {
        event.address(&signer).i64(valid_from).i64(valid_to);
    })?;
    Ok(())
}
