//! `revoke_usage_signer()` by [owner: signer, writable] [provider] [region: writable] [usage signer: writable],
//! which is closed.

use pinocchio::{AccountView, Address, ProgramResult};

use super::{close, require_payer};
use crate::clock::now;
use crate::encoding::Reader;
use crate::errors::Error;
use crate::events::{emit, USAGE_SIGNER_REVOKED};
use crate::state::provider::Provider;
use crate::state::region::Region;
use crate::state::usage_signer::UsageSigner;
use crate::state::{read, require_changeable, write};

pub const DISCRIMINATOR: &[u8; 8] = &0x363a35b8d5ca7104_u64.to_be_bytes();

#[inline(never)]
pub fn process(program: &Address, accounts: &mut [AccountView], arguments: &mut Reader) -> ProgramResult {
    arguments.finish()?;
    let [owner, provider, region, usage_signer] = accounts else {
        return Err(Error::AccountCountInvalid.into());
    };
    require_payer(owner)?;
    read::<Provider>(provider, program)?.require_owner(owner.address())?;
    let scope = *region.address();
    let mut region = write::<Region>(region, program)?;
    region.require_provider(provider.address())?;
    require_changeable::<UsageSigner>(usage_signer, program)?;
    let signer = {
        let fields = read::<UsageSigner>(usage_signer, program)?;
        if fields.region != scope {
            return Err(Error::RegionMismatch.into());
        }
        fields.signer
    };

    close(usage_signer, owner)?;
    let revoked_at = now()?;
    emit(&scope, &mut region.chain, USAGE_SIGNER_REVOKED, |event| {
        event.address(&signer).i64(revoked_at);
    })?;
    Ok(())
}
