//! `update_usage(bump u8, first_position u64, last_position u64, digest [u8; 32], usage Usage)` by
//! [signer: signer, writable] [state] [provider] [region: writable] [usage signer] [escrow: writable]
//! [vault: writable] [stack: writable] [usage report: writable] [provider tokens: writable]
//! [commission tokens: writable] [token program] [system program].
//!
//! Reports of a stack follow on from one another without a gap or an overlap, so that each position of the log is
//! charged once.

use pinocchio::{AccountView, Address, ProgramResult};

use super::{require_payer, require_system_program, require_writable};
use crate::clock::now;
use crate::encoding::Reader;
use crate::errors::Error;
use crate::events::{emit, USAGE_REPORTED};
use crate::numbers::{I64, U64};
use crate::pricing;
use crate::state::escrow::Escrow;
use crate::state::marketplace::State;
use crate::state::provider::Provider;
use crate::state::region::Region;
use crate::state::stack::{Stack, DELETED, SETTLED};
use crate::state::terms::Usage;
use crate::state::usage_report::UsageReport;
use crate::state::usage_signer::UsageSigner;
use crate::state::{change, create_kind, read, write, Header};
use crate::tokens::{self, Vault};

pub const DISCRIMINATOR: &[u8; 8] = &0xdd1be872b125e4aa_u64.to_be_bytes();

#[inline(never)]
pub fn process(program: &Address, accounts: &mut [AccountView], arguments: &mut Reader) -> ProgramResult {
    let bump = arguments.u8()?;
    let first_position = arguments.u64()?;
    let last_position = arguments.u64()?;
    let digest = arguments.fixed::<32>()?;
    let usage = arguments.plain::<Usage>()?;
    arguments.finish()?;
    let [signer, state, provider, region, usage_signer, escrow, vault, stack, usage_report, provider_tokens, commission_tokens, token_program, system] =
        accounts
    else {
        return Err(Error::AccountCountInvalid.into());
    };
    let now = now()?;
    require_payer(signer)?;
    let state = read::<State>(state, program)?;
    let scope = *region.address();
    let mut region = write::<Region>(region, program)?;
    region.require_provider(provider.address())?;
    read::<UsageSigner>(usage_signer, program)?.require_valid(signer.address(), &scope, now)?;
    let provider = read::<Provider>(provider, program)?;
    provider.require_authorized()?;

    let stack_address = *stack.address();
    let mut stack = write::<Stack>(stack, program)?;
    stack.require_region(&scope)?;
    let is_last = settle(&mut stack, now, state.notice_seconds.get())?;
    // Another report must be able to follow, so none covers the greatest number.
    if stack.reported_position.get().checked_add(1) != Some(first_position)
        || last_position < first_position
        || last_position == u64::MAX
    {
        return Err(Error::PositionsInvalid.into());
    }
    stack.reported_position.set(last_position);

    require_writable(escrow)?;
    let fields = read::<Escrow>(escrow, program)?;
    fields.require_between(&stack.owner, &region.provider)?;
    fields.require_vault(vault.address())?;
    require_writable(vault)?;
    if tokens::require_destination(provider_tokens, &state.mint)?.owner != provider.owner {
        return Err(Error::TokenAccountInvalid.into());
    }
    if commission_tokens.address() != &state.commission_tokens {
        return Err(Error::TokenAccountInvalid.into());
    }
    require_writable(commission_tokens)?;
    require_writable(usage_report)?;
    tokens::require_token_program(token_program)?;
    require_system_program(system)?;

    let prices = if is_last { &stack.final_prices } else { &region.terms_at(now).prices };
    let cost = pricing::cost(usage, prices)?;
    let charge = cost.min(fields.balance.get());
    let commission = pricing::share(charge, state.commission_millionths.get());
    let report = UsageReport {
        header: Header::new::<UsageReport>(bump),
        region: scope,
        stack: stack_address,
        first_position: U64::new(first_position),
        last_position: U64::new(last_position),
        payer: *signer.address(),
        reported_at: I64::new(now),
        digest,
        cost: U64::new(cost),
        charge: U64::new(charge),
        commission: U64::new(commission),
    };
    create_kind(signer, usage_report, program, &report, 0)?;
    let balance = fields.balance.get() - charge;
    let paying = Vault { tokens: vault, authority: escrow, fields: &*fields };
    paying.pay([(provider_tokens, charge - commission), (commission_tokens, commission)])?;
    drop(fields);
    change::<Escrow>(escrow)?.balance.set(balance);

    emit(&scope, &mut region.chain, USAGE_REPORTED, |event| {
        event
            .address(&stack_address)
            .address(&stack.owner)
            .address(escrow.address())
            .address(signer.address())
            .u64(first_position)
            .u64(last_position)
            .fixed(&digest)
            .plain(usage)
            .u64(cost)
            .u64(charge)
            .u64(commission)
            .u64(cost - charge)
            .u64(balance)
            .i64(now);
    })?;
    Ok(())
}

/// Lets a live stack be reported on, and a deleted one once more before the notice is over, upon which withdrawals can
/// be claimed. Returns whether it is that last time.
fn settle(stack: &mut Stack, now: i64, notice_seconds: u32) -> Result<bool, Error> {
    match stack.status {
        SETTLED => Err(Error::StackIsSettled),
        DELETED if now >= stack.deleted_at.get().saturating_add(notice_seconds.into()) => Err(Error::GraceIsOver),
        DELETED => {
            stack.status = SETTLED;
            Ok(true)
        }
        _ => Ok(false),
    }
}
