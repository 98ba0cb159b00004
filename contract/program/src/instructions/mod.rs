//! The instructions, one module each, and the checks of accounts that they share.

pub mod create_provider;
pub mod create_region;
pub mod delete_stack;
pub mod deploy_stack;
pub mod initialize;
pub mod update_stack;

use pinocchio::{AccountView, Address};

use crate::errors::Error;
use crate::state::{self, region, stack};

/// Refuses an account given twice: two views of one account would overwrite each other.
pub fn require_distinct(accounts: &[AccountView]) -> Result<(), Error> {
    for (index, account) in accounts.iter().enumerate() {
        if accounts[..index].iter().any(|earlier| earlier.address() == account.address()) {
            return Err(Error::AccountDuplicate);
        }
    }
    Ok(())
}

/// Checks the one who signs and pays.
fn require_payer(account: &AccountView) -> Result<(), Error> {
    if !account.is_signer() {
        return Err(Error::SignatureMissing);
    }
    require_writable(account)
}

fn require_writable(account: &AccountView) -> Result<(), Error> {
    if account.is_writable() {
        Ok(())
    } else {
        Err(Error::AccountNotWritable)
    }
}

fn require_system_program(account: &AccountView) -> Result<(), Error> {
    if account.address() == &pinocchio_system::ID {
        Ok(())
    } else {
        Err(Error::SystemProgramInvalid)
    }
}

/// Checks the accounts of a change to an existing stack: its owner signs, the region is its region, and it is
/// live.
fn require_live_stack(
    program: &Address,
    owner: &AccountView,
    region: &AccountView,
    stack: &AccountView,
) -> Result<(), Error> {
    require_payer(owner)?;
    require_writable(region)?;
    state::require_kind::<region::Region>(region, program)?;
    require_writable(stack)?;
    state::require_kind::<stack::Stack>(stack, program)?;
    let data = stack.try_borrow().map_err(|_| Error::AccountDuplicate)?;
    if stack::owner(&data) != owner.address().as_ref() {
        return Err(Error::NotTheOwner);
    }
    if stack::region(&data) != region.address().as_ref() {
        return Err(Error::RegionMismatch);
    }
    if data[stack::STATUS_AT] != stack::ACTIVE {
        return Err(Error::StackIsDeleted);
    }
    Ok(())
}

/// Adds `by` (which may be negative) to the u32 at `at` and returns the sum.
fn add(data: &mut [u8], at: usize, by: i32) -> Result<u32, Error> {
    let number = state::u32_at(data, at)?;
    let sum = u32::from_le_bytes(*number).checked_add_signed(by).ok_or(Error::CounterExhausted)?;
    *number = sum.to_le_bytes();
    Ok(sum)
}

/// Gives back to `owner` what `account` holds above `needed` lamports.
fn refund(account: &mut AccountView, owner: &mut AccountView, needed: u64) {
    let surplus = account.lamports().saturating_sub(needed);
    account.set_lamports(account.lamports() - surplus);
    owner.set_lamports(owner.lamports() + surplus);
}
