//! The accounts: their layouts, one module each, and the checks that an account is what it should be.
//!
//! Every account begins with its discriminator (8 bytes), `version` u8 and `bump` u8, goes on with fixed
//! fields, then variable ones, and ends with 64 zero bytes or more of spare room.

pub mod authorizer;
pub mod escrow;
pub mod marketplace;
pub mod provider;
pub mod region;
pub mod request_signer;
pub mod stack;
pub mod terms;
pub mod usage_report;
pub mod usage_signer;

use pinocchio::account::{Ref, RefMut};
use pinocchio::{AccountView, Address, ProgramResult};

use crate::addresses::{create, NewAccount, Seeds};
use crate::errors::Error;
use crate::numbers::{Plain, U64};

pub const VERSION: u8 = 1;
pub const MAX_NAME_BYTES: usize = 32;
pub const MAX_BASE_URL_BYTES: usize = 128;

/// What the data of a `deploy_stack` can carry in a legacy transaction of 1232 bytes with one signer and
/// nothing else.
pub const MAX_MANIFEST_BYTES: usize = 875;

pub const SPARE_BYTES: usize = 64;
pub const LENGTH_BYTES: usize = 4;

/// What every account begins with.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct Header {
    pub discriminator: [u8; 8],
    pub version: u8,
    pub bump: u8,
}

impl Header {
    pub fn new<K: Kind>(bump: u8) -> Self {
        Self { discriminator: K::DISCRIMINATOR, version: VERSION, bump }
    }
}

/// The chain of a scope's events: the number of the last one (0 before the first) and the sha256 of all its
/// bytes (zeros before the first).
#[derive(Clone, Copy)]
#[repr(C)]
pub struct Chain {
    pub sequence: U64,
    pub hash: [u8; 32],
}

impl Chain {
    pub const START: Self = Self { sequence: U64::new(0), hash: [0; 32] };
}

/// One kind of account: its fixed fields, header included, and what tells it from another.
pub trait Kind: Plain {
    const DISCRIMINATOR: [u8; 8];

    fn header(&self) -> &Header;

    /// The seeds of the address of an account with these fields.
    fn seeds(&self) -> Seeds<'_>;
}

/// The fixed fields of an account of this program, and of this kind and version. Raises `AccountInUse`,
/// `AccountNotOwned`, `AccountKindInvalid`.
///
/// It is at the address of its seeds, too: anybody can give the program an account elsewhere, but only of zeros,
/// and only `create_kind` writes discriminators, at canonical addresses.
#[inline(never)]
pub fn read<'a, K: Kind>(account: &'a AccountView, program: &Address) -> Result<Ref<'a, K>, Error> {
    if !account.owned_by(program) {
        return Err(Error::AccountNotOwned);
    }
    let data = account.try_borrow().map_err(|_| Error::AccountInUse)?;
    Ref::filter_map(data, |data| {
        let (value, _) = K::split(data)?;
        let header = value.header();
        (header.discriminator == K::DISCRIMINATOR && header.version == VERSION).then_some(value)
    })
    .map_err(|_| Error::AccountKindInvalid)
}

/// Checks an account that is to be changed. Raises `AccountNotWritable`, and as `read` does.
#[inline(never)]
pub fn require_changeable<K: Kind>(account: &AccountView, program: &Address) -> Result<(), Error> {
    if !account.is_writable() {
        return Err(Error::AccountNotWritable);
    }
    read::<K>(account, program).map(|_| ())
}

/// The fixed fields of an account that has been checked, to be changed. Raises `AccountInUse`.
#[inline(never)]
pub fn change<K: Kind>(account: &mut AccountView) -> Result<RefMut<'_, K>, Error> {
    let data = account.try_borrow_mut().map_err(|_| Error::AccountInUse)?;
    RefMut::filter_map(data, |data| K::split_mut(data).map(|(value, _)| value))
        .map_err(|_| Error::AccountKindInvalid)
}

/// Checks an account and gives its fixed fields, to be changed. Raises as `require_changeable` does.
pub fn write<'a, K: Kind>(account: &'a mut AccountView, program: &Address) -> Result<RefMut<'a, K>, Error> {
    require_changeable::<K>(account, program)?;
    change(account)
}

/// Creates the account that has these fixed fields, with room for `variable_bytes` after them.
pub fn create_kind<K: Kind>(
    payer: &AccountView,
    account: &mut AccountView,
    program: &Address,
    value: &K,
    variable_bytes: usize,
) -> ProgramResult {
    create(&NewAccount {
        payer,
        account,
        program,
        owner: program,
        seeds: value.seeds(),
        bump: value.header().bump,
        bytes: K::BYTES + variable_bytes + SPARE_BYTES,
    })?;
    let mut data = account.try_borrow_mut()?;
    data[..K::BYTES].copy_from_slice(value.as_bytes());
    Ok(())
}
