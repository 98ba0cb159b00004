//! The instructions, one module each, and what they share.
//!
//! Their `process` functions, like other large ones, are kept out of line: all inlined into the entry point would
//! pass the reach of its branches and the 4 KiB of its stack frame.

pub mod activate_request_signer;
pub mod authorize_provider;
pub mod claim_withdrawal;
pub mod close_provider;
pub mod close_region;
pub mod close_usage_report;
pub mod create_escrow;
pub mod create_provider;
pub mod create_provider_authorizer;
pub mod create_region;
pub mod create_request_signer;
pub mod create_usage_signer;
pub mod deactivate_request_signer;
pub mod delete_stack;
pub mod deploy_stack;
pub mod deposit_escrow;
pub mod evict_stack;
pub mod initialize;
pub mod remove_provider_authorizer;
pub mod revoke_provider;
pub mod revoke_usage_signer;
pub mod sync_escrow;
pub mod update_commission;
pub mod update_deposit;
pub mod update_region;
pub mod update_stack;
pub mod update_usage;
pub mod withdraw_escrow;

use pinocchio::{AccountView, Address, ProgramResult, Resize};

use crate::clock::now;
use crate::errors::Error;
use crate::events::{emit, STACK_DELETED};
use crate::numbers::Plain;
use crate::rent::minimum_lamports;
use crate::state::authorizer::Authorizer;
use crate::state::escrow::Escrow;
use crate::state::marketplace::State;
use crate::state::provider::Provider;
use crate::state::region::Region;
use crate::state::request_signer::RequestSigner;
use crate::state::stack::{account_bytes, Stack, DELETED};
use crate::state::{read, require_changeable, write};

fn require_signer(account: &AccountView) -> Result<(), Error> {
    if account.is_signer() {
        Ok(())
    } else {
        Err(Error::SignatureMissing)
    }
}

fn require_writable(account: &AccountView) -> Result<(), Error> {
    if account.is_writable() {
        Ok(())
    } else {
        Err(Error::AccountNotWritable)
    }
}

/// Checks one who signs, and pays or is paid.
fn require_payer(account: &AccountView) -> Result<(), Error> {
    require_signer(account)?;
    require_writable(account)
}

fn require_system_program(account: &AccountView) -> Result<(), Error> {
    if account.address() == &pinocchio_system::ID {
        Ok(())
    } else {
        Err(Error::SystemProgramInvalid)
    }
}

/// Gives back to `owner` what `account` holds above `needed` lamports.
fn refund(account: &mut AccountView, owner: &mut AccountView, needed: u64) {
    let surplus = account.lamports().saturating_sub(needed);
    account.set_lamports(account.lamports() - surplus);
    owner.set_lamports(owner.lamports() + surplus);
}

/// Closes an account of the program; all its lamports go to `owner`.
#[inline(never)]
fn close(account: &mut AccountView, owner: &mut AccountView) -> ProgramResult {
    refund(account, owner, 0);
    account.close()
}

/// What a new stack (`added_stacks` 1) and a new revision (0) need: an authorized provider, and its live region.
struct Placement<'a> {
    program: &'a Address,
    owner: &'a Address,
    provider: &'a AccountView,
    region: &'a Region,
    added_stacks: u32,
}

impl Placement<'_> {
    /// Locks the region's minimum in the owner's escrow, and returns it, in base units of the mint.
    #[inline(never)]
    fn lock(&self, escrow: &mut AccountView) -> Result<u64, Error> {
        self.region.require_provider(self.provider.address())?;
        read::<Provider>(self.provider, self.program)?.require_authorized()?;
        self.region.require_live()?;
        let mut escrow = write::<Escrow>(escrow, self.program)?;
        escrow.require_between(self.owner, &self.region.provider)?;
        let minimum = self.region.terms_at(now()?).minimum_escrow;
        escrow.lock(self.region.number, minimum, self.added_stacks)?;
        Ok(minimum.get())
    }
}

/// The end of a live stack, whose owner gets the rent of its manifest.
///
/// The account stays as a tombstone without a manifest, so that its address can never be a stack again. A withdrawal that
/// was asked for waits out a full notice from now, within which the last usage is reported.
struct Deletion<'a> {
    program: &'a Address,
    state: &'a AccountView,
    region: &'a mut AccountView,
    escrow: &'a mut AccountView,
    stack: &'a mut AccountView,
    owner: &'a mut AccountView,
}

