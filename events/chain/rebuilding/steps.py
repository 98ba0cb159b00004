"""The program's part in a transaction: its instructions in the order of execution, and the tokens they moved. Pure.

An instruction of the program may be one of the transaction's, or invoked by another program; the transfers that it
makes itself are the instructions of the Token program that it invoked.
"""

from collections.abc import Mapping, Sequence
from functools import cache
from hashlib import sha256

import msgspec

from contract.addresses import PROGRAM_ID, TOKEN_PROGRAM_ID
from events.chain.reader import ChainTransaction, Invocation

DISCRIMINATOR_BYTES = 8
TOKEN_AMOUNT_BYTES = 8
_TRANSFER, _TRANSFER_CHECKED = 3, 12
_PROGRAM, _TOKEN_PROGRAM = str(PROGRAM_ID), str(TOKEN_PROGRAM_ID)


class Transfer(msgspec.Struct, frozen=True):
    """Tokens moved from one token account to another, in base units; `place` is among all of the instructions."""

    place: int
    source: str
    destination: str
    amount: int


class Step(msgspec.Struct, frozen=True):
    """An instruction of the program, its place among all of the transaction's, and the transfers that it made."""

    place: int
    invocation: Invocation
    transfers: tuple[Transfer, ...] = ()

    def moved(self, *, source: str | None = None, destination: str | None = None) -> int:
        """What it has moved out of, or into, a token account."""
        return sum(
            one.amount
            for one in self.transfers
            if source in (None, one.source) and destination in (None, one.destination)
        )


@cache
def discriminator(namespace: str, name: str) -> bytes:
    """What an instruction ("global") or an event ("event") of Anchor's begins with."""
    return sha256(f"{namespace}:{name}".encode()).digest()[:DISCRIMINATOR_BYTES]


def is_call_of(call: Invocation, name: str, address: str, place: int) -> bool:
    """Whether an invocation of the program is of this instruction (snake case), with this account at this place."""
    return (
        call.data[:DISCRIMINATOR_BYTES] == discriminator("global", name)
        and len(call.accounts) > place
        and call.accounts[place] == address
    )


def steps_in(transaction: ChainTransaction) -> tuple[Step, ...]:
    """The program's instructions; none where the node did not tell them all."""
    instructions = transaction.instructions or ()
    return tuple(
        Step(place, one, _own_transfers(instructions, place))
        for place, one in enumerate(instructions)
        if one.program == _PROGRAM
    )


def transfers_in(transaction: ChainTransaction) -> tuple[Transfer, ...]:
    """All transfers, whoever made them."""
    return tuple(
        transfer
        for place, one in enumerate(transaction.instructions or ())
        if (transfer := _transfer(place, one)) is not None
    )


def _own_transfers(instructions: Sequence[Invocation], place: int) -> tuple[Transfer, ...]:
    height = instructions[place].height
    found: list[Transfer] = []
    for inner in range(place + 1, len(instructions)):
        if instructions[inner].height <= height:
            break
        if (transfer := _transfer(inner, instructions[inner])) is not None:
            found.append(transfer)
    return tuple(found)


def _transfer(place: int, one: Invocation) -> Transfer | None:
    """SPL Token's `Transfer` (3, amount; source, destination) or `TransferChecked` (12, amount, decimals; source,
    mint, destination).
    """
    if one.program != _TOKEN_PROGRAM or len(one.data) < 1 + TOKEN_AMOUNT_BYTES or len(one.accounts) < 3:
        return None
    places: Mapping[int, int] = {_TRANSFER: 1, _TRANSFER_CHECKED: 2}
    destination = places.get(one.data[0])
    if destination is None:
        return None
    amount = int.from_bytes(one.data[1 : 1 + TOKEN_AMOUNT_BYTES], "little")
    return Transfer(place, one.accounts[0], one.accounts[destination], amount)
