//! `create_request_signer(bump u8, signer pubkey)` by [client: signer, writable] [region: writable]
//! [request signer: writable] [system program]; it is active from the beginning.

use pinocchio::{AccountView, Address, ProgramResult};

use super::{require_payer, require_system_program, require_writable};
use crate::encoding::Reader;
use crate::errors::Error;
use crate::events::{emit, REQUEST_SIGNER_CREATED};
use crate::state::region::Region;
use crate::state::request_signer::{RequestSigner, ACTIVE};
use crate::state::{create_kind, write, Header};

pub const DISCRIMINATOR: &[u8; 8] = &0x32223800398b3479_u64.to_be_bytes();

#[inline(never)]
pub fn process(program: &Address, accounts: &mut [AccountView], arguments: &mut Reader) -> ProgramResult {
    let bump = arguments.u8()?;
    let signer = *arguments.plain::<Address>()?;
    arguments.finish()?;
    let [client, region, request_signer, system] = accounts else {
        return Err(Error::AccountCountInvalid.into());
    };
    require_payer(client)?;
    let scope = *region.address();
    let mut region = write::<Region>(region, program)?;
    region.require_live()?;
    require_writable(request_signer)?;
    require_system_program(system)?;

    let value = RequestSigner {
        header: Header::new::<RequestSigner>(bump),
        region: scope,
        client: *client.address(),
        signer,
        active: ACTIVE,
    };
    create_kind(client, request_signer, program, &value, 0)?;
    emit(&scope, &mut region.chain, REQUEST_SIGNER_CREATED, |event| {
        event.address(client.address()).address(&signer);
    })?;
    Ok(())
}
