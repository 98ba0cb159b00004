//! The Marketplace program: providers sell regions, developers deploy stacks to them and prepay.
//!
//! The interface is Anchor's: an instruction is sha256("global:<name>")[..8] followed by Borsh arguments, an
//! account is sha256("account:<Name>")[..8] followed by its fields, an event is one `Program data:` log line
//! that begins with sha256("event:<Name>")[..8]. `idl.json` describes all three to clients.
#![no_std]

mod addresses;
mod clock;
mod encoding;
mod errors;
mod events;
mod instructions;
#[cfg(target_arch = "bpf")]
mod memory;
mod numbers;
mod pricing;
mod rent;
mod state;
mod tokens;

use pinocchio::{nostd_panic_handler, program_entrypoint, AccountView, Address, ProgramResult};

use crate::encoding::Reader;
use crate::errors::Error;

/// One more than any instruction takes, so that a surplus account is noticed.
const MAX_ACCOUNTS: usize = 14;

program_entrypoint!(process, MAX_ACCOUNTS);
nostd_panic_handler!();

/// Hands an instruction to the module that has its discriminator.
macro_rules! dispatch {
    ($discriminator:expr, $program:expr, $accounts:expr, $arguments:expr, [$($instruction:ident),+ $(,)?]) => {
        match $discriminator {
            $(instructions::$instruction::DISCRIMINATOR => {
                instructions::$instruction::process($program, $accounts, $arguments)
            })+
            _ => Err(Error::InstructionDataInvalid.into()),
        }
    };
}

fn process(program: &Address, accounts: &mut [AccountView], data: &[u8]) -> ProgramResult {
    let (discriminator, arguments) = data.split_first_chunk().ok_or(Error::InstructionDataInvalid)?;
    let arguments = &mut Reader::new(arguments);
    dispatch!(
        discriminator,
        program,
        accounts,
        arguments,
        [
            update_usage,
            initialize,
            update_deposit,
            update_commission,
            create_provider_authorizer,
            remove_provider_authorizer,
            create_provider,
            authorize_provider,
            revoke_provider,
            close_provider,
            create_region,
            update_region,
            close_region,
            create_escrow,
            deposit_escrow,
            withdraw_escrow,
            claim_withdrawal,
            sync_escrow,
            deploy_stack,
            update_stack,
            delete_stack,
            evict_stack,
            create_usage_signer,
            revoke_usage_signer,
            create_request_signer,
            activate_request_signer,
            deactivate_request_signer,
            close_usage_report,
        ]
    )
}
