"""A chain that forks: what is confirmed may yet die, what is finalized stays. Its events are of one region."""

import base64
from collections.abc import Sequence
from hashlib import sha256

import msgspec

from contract.addresses import PROGRAM_ID, state_address
from contract.client import Region as RegionAccount
from contract.client import decode_account
from events.catalogue import Finality
from events.chain.reader import AccountAnswer, AccountsAnswer, ChainTransaction, SignatureInfo
from tests.contract.idl_values import discriminator
from tests.events.chain.histories import REGION, SCOPE, RegionWriter
from tests.events.chain.recorded import HISTORY

_ACCOUNT = HISTORY[0].account
_REGION = decode_account(_ACCOUNT)
assert isinstance(_REGION, RegionAccount)
_HASH_AT = _ACCOUNT.index(_REGION.event_hash)


STATE = str(state_address()[0])
STATE_DATA = RegionWriter().account(state_address()[0])


class Landed(msgspec.Struct, frozen=True):
    """A transaction with one event of the region, in a slot."""

    signature: str
    slot: int
    sequence: int
    data: bytes

    @property
    def hash(self) -> bytes:
        return sha256(self.data).digest()


class View(msgspec.Struct, frozen=True):
    """What a node knows at a moment: its confirmed fork, how many events of it are finalized, and the two slots."""

    events: tuple[Landed, ...] = ()
    finalized: int = 0
    slot: int = 1
    finalized_slot: int = 0
    knows_state: bool = True

    def seen(self, finality: Finality) -> tuple[Landed, ...]:
        """The events at this finality."""
        return self.events if finality is Finality.CONFIRMED else self.events[: self.finalized]


class ForkingChain:
    """The cluster. `view` is what is true at present."""

    def __init__(self) -> None:
        self.view = View()
        self._sent = 0

    def act(self, transactions: int = 1) -> None:
        """Transactions land in one slot, the next."""
        self._go(self.view.slot + 1)
        for _ in range(transactions):
            self._sent += 1
            self._land(f"signature {self._sent}", self._sent)

    def pass_slots(self, slots: int) -> None:
        self._go(self.view.slot + slots)

    def finalize(self, slots: int) -> None:
        """So many more slots are finalized; at the most all."""
        slot = min(self.view.slot, self.view.finalized_slot + slots)
        finalized = sum(event.slot <= slot for event in self.view.events)
        self.view = msgspec.structs.replace(self.view, finalized_slot=slot, finalized=finalized)

    def fork(self, dead: int, land_again: list[int]) -> None:
        """The last `dead` events that are not finalized never happened; some of their transactions land again, later:
        those at the places `land_again`, in that order.
        """
        kept = max(self.view.finalized, len(self.view.events) - dead)
        lost = self.view.events[kept:]
        # the slots of the dead blocks are skipped on the fork that survives
        self.view = msgspec.structs.replace(
            self.view, events=self.view.events[:kept], slot=self.view.slot + 1
        )
        for place in land_again:
            if place < len(lost):
                self._land(lost[place].signature, int(lost[place].signature.split()[1]))

    def _go(self, slot: int) -> None:
        self.view = msgspec.structs.replace(self.view, slot=slot)

    def _land(self, signature: str, content: int) -> None:
        events = self.view.events
        previous = events[-1].hash if events else bytes(32)
        sequence = len(events) + 1
        data = b"".join(
            (
                discriminator("event", "UsageSignerCreated"),
                bytes(REGION),
                sequence.to_bytes(8, "little"),
                previous,
                content.to_bytes(32, "little"),
                bytes(8),
                bytes(8),
            )
        )
        landed = Landed(signature, self.view.slot, sequence, data)
        self.view = msgspec.structs.replace(self.view, events=(*events, landed))


class ViewReader:
    """A `ChainReader` that shows a view, which may be an old one, or one of a fork that has died since."""

    def __init__(self) -> None:
        self.view = View()

    async def account(self, address: str, finality: Finality) -> AccountAnswer:
        view = self.view
        slot = view.slot if finality is Finality.CONFIRMED else view.finalized_slot
        return AccountAnswer(slot, _account(view.seen(finality)))

    async def accounts(self, addresses: Sequence[str], finality: Finality) -> AccountsAnswer:
        answers = {SCOPE: await self.account(SCOPE, finality)}
        slot = answers[SCOPE].slot
        # the Marketplace is there from slot 1 on
        answers[STATE] = AccountAnswer(slot, STATE_DATA if slot and self.view.knows_state else None)
        return AccountsAnswer(slot, tuple(answers[address].data for address in addresses))

    async def signatures(self, address: str, before: str | None, finality: Finality) -> list[SignatureInfo]:
        assert address == SCOPE
        listed = [
            SignatureInfo(one.signature, one.slot, failed=False) for one in reversed(self.view.seen(finality))
        ]
        names = [info.signature for info in listed]
        return listed[names.index(before) + 1 :] if before is not None else listed

    async def transaction(self, signature: str, finality: Finality) -> ChainTransaction | None:
        view = self.view
        for one in view.seen(finality):
            if one.signature == signature:
                line = f"Program data: {base64.b64encode(one.data).decode()}"
                logs = (f"Program {PROGRAM_ID} invoke [1]", line, f"Program {PROGRAM_ID} success")
                return ChainTransaction(one.slot, failed=False, logs=logs)
        return None

    async def block(self, slot: int, finality: Finality) -> tuple[str, ...] | None:
        return None

    def doubt(self, problem: str) -> bool:
        return False


def _account(events: tuple[Landed, ...]) -> bytes | None:
    """The region's account after these events; there is none before the first."""
    if not events:
        return None
    chain = events[-1].sequence.to_bytes(8, "little") + events[-1].hash
    return _ACCOUNT[: _HASH_AT - 8] + chain + _ACCOUNT[_HASH_AT + 32 :]
