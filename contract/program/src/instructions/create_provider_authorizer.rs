//! `create_provider_authorizer(bump u8, authority pubkey)` by [admin: signer, writable] [state: writable]
//! [authorizer: writable] [system program].

use pinocchio::{AccountView, Address, ProgramResult};

use super::{require_payer, require_system_program, require_writable};
use crate::encoding::Reader;
use crate::errors::Error;
use crate::events::{emit, AUTHORIZER_CREATED};
use crate::state::authorizer::Authorizer;
use crate::state::marketplace::State;
use crate::state::{change, create_kind, require_changeable, Header};

pub const DISCRIMINATOR: &[u8; 8] = &0x1c541324e21d2184_u64.to_be_bytes();

#[inline(never)]
pub fn process(program: &Address, accounts: &mut [AccountView], arguments: &mut Reader) -> ProgramResult {
    let bump = arguments.u8()?;
    let authority = *arguments.plain::<Address>()?;
    arguments.finish()?;
    let [admin, state, authorizer, system] = accounts else {
        return Err(Error::AccountCountInvalid.into());
    };
    require_payer(admin)?;
    require_changeable::<State>(state, program)?;
    let scope = *state.address();
    let mut state = change::<State>(state)?;
    state.require_admin(admin.address())?;
    require_writable(authorizer)?;
    require_system_program(system)?;

    let value = Authorizer { header: Header::new::<Authorizer>(bump), authority };
    create_kind(admin, authorizer, program, &value, 0)?;
    emit(&scope, &mut state.chain, AUTHORIZER_CREATED, |event| {
        event.address(&authority);
    })?;
    Ok(())
}
