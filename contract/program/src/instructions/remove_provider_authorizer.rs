//! `remove_provider_authorizer()` by [admin: signer, writable] [state: writable] [authorizer: writable], which is
//! closed.

use pinocchio::{AccountView, Address, ProgramResult};

use super::{close, require_payer};
use crate::encoding::Reader;
use crate::errors::Error;
use crate::events::{emit, AUTHORIZER_REMOVED};
use crate::state::authorizer::Authorizer;
use crate::state::marketplace::State;
use crate::state::{read, require_changeable, write};

pub const DISCRIMINATOR: &[u8; 8] = &0x31c515154774a08a_u64.to_be_bytes();

#[inline(never)]
pub fn process(program: &Address, accounts: &mut [AccountView], arguments: &mut Reader) -> ProgramResult {
    arguments.finish()?;
    let [admin, state, authorizer] = accounts else {
        return Err(Error::AccountCountInvalid.into());
    };
    require_payer(admin)?;
    let scope = *state.address();
    let mut state = write::<State>(state, program)?;
    state.require_admin(admin.address())?;
    require_changeable::<Authorizer>(authorizer, program)?;
    let authority = read::<Authorizer>(authorizer, program)?.authority;

    close(authorizer, admin)?;
    emit(&scope, &mut state.chain, AUTHORIZER_REMOVED, |event| {
        event.address(&authority);
    })?;
    Ok(())
}
