//! The Marketplace program: providers sell regions, developers deploy stacks to them.
//!
//! The interface is Anchor's: an instruction is sha256("global:<name>")[..8] followed by Borsh arguments, an
//! account is sha256("account:<Name>")[..8] followed by its fields, an event is one `Program data:` log line
//! that begins with sha256("event:<Name>")[..8]. `idl.json` describes all three to clients.
#![no_std]

mod addresses;
mod encoding;
mod errors;
mod events;
mod instructions;
#[cfg(target_arch = "bpf")]
mod memory;
mod rent;
mod state;

use pinocchio::{nostd_panic_handler, program_entrypoint, AccountView, Address, ProgramResult};

use crate::encoding::Reader;
use crate::errors::Error;
use crate::instructions::{
    create_provider, create_region, delete_stack, deploy_stack, initialize, update_stack,
};

/// One more than any instruction takes, so that a surplus account is noticed.
const MAX_ACCOUNTS: usize = 5;

program_entrypoint!(process, MAX_ACCOUNTS);
nostd_panic_handler!();

fn process(program: &Address, accounts: &mut [AccountView], data: &[u8]) -> ProgramResult {
    let (discriminator, arguments) = data.split_first_chunk().ok_or(Error::InstructionDataInvalid)?;
    let arguments = Reader::new(arguments);
    instructions::require_distinct(accounts)?;
    match discriminator {
        initialize::DISCRIMINATOR => initialize::process(program, accounts, arguments),
        create_provider::DISCRIMINATOR => create_provider::process(program, accounts, arguments),
        create_region::DISCRIMINATOR => create_region::process(program, accounts, arguments),
        deploy_stack::DISCRIMINATOR => deploy_stack::process(program, accounts, arguments),
        update_stack::DISCRIMINATOR => update_stack::process(program, accounts, arguments),
        delete_stack::DISCRIMINATOR => delete_stack::process(program, accounts, arguments),
        _ => Err(Error::InstructionDataInvalid.into()),
    }
}
