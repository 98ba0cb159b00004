"""Sends instructions to the program and to the model of its accounting, and compares all that comes of them."""

import base64
from collections.abc import Mapping
from hashlib import sha256
from typing import Any

from solders.keypair import Keypair
from solders.pubkey import Pubkey
from solders.transaction_metadata import TransactionMetadata
from solders.transaction_status import (
    InstructionErrorCustom,
    InstructionErrorFieldless,
    TransactionErrorInstructionError,
)

from contract import client
from contract.accounts import Account, Escrow, Provider, Region, RegionStatus, Stack, StackStatus
from contract.addresses import PROGRAM_ID, TOKEN_PROGRAM_ID
from contract.interface import build_instruction
from contract.program_errors import error_of
from contract.rebuild import Rebuilt
from contract.tokens import TOKEN_ACCOUNT_BYTES, decode_token_account, transfer
from tests.contract.accounting import Accounting
from tests.contract.cluster import EVENT_LINE, Cluster
from tests.contract.rules import Effect, Refused, TokenAccount


class Referee:
    """The same Marketplace three times: on chain, in the model, and rebuilt from the events."""

    def __init__(self) -> None:
        self.cluster = Cluster()
        self.model = Accounting(self.cluster.mint, self.cluster.time())
        self._rebuilt = Rebuilt()
        self._chains: dict[Pubkey, tuple[int, bytes]] = {}
        self._known: set[Pubkey] = set()
        self._decoded: dict[bytes, Account] = {}

    def wait(self, seconds: int) -> None:
        self.model.now += seconds
        self.cluster.set_time(self.model.now)

    def fund(self, owner: Pubkey, amount: int, mint: Pubkey | None = None) -> Pubkey:
        """A new token account."""
        address = self.cluster.token_account(owner, amount, mint)
        self.model.tokens[address] = TokenAccount(mint or self.cluster.mint, owner, amount)
        return address

    def transfer(self, source: Pubkey, owner: Keypair, destination: Pubkey, amount: int) -> None:
        """Moves tokens without the Marketplace."""
        self.cluster.send(transfer(source, owner.pubkey(), destination, amount), owner)
        self.model.transfer(source, destination, amount)

    def attempt(
        self, name: str, addresses: Mapping[str, Pubkey], arguments: Mapping[str, Any], *keys: Keypair
    ) -> Effect | str:
        """What the instruction has done, or the name of the error with which it was refused, as the model says."""
        self._known.update(addresses.values())
        result = self.cluster.result(build_instruction(name, addresses, arguments), *keys)
        expected = self._expected(name, addresses, arguments)
        if isinstance(result, TransactionMetadata):
            assert isinstance(expected, Effect), f"{name} succeeds; the model has {expected}"
            self._follow(expected, result)
            return expected
        assert not _events(result.meta())
        error = result.err()
        assert isinstance(error, TransactionErrorInstructionError), error
        if isinstance(error.err, InstructionErrorCustom):
            refusal = type(error_of(error.err.code)).__name__
        else:
            assert error.err == InstructionErrorFieldless.InvalidAccountData, error
            refusal = "InvalidAccountData"
        assert isinstance(expected, frozenset), f"{name}: {refusal}; the model has {expected}"
        assert refusal in expected, f"{name}: {refusal}; the model has {expected}"
        return refusal

    def _expected(
        self, name: str, addresses: Mapping[str, Pubkey], arguments: Mapping[str, Any]
    ) -> Effect | frozenset[str]:
        try:
            return self.model.attempt(name, addresses, arguments)
        except Refused as refused:
            return refused.errors

    def _follow(self, effect: Effect, result: TransactionMetadata) -> None:
        [data] = _events(result)
        event = client.decode_event(data)
        assert (event.name, event.scope) == (effect.event, effect.scope)
        assert {field: event.fields[field] for field in effect.fields} == effect.fields
        sequence, event_hash = self._chains.get(event.scope, (0, bytes(32)))
        assert (event.sequence, event.previous_hash) == (sequence + 1, event_hash)
        self._chains[event.scope] = sequence + 1, sha256(data).digest()
        self.model.log(event.scope, sha256(data).digest())
        self._rebuilt.apply(event)

    def compare(self) -> None:
        """All accounts and all tokens are equal, and in themselves as they must be."""
        self._known.update(self.model.accounts, self._rebuilt.accounts)
        chain = {address: account for address in self._known if (account := self._account(address))}
        assert chain == self.model.accounts
        assert chain == self._rebuilt.accounts
        known = self._known | self.model.tokens.keys()
        held = {address: amount for address in known if (amount := self._tokens(address)) is not None}
        assert held == {address: account.amount for address, account in self.model.tokens.items()}
        assert self._chains == {
            address: (account.sequence, account.event_hash)
            for address, account in chain.items()
            if isinstance(account, client.State | Provider | Region | Escrow)
        }
        self._counts(chain, held)

    def _counts(self, chain: dict[Pubkey, Account], held: dict[Pubkey, int]) -> None:
        regions = {address: account for address, account in chain.items() if isinstance(account, Region)}
        active = [
            (regions[account.region].provider, account.owner, account.region)
            for account in chain.values()
            if isinstance(account, Stack) and account.status is StackStatus.ACTIVE
        ]
        for address, region in regions.items():
            assert region.stack_count == sum(place == address for _, _, place in active)
        for address, account in chain.items():
            if isinstance(account, Provider):
                live = [region for region in regions.values() if region.status is RegionStatus.LIVE]
                assert account.region_count == sum(region.provider == address for region in live)
                assert account.deposit <= held.get(account.vault, 0)
            elif isinstance(account, Escrow):
                assert account.balance <= held[account.vault]
                locks = {lock.region_number: lock.stack_count for lock in account.locks if lock.stack_count}
                places = [
                    regions[place].number
                    for provider, owner, place in active
                    if (provider, owner) == (account.provider, account.client)
                ]
                assert locks == {number: places.count(number) for number in places}

    def total(self) -> int:
        """How many base units of the mint there are in all known token accounts."""
        mint = self.cluster.mint
        return sum(self._tokens(at) or 0 for at, account in self.model.tokens.items() if account.mint == mint)

    def _account(self, address: Pubkey) -> Account | None:
        account = self.cluster.svm.get_account(address)
        if account is None or account.owner != PROGRAM_ID:
            return None
        data = account.data
        if data not in self._decoded:
            self._decoded[data] = client.decode_account(data)
        return self._decoded[data]

    def _tokens(self, address: Pubkey) -> int | None:
        account = self.cluster.svm.get_account(address)
        if account is None or account.owner != TOKEN_PROGRAM_ID or len(account.data) != TOKEN_ACCOUNT_BYTES:
            return None
        return decode_token_account(account.data).amount


def _events(result: TransactionMetadata) -> list[bytes]:
    lines = [line for line in result.logs() if line.startswith(EVENT_LINE)]
    return [base64.b64decode(line.removeprefix(EVENT_LINE), validate=True) for line in lines]
