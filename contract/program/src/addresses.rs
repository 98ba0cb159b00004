//! Program-derived addresses: checking them, and creating the accounts at them.

use pinocchio::cpi::{Seed, Signer};
use pinocchio::syscalls::{sol_curve_validate_point, sol_sha256};
use pinocchio::{AccountView, Address, ProgramResult, SUCCESS};
use pinocchio_system::instructions::{Allocate, Assign, CreateAccount, Transfer};

use crate::errors::Error;
use crate::rent::minimum_lamports;

/// The most seeds an address of ours has. Unused ones are empty, which changes neither the address nor a
/// signature.
pub const MAX_SEEDS: usize = 4;

pub type Seeds<'a> = [&'a [u8]; MAX_SEEDS];

/// The kind number of edwards25519 in `sol_curve_validate_point`.
const CURVE_EDWARDS: u64 = 0;

/// sha256 over `slices`, one after another.
pub fn sha256(slices: &[&[u8]]) -> [u8; 32] {
    let mut hash = [0; 32];
    // SAFETY: a slice of slices is laid out as the (address, length) pairs that the call reads; it writes 32
    // bytes.
    unsafe { sol_sha256(slices.as_ptr().cast(), slices.len() as u64, hash.as_mut_ptr()) };
    hash
}

fn derive(seeds: &Seeds, bump: u8, program: &Address) -> [u8; 32] {
    let [first, second, third, fourth] = *seeds;
    sha256(&[first, second, third, fourth, &[bump], program.as_ref(), b"ProgramDerivedAddress"])
}

/// Checks that an account is at the address of its seeds, with the canonical bump: every higher one gives a point
/// on the curve.
///
/// That `bump` itself gives none is left to the runtime, which refuses to sign for an address on the curve.
fn require_address(account: &Address, seeds: &Seeds, bump: u8, program: &Address) -> Result<(), Error> {
    if account.as_ref() != derive(seeds, bump, program) {
        return Err(Error::AddressInvalid);
    }
    let mut higher = u8::MAX;
    while higher > bump {
        let point = derive(seeds, higher, program);
        // SAFETY: the call reads 32 bytes and, for this curve, writes no result.
        let status =
            unsafe { sol_curve_validate_point(CURVE_EDWARDS, point.as_ptr(), core::ptr::null_mut()) };
        if status != SUCCESS {
            return Err(Error::AddressInvalid);
        }
        higher -= 1;
    }
    Ok(())
}

/// An account to be created.
pub struct NewAccount<'a> {
    pub payer: &'a AccountView,
    pub account: &'a AccountView,
    pub program: &'a Address,
    /// The program that the account will belong to.
    pub owner: &'a Address,
    pub seeds: Seeds<'a>,
    pub bump: u8,
    pub bytes: usize,
}

/// Creates an account of zero bytes, paid by `payer`, at its canonical address. Its data must not be
/// borrowed.
///
/// Anybody can send lamports to the address beforehand, upon which the system program's create-account would
/// fail for ever; such an account is topped up, allocated and assigned instead.
#[inline(never)]
pub fn create(new: &NewAccount) -> ProgramResult {
    if !new.account.owned_by(&pinocchio_system::ID) {
        return Err(Error::AccountExists.into());
    }
    require_address(new.account.address(), &new.seeds, new.bump, new.program)?;

    let bump = [new.bump];
    let [first, second, third, fourth] = new.seeds;
    let seeds =
        [Seed::from(first), Seed::from(second), Seed::from(third), Seed::from(fourth), Seed::from(&bump)];
    let signers = [Signer::from(&seeds)];
    let needed = minimum_lamports(new.bytes)?;
    let present = new.account.lamports();
    let space = new.bytes as u64;
    if present == 0 {
        let create =
            CreateAccount { from: new.payer, to: new.account, lamports: needed, space, owner: new.owner };
        return create.invoke_signed(&signers);
    }
    if present < needed {
        Transfer { from: new.payer, to: new.account, lamports: needed - present }.invoke()?;
    }
    Allocate { account: new.account, space }.invoke_signed(&signers)?;
    Assign { account: new.account, owner: new.owner }.invoke_signed(&signers)
}
