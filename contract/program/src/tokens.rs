//! SPL tokens: reading token accounts and mints, vaults, and moving tokens.
//!
//! Only the classic Token program is used: its transfers move what they say, and have no hooks.

use pinocchio::account::Ref;
use pinocchio::cpi::{Seed, Signer};
use pinocchio::{AccountView, Address, ProgramResult};
use pinocchio_token::instructions::{CloseAccount, InitializeAccount3, Transfer};

use crate::addresses::{create, NewAccount, Seeds};
use crate::errors::Error;
use crate::numbers::{Plain, U64};
use crate::state::Kind;

const TOKEN_ACCOUNT_BYTES: usize = 165;
const MINT_BYTES: usize = 82;
const MINT_IS_INITIALIZED_AT: usize = 45;
const OPEN: u8 = 1;
const FROZEN: u8 = 2;

/// The Token program's `Account`, as far as it matters here.
#[repr(C)]
pub struct TokenAccount {
    pub mint: Address,
    pub owner: Address,
    pub amount: U64,
    delegate: [u8; 36],
    state: u8,
}

// SAFETY: repr(C), of plain fields.
unsafe impl Plain for TokenAccount {}

/// A token account, open or frozen. Raises `TokenAccountInvalid`.
#[inline(never)]
pub fn read(account: &AccountView) -> Result<Ref<'_, TokenAccount>, Error> {
    if !account.owned_by(&pinocchio_token::ID) || account.data_len() != TOKEN_ACCOUNT_BYTES {
        return Err(Error::TokenAccountInvalid);
    }
    let data = account.try_borrow().map_err(|_| Error::AccountInUse)?;
    Ref::filter_map(data, |data| {
        TokenAccount::split(data)
            .map(|(tokens, _)| tokens)
            .filter(|tokens| tokens.state == OPEN || tokens.state == FROZEN)
    })
    .map_err(|_| Error::TokenAccountInvalid)
}

/// A token account from and to which tokens can go. Raises `TokenAccountInvalid`, `TokenAccountFrozen`.
pub fn open(account: &AccountView) -> Result<Ref<'_, TokenAccount>, Error> {
    let tokens = read(account)?;
    if tokens.state == FROZEN {
        return Err(Error::TokenAccountFrozen);
    }
    Ok(tokens)
}

/// Checks that an account is an open token account of `mint`.
#[inline(never)]
pub fn require_of_mint<'a>(account: &'a AccountView, mint: &Address) -> Result<Ref<'a, TokenAccount>, Error> {
    let tokens = open(account)?;
    if &tokens.mint == mint {
        Ok(tokens)
    } else {
        Err(Error::TokenAccountInvalid)
    }
}

/// An open, writable token account of `mint`, to which tokens go.
pub fn require_destination<'a>(
    account: &'a AccountView,
    mint: &Address,
) -> Result<Ref<'a, TokenAccount>, Error> {
    if !account.is_writable() {
        return Err(Error::AccountNotWritable);
    }
    require_of_mint(account, mint)
}

/// An open, writable token account of `mint` and `owner` that holds `amount`. Raises `TokensInsufficient` too.
pub fn require_source(
    account: &AccountView,
    mint: &Address,
    owner: &Address,
    amount: u64,
) -> Result<(), Error> {
    let tokens = require_destination(account, mint)?;
    if &tokens.owner != owner {
        return Err(Error::TokenAccountInvalid);
    }
    if tokens.amount.get() < amount {
        return Err(Error::TokensInsufficient);
    }
    Ok(())
}

/// Checks that an account is a mint of the Token program. Raises `MintInvalid`.
#[inline(never)]
pub fn require_mint(account: &AccountView) -> Result<(), Error> {
    if !account.owned_by(&pinocchio_token::ID) || account.data_len() != MINT_BYTES {
        return Err(Error::MintInvalid);
    }
    let data = account.try_borrow().map_err(|_| Error::AccountInUse)?;
    if data.get(MINT_IS_INITIALIZED_AT) == Some(&1) {
        Ok(())
    } else {
        Err(Error::MintInvalid)
    }
}

pub fn require_token_program(account: &AccountView) -> Result<(), Error> {
    if account.address() == &pinocchio_token::ID {
        Ok(())
    } else {
        Err(Error::TokenProgramInvalid)
    }
}

/// A vault to be created: a token account of which `authority`, an account of the program, is the authority.
pub struct NewVault<'a> {
    pub payer: &'a AccountView,
    pub vault: &'a AccountView,
    pub mint: &'a AccountView,
    pub authority: &'a Address,
    pub program: &'a Address,
    pub bump: u8,
}

/// The seeds of the vault's address.
pub fn vault_seeds(authority: &Address) -> Seeds<'_> {
    [b"vault", authority.as_ref(), b"", b""]
}

/// Creates a vault, which holds nothing.
#[inline(never)]
pub fn create_vault(new: &NewVault) -> ProgramResult {
    create(&NewAccount {
        payer: new.payer,
        account: new.vault,
        program: new.program,
        owner: &pinocchio_token::ID,
        seeds: vault_seeds(new.authority),
        bump: new.bump,
        bytes: TOKEN_ACCOUNT_BYTES,
    })?;
    InitializeAccount3::new(new.vault, new.mint, new.authority).invoke()
}

/// Moves tokens that `authority`, who has signed the transaction, owns. Nothing is moved for an amount of 0.
#[inline(never)]
pub fn pay_in(from: &AccountView, to: &AccountView, authority: &AccountView, amount: u64) -> ProgramResult {
    if amount == 0 {
        return Ok(());
    }
    Transfer::new(from, to, authority, amount).invoke()
}

/// A vault and the account of kind `K` whose vault it is.
pub struct Vault<'a, K> {
    pub tokens: &'a AccountView,
    pub authority: &'a AccountView,
    /// The authority's fixed fields, for its seeds.
    pub fields: &'a K,
}

impl<K: Kind> Vault<'_, K> {
    fn signed(&self, act: impl FnOnce(&[Signer]) -> ProgramResult) -> ProgramResult {
        let bump = [self.fields.header().bump];
        let [first, second, third, fourth] = self.fields.seeds();
        let seeds =
            [Seed::from(first), Seed::from(second), Seed::from(third), Seed::from(fourth), Seed::from(&bump)];
        act(&[Signer::from(&seeds)])
    }

    /// Moves tokens out to each account. Nothing is moved for an amount of 0.
    #[inline(always)]
    pub fn pay<const N: usize>(&self, payments: [(&AccountView, u64); N]) -> ProgramResult {
        self.signed(|signers| {
            for (to, amount) in payments {
                if amount > 0 {
                    Transfer::new(self.tokens, to, self.authority, amount).invoke_signed(signers)?;
                }
            }
            Ok(())
        })
    }

    /// Closes an empty vault; its rent goes to `destination`.
    pub fn close(&self, destination: &AccountView) -> ProgramResult {
        self.signed(|signers| {
            CloseAccount::new(self.tokens, destination, self.authority).invoke_signed(signers)
        })
    }
}
