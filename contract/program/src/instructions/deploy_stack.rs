//! `deploy_stack(bump u8, seed u64, manifest bytes)` by [owner: signer, writable] [provider] [region: writable]
//! [escrow: writable] [stack: writable] [system program]; whoever signs owns the stack.

use pinocchio::{AccountView, Address, ProgramResult};

use super::{require_payer, require_system_program, require_writable, Placement};
use crate::encoding::{Reader, Writer};
use crate::errors::Error;
use crate::events::{emit, STACK_DEPLOYED};
use crate::numbers::{Plain, I64, U32, U64};
use crate::state::region::Region;
use crate::state::terms::Terms;
use crate::state::stack::{variable_bytes, Stack, ACTIVE};
use crate::state::{create_kind, write, Header, MAX_MANIFEST_BYTES};

pub const DISCRIMINATOR: &[u8; 8] = &0xe3861823199ce3ab_u64.to_be_bytes();

#[inline(never)]
pub fn process(program: &Address, accounts: &mut [AccountView], arguments: &mut Reader) -> ProgramResult {
    let bump = arguments.u8()?;
    let seed = arguments.u64()?;
    let manifest = arguments.bytes(MAX_MANIFEST_BYTES, Error::ManifestInvalid)?;
    arguments.finish()?;
    let [owner, provider, region, escrow, stack, system] = accounts else {
        return Err(Error::AccountCountInvalid.into());
    };
    require_payer(owner)?;
    let scope = *region.address();
    let mut region = write::<Region>(region, program)?;
    let placement = Placement { program, owner: owner.address(), provider, region: &region, added_stacks: 1 };
    let minimum = placement.lock(escrow)?;
    require_writable(stack)?;
    require_system_program(system)?;

    let value = Stack {
        header: Header::new::<Stack>(bump),
        region: scope,
        owner: *owner.address(),
        seed: U64::new(seed),
        revision: U32::new(1),
        status: ACTIVE,
        reported_position: U64::new(0),
        deleted_at: I64::new(0),
        final_prices: Terms::NONE.prices,
    };
    create_kind(owner, stack, program, &value, variable_bytes(manifest.len()))?;
    Writer::new(&mut stack.try_borrow_mut()?[Stack::BYTES..]).bytes(manifest);
    region.stack_count.add(1)?;
    emit(&scope, &mut region.chain, STACK_DEPLOYED, |event| {
        event
            .address(stack.address())
            .address(&value.owner)
            .address(escrow.address())
            .u64(minimum)
            .u64(seed)
            .u32(1)
            .bytes(manifest);
    })?;
    Ok(())
}
