//! A client's prepayment to a provider.

use pinocchio::Address;

use super::{Chain, Header, Kind};
use crate::addresses::Seeds;
use crate::errors::Error;
use crate::numbers::{Plain, I64, U32, U64};

pub const MAX_REGIONS: usize = 8;

/// What live stacks in a region keep from being withdrawn; `stack_count` is 0 in an empty place.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct Lock {
    pub region_number: U32,
    pub stack_count: U32,
    /// In base units of the mint.
    pub minimum: U64,
}

impl Lock {
    pub const EMPTY: Self =
        Self { region_number: U32::new(0), stack_count: U32::new(0), minimum: U64::new(0) };
}

#[repr(C)]
pub struct Escrow {
    pub header: Header,
    pub provider: Address,
    pub client: Address,
    pub chain: Chain,
    pub vault: Address,
    /// What is recorded, in base units of the mint; the vault may hold more.
    pub balance: U64,
    /// What was asked for, in base units of the mint; 0 where nothing was.
    pub withdrawal: U64,
    /// From when it can be claimed, Unix time in seconds; 0 where nothing was asked for.
    pub withdrawal_from: I64,
    pub locks: [Lock; MAX_REGIONS],
}

// SAFETY: repr(C), of plain fields.
unsafe impl Plain for Escrow {}

impl Kind for Escrow {
    const DISCRIMINATOR: [u8; 8] = 0x1fd57bbbba16da9b_u64.to_be_bytes();

    fn header(&self) -> &Header {
        &self.header
    }

    fn seeds(&self) -> Seeds<'_> {
        [b"escrow", self.provider.as_ref(), self.client.as_ref(), b""]
    }
}

impl Escrow {
    pub fn require_client(&self, client: &Address) -> Result<(), Error> {
        if &self.client == client {
            Ok(())
        } else {
            Err(Error::NotTheOwner)
        }
    }

    /// Checks that it is the one between this client and this provider. Raises `EscrowMismatch`.
    pub fn require_between(&self, client: &Address, provider: &Address) -> Result<(), Error> {
        if &self.client == client && &self.provider == provider {
            Ok(())
        } else {
            Err(Error::EscrowMismatch)
        }
    }

    pub fn require_vault(&self, vault: &Address) -> Result<(), Error> {
        if &self.vault == vault {
            Ok(())
        } else {
            Err(Error::VaultMismatch)
        }
    }

    /// What may not be withdrawn: the minima of the regions with live stacks.
    pub fn locked(&self) -> u64 {
        self.locks.iter().fold(0, |sum: u64, lock| sum.saturating_add(lock.minimum.get()))
    }

    /// Adds what came in, and returns the balance. It is no part of a withdrawal asked for before, which charges may
    /// have left above the balance: without a notice of its own nothing can be claimed.
    pub fn receive(&mut self, amount: u64) -> Result<u64, Error> {
        if self.withdrawal.get() > self.balance.get() {
            self.withdrawal = self.balance;
            if self.balance.get() == 0 {
                self.withdrawal_from = I64::new(0);
            }
        }
        self.balance.add(amount)
    }

    /// Whether the balance, less what is asked for, is below what is locked: a withdrawal asked for is no cover for
    /// usage to come, as it can be claimed before that is reported.
    pub fn is_too_low(&self) -> bool {
        self.balance.get().saturating_sub(self.withdrawal.get()) < self.locked()
    }

    fn lock_of(&mut self, region_number: U32) -> Option<&mut Lock> {
        self.locks.iter_mut().find(|lock| lock.stack_count.get() > 0 && lock.region_number == region_number)
    }

    /// Counts `added_stacks` more in a region, whose minimum is now `minimum`. Raises `EscrowRegionsFull`, and
    /// `EscrowTooLow` where the balance is below what is locked then.
    pub fn lock(&mut self, region_number: U32, minimum: U64, added_stacks: u32) -> Result<(), Error> {
        if let Some(lock) = self.lock_of(region_number) {
            lock.stack_count.add(added_stacks)?;
            lock.minimum = minimum;
        } else {
            let empty = self.locks.iter_mut().find(|lock| lock.stack_count.get() == 0);
            *empty.ok_or(Error::EscrowRegionsFull)? =
                Lock { region_number, stack_count: U32::new(added_stacks), minimum };
        }
        if self.is_too_low() {
            return Err(Error::EscrowTooLow);
        }
        Ok(())
    }

    /// Counts one stack less in a region; its minimum goes with its last one.
    pub fn unlock(&mut self, region_number: U32) -> Result<(), Error> {
        let lock = self.lock_of(region_number).ok_or(Error::CounterExhausted)?;
        if lock.stack_count.subtract(1)? == 0 {
            *lock = Lock::EMPTY;
        }
        Ok(())
    }
}
