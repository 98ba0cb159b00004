//! The accounts: their layouts, and the checks that an account is what it should be.
//!
//! Every account begins with its discriminator (8 bytes), `version` u8 and `bump` u8, goes on with fixed
//! fields, then variable ones, and ends with 64 zero bytes or more of spare room. Offsets below are in bytes
//! from the beginning.

use pinocchio::{AccountView, Address};

use crate::addresses::{require_address, Seeds};
use crate::encoding::Writer;
use crate::errors::Error;

pub const VERSION: u8 = 1;
pub const MAX_NAME_BYTES: usize = 32;
pub const MAX_BASE_URL_BYTES: usize = 128;

/// What the data of a `deploy_stack` can carry in a legacy transaction of 1232 bytes with one signer and
/// nothing else.
pub const MAX_MANIFEST_BYTES: usize = 941;

/// A scope's chain: the sequence (u64) of its last event and that event's sha256, side by side.
pub const CHAIN_BYTES: usize = 8 + 32;

const SPARE_BYTES: usize = 64;
const LENGTH_BYTES: usize = 4;
const VERSION_AT: usize = 8;
const BUMP_AT: usize = 9;

/// What tells one kind of account from another. The program reads no account without `open`ing it as a kind.
pub trait Kind {
    const DISCRIMINATOR: [u8; 8];

    /// The seeds of the address of an account with this data.
    fn seeds(data: &[u8]) -> Seeds<'_>;
}

/// Admin 10..42, chain 42..82.
pub mod state {
    use super::*;

    pub struct State;

    impl Kind for State {
        const DISCRIMINATOR: [u8; 8] = 0xd8926b5e684bb6b1_u64.to_be_bytes();

        fn seeds(_data: &[u8]) -> Seeds<'_> {
            seeds()
        }
    }

    pub const CHAIN_AT: usize = 42;
    pub const BYTES: usize = CHAIN_AT + CHAIN_BYTES + SPARE_BYTES;

    pub fn seeds<'a>() -> Seeds<'a> {
        [b"state", b"", b"", b""]
    }
}

/// Owner 10..42, chain 42..82, name.
pub mod provider {
    use super::*;

    pub struct Provider;

    impl Kind for Provider {
        const DISCRIMINATOR: [u8; 8] = 0xa4b447114bd850c3_u64.to_be_bytes();

        fn seeds(data: &[u8]) -> Seeds<'_> {
            seeds(owner(data))
        }
    }

    pub const CHAIN_AT: usize = 42;
    pub const BYTES: usize = CHAIN_AT + CHAIN_BYTES + LENGTH_BYTES + MAX_NAME_BYTES + SPARE_BYTES;

    pub fn seeds(owner: &[u8]) -> Seeds<'_> {
        [b"provider", owner, b"", b""]
    }

    pub fn owner(data: &[u8]) -> &[u8] {
        &data[10..42]
    }
}

/// Provider 10..42, number u32 42..46, chain 46..86, count of live stacks u32 86..90, name, base URL.
pub mod region {
    use super::*;

    pub struct Region;

    impl Kind for Region {
        const DISCRIMINATOR: [u8; 8] = 0x502f17293a93e3a5_u64.to_be_bytes();

        fn seeds(data: &[u8]) -> Seeds<'_> {
            seeds(&data[10..42], &data[42..46])
        }
    }

    pub const CHAIN_AT: usize = 46;
    pub const STACK_COUNT_AT: usize = 86;
    pub const BYTES: usize =
        STACK_COUNT_AT + 4 + LENGTH_BYTES + MAX_NAME_BYTES + LENGTH_BYTES + MAX_BASE_URL_BYTES + SPARE_BYTES;

    pub fn seeds<'a>(provider: &'a [u8], number: &'a [u8]) -> Seeds<'a> {
        [b"region", provider, number, b""]
    }
}

/// Region 10..42, owner 42..74, seed u64 74..82, revision u32 82..86, status u8 at 86, manifest.
pub mod stack {
    use super::*;

    pub struct Stack;

    impl Kind for Stack {
        const DISCRIMINATOR: [u8; 8] = 0x3a46a8f4bca9814f_u64.to_be_bytes();

        fn seeds(data: &[u8]) -> Seeds<'_> {
            seeds(region(data), owner(data), &data[74..82])
        }
    }

    pub const REVISION_AT: usize = 82;
    pub const STATUS_AT: usize = 86;
    pub const MANIFEST_AT: usize = 87;
    pub const ACTIVE: u8 = 0;
    pub const DELETED: u8 = 1;

    pub fn seeds<'a>(region: &'a [u8], owner: &'a [u8], seed: &'a [u8]) -> Seeds<'a> {
        [b"stack", region, owner, seed]
    }

    pub fn region(data: &[u8]) -> &[u8] {
        &data[10..42]
    }

    pub fn owner(data: &[u8]) -> &[u8] {
        &data[42..74]
    }

    pub const fn bytes(manifest_bytes: usize) -> usize {
        MANIFEST_AT + LENGTH_BYTES + manifest_bytes + SPARE_BYTES
    }
}

/// Checks that an account is of this program, of this kind and version, and at the address that its fields
/// and its bump give. Raises `AccountNotOwned`, `AccountKindInvalid`, `AddressInvalid`.
pub fn require_kind<K: Kind>(account: &AccountView, program: &Address) -> Result<(), Error> {
    if !account.owned_by(program) {
        return Err(Error::AccountNotOwned);
    }
    let data = account.try_borrow().map_err(|_| Error::AccountDuplicate)?;
    if !data.starts_with(&K::DISCRIMINATOR) || data.get(VERSION_AT) != Some(&VERSION) {
        return Err(Error::AccountKindInvalid);
    }
    require_address(account, &K::seeds(&data), data[BUMP_AT], program)
}

/// Writes the header of a new account and returns a writer for the fields after it.
pub fn begin<K: Kind>(data: &mut [u8], bump: u8) -> Writer<'_> {
    let mut writer = Writer::new(data);
    writer.fixed(&K::DISCRIMINATOR).u8(VERSION).u8(bump);
    writer
}

/// The chain of a scope account that keeps it at `chain_at`.
pub fn chain(data: &mut [u8], chain_at: usize) -> Result<&mut [u8; CHAIN_BYTES], Error> {
    data[chain_at..].first_chunk_mut().ok_or(Error::AccountKindInvalid)
}

/// The u32 at `at`.
pub fn u32_at(data: &mut [u8], at: usize) -> Result<&mut [u8; 4], Error> {
    data[at..].first_chunk_mut().ok_or(Error::AccountKindInvalid)
}
