"""What happened on chain: a struct for each of the Marketplace's events (`contract/idl.json`).

Amounts are base units of the Marketplace's mint, times seconds since 1970 on the chain's clock, addresses base58.
A kind whose fields change gets a new version, as in the catalogue that they are part of.
"""

import msgspec

from contract.terms import Terms, Usage


class ChainEvent(msgspec.Struct, frozen=True, tag=True, kw_only=True):
    """What every event of the program carries.

    `scope` is the account the event belongs to, `sequence` its number there (from 1, gapless), `previous_hash` the
    SHA-256 of the scope's previous event's bytes on chain (zeros for the first), `event_hash` that of this one's.
    """

    scope: str
    sequence: int
    previous_hash: bytes
    event_hash: bytes


# Scope: the State.


class Initialized(ChainEvent, frozen=True, tag="Initialized.2"):
    """The Marketplace was set up. Its money is of `mint`; `commission_tokens` is where commissions go."""

    admin: str
    mint: str
    commission_tokens: str
    deposit: int
    commission_millionths: int
    notice_seconds: int


class DepositUpdated(ChainEvent, frozen=True):
    """The deposit of providers to come was set."""

    deposit: int


class CommissionUpdated(ChainEvent, frozen=True):
    """The commission on charges to come was set, and the token account it goes to."""

    commission_millionths: int
    commission_tokens: str


class AuthorizerCreated(ChainEvent, frozen=True):
    """A key was allowed to authorize and revoke providers."""

    authority: str


class AuthorizerRemoved(ChainEvent, frozen=True):
    """That right was taken back."""

    authority: str


# Scope: a Provider.


class ProviderCreated(ChainEvent, frozen=True, tag="ProviderCreated.2"):
    """A provider registered, and its deposit went to `vault`; it is disabled at first."""

    owner: str
    vault: str
    deposit: int
    name: str


class ProviderAuthorized(ChainEvent, frozen=True):
    """The authorizer `authority` let the provider sell."""

    authority: str


class ProviderRevoked(ChainEvent, frozen=True):
    """The authorizer `authority` disabled the provider."""

    authority: str


class ProviderClosed(ChainEvent, frozen=True):
    """The provider closed for ever; `refund` is what its vault held."""

    owner: str
    refund: int


# Scope: a Region.


class RegionCreated(ChainEvent, frozen=True, tag="RegionCreated.2"):
    """A provider opened a region."""

    provider: str
    number: int
    name: str
    base_url: str
    terms: Terms


class RegionUpdated(ChainEvent, frozen=True):
    """The region has this base URL and these terms, and `next_terms` from `next_from` on (0: none are to come)."""

    base_url: str
    terms: Terms
    next_from: int
    next_terms: Terms


class RegionClosed(ChainEvent, frozen=True):
    """The region closed for ever."""

    provider: str
    number: int


class StackDeployed(ChainEvent, frozen=True, tag="StackDeployed.2"):
    """A developer deployed a stack to the region. `manifest` is in the form of `events.manifest`, unchecked.

    `escrow` holds at least `minimum`, the region's minimum escrow.
    """

    stack: str
    owner: str
    escrow: str
    minimum: int
    seed: int
    revision: int
    manifest: bytes


class StackUpdated(ChainEvent, frozen=True, tag="StackUpdated.2"):
    """The stack's owner replaced its manifest; `minimum` is the region's minimum escrow now."""

    stack: str
    owner: str
    escrow: str
    minimum: int
    revision: int
    manifest: bytes


class StackDeleted(ChainEvent, frozen=True, tag="StackDeleted.2"):
    """The stack's owner deleted it; its address is never used again.

    `withdrawal_from` is from when what was asked for can be claimed from `escrow`; 0 if nothing was asked for.
    """

    stack: str
    owner: str
    escrow: str
    withdrawal_from: int
    revision: int
    deleted_at: int


class UsageSignerCreated(ChainEvent, frozen=True):
    """`signer` is the one key that reports usage in the region, from `valid_from` until before `valid_to`."""

    signer: str
    valid_from: int
    valid_to: int


class UsageSignerRevoked(ChainEvent, frozen=True):
    """The region has no usage signer any more."""

    signer: str
    revoked_at: int


class RequestSignerCreated(ChainEvent, frozen=True):
    """`signer` makes requests to the region on behalf of `client`."""

    client: str
    signer: str


class RequestSignerActivated(ChainEvent, frozen=True):
    """It does so again."""

    client: str
    signer: str


class RequestSignerDeactivated(ChainEvent, frozen=True):
    """It does so no longer."""

    client: str
    signer: str


class UsageReported(ChainEvent, frozen=True):
    """A stack's owner was charged for its usage between two positions of the region's log.

    `digest` is the hash of the log's entry at `last_position`. `charge` is the `cost` less the `shortfall`, which the
    escrow could not pay; `commission` is the Marketplace's part of it; `balance` is what the escrow is left with.
    """

    stack: str
    owner: str
    escrow: str
    signer: str
    first_position: int
    last_position: int
    digest: bytes
    usage: Usage
    cost: int
    charge: int
    commission: int
    shortfall: int
    balance: int
    reported_at: int


class UsageReportClosed(ChainEvent, frozen=True):
    """The account of a usage report was closed."""

    stack: str
    first_position: int
    last_position: int
    payer: str


# Scope: an Escrow.


class EscrowCreated(ChainEvent, frozen=True):
    """A client opened an escrow with a provider; `vault` holds its tokens."""

    provider: str
    client: str
    vault: str


class EscrowDeposited(ChainEvent, frozen=True):
    """`amount` was paid in; the escrow has `balance` now."""

    depositor: str
    amount: int
    balance: int


class EscrowSynced(ChainEvent, frozen=True):
    """`amount` that had been sent to the vault was recorded; the escrow has `balance` now."""

    amount: int
    balance: int


class WithdrawalRequested(ChainEvent, frozen=True):
    """The client asked for `amount`, in the place of what it asked for before; 0 takes that back."""

    amount: int
    claimable_from: int


class WithdrawalClaimed(ChainEvent, frozen=True):
    """`amount` was paid out; the escrow has `balance` now."""

    amount: int
    balance: int


MarketplaceEvent = (
    Initialized
    | DepositUpdated
    | CommissionUpdated
    | AuthorizerCreated
    | AuthorizerRemoved
    | ProviderCreated
    | ProviderAuthorized
    | ProviderRevoked
    | ProviderClosed
    | RegionCreated
    | RegionUpdated
    | RegionClosed
    | StackDeployed
    | StackUpdated
    | StackDeleted
    | UsageSignerCreated
    | UsageSignerRevoked
    | RequestSignerCreated
    | RequestSignerActivated
    | RequestSignerDeactivated
    | UsageReported
    | UsageReportClosed
    | EscrowCreated
    | EscrowDeposited
    | EscrowSynced
    | WithdrawalRequested
    | WithdrawalClaimed
)