impl Deletion<'_> {
    /// Deletes the stack; with `evicting` only if the escrow does not hold what is locked. Raises `EscrowSuffices`.
    #[inline(never)]
    fn delete(self, evicting: bool) -> ProgramResult {
        let Self { program, state, region, escrow, stack, owner } = self;
        let notice_seconds = read::<State>(state, program)?.notice_seconds.get();
        let scope = *region.address();
        let mut region = write::<Region>(region, program)?;
        let escrow_address = *escrow.address();
        let mut escrow = write::<Escrow>(escrow, program)?;
        escrow.require_between(owner.address(), &region.provider)?;
        require_changeable::<Stack>(stack, program)?;
        read::<Stack>(stack, program)?.require_live(owner.address(), &scope)?;
        if evicting && escrow.balance.get() >= escrow.locked() {
            return Err(Error::EscrowSuffices.into());
        }

        let bytes = account_bytes(0);
        stack.resize(bytes)?;
        refund(stack, owner, minimum_lamports(bytes)?);

        let deleted_at = now()?;
        let stack_address = *stack.address();
        let mut data = stack.try_borrow_mut()?;
        let (fields, variable) = Stack::split_mut(&mut data).ok_or(Error::AccountKindInvalid)?;
        fields.status = DELETED;
        fields.deleted_at.set(deleted_at);
        fields.final_prices = region.terms_at(deleted_at).prices;
        let revision = fields.revision.get();
        variable.fill(0);

        region.stack_count.subtract(1)?;
        escrow.unlock(region.number)?;
        if escrow.withdrawal.get() > 0 {
            let notice_end = deleted_at.checked_add(notice_seconds.into()).ok_or(Error::CounterExhausted)?;
            let claimable_from = escrow.withdrawal_from.get().max(notice_end);
            escrow.withdrawal_from.set(claimable_from);
        }
        let withdrawal_from = escrow.withdrawal_from.get();
        emit(&scope, &mut region.chain, STACK_DELETED, |event| {
            event
                .address(&stack_address)
                .address(owner.address())
                .address(&escrow_address)
                .i64(withdrawal_from)
                .u32(revision)
                .i64(deleted_at);
        })?;
        Ok(())
    }
}

/// A provider's way from one status to the next.
struct StatusChange {
    from: u8,
    to: u8,
    event: [u8; 8],
}

/// Takes a provider from one status to the next: [authority: signer] [authorizer] [provider: writable].
#[inline(never)]
fn set_provider_status(
    program: &Address,
    accounts: &mut [AccountView],
    change: &StatusChange,
) -> ProgramResult {
    let [authority, authorizer, provider] = accounts else {
        return Err(Error::AccountCountInvalid.into());
    };
    require_signer(authority)?;
    if &read::<Authorizer>(authorizer, program)?.authority != authority.address() {
        return Err(Error::NotAnAuthorizer.into());
    }
    let scope = *provider.address();
    let mut provider = write::<Provider>(provider, program)?;
    provider.require_open()?;
    if provider.status != change.from {
        return Err(Error::NothingChanges.into());
    }

    provider.status = change.to;
    emit(&scope, &mut provider.chain, change.event, |event| {
        event.address(authority.address());
    })?;
    Ok(())
}

/// What becomes of a request signer.
struct Switch {
    active: u8,
    event: [u8; 8],
}

/// Switches a request signer: [client: signer] [region: writable] [request signer: writable].
#[inline(never)]
fn set_request_signer(program: &Address, accounts: &mut [AccountView], switch: &Switch) -> ProgramResult {
    let [client, region, request_signer] = accounts else {
        return Err(Error::AccountCountInvalid.into());
    };
    require_signer(client)?;
    let scope = *region.address();
    let mut region = write::<Region>(region, program)?;
    let mut fields = write::<RequestSigner>(request_signer, program)?;
    if fields.region != scope {
        return Err(Error::RegionMismatch.into());
    }
    if &fields.client != client.address() {
        return Err(Error::NotTheOwner.into());
    }
    if fields.active == switch.active {
        return Err(Error::NothingChanges.into());
    }

    fields.active = switch.active;
    emit(&scope, &mut region.chain, switch.event, |event| {
        event.address(&fields.client).address(&fields.signer);
    })?;
    Ok(())
}
