"""What an RPC node says that cannot be true is not believed, and another node is asked."""

import msgspec
import pytest
import trio

from events.catalogue import Finality
from events.chain.endpoints import EndpointLimits
from events.chain.failover import FailoverReader
from events.chain.follower import Follower, FollowerLimits
from events.chain.reader import AccountAnswer, ChainTransaction, ChainUnavailable, SignatureInfo
from events.engine.memory import MemoryEngine
from tests.entries import open_log
from tests.events.chain.histories import SCOPE, HistoryReader
from tests.events.chain.recorded import ALL, HISTORY


class RoundAndRound(HistoryReader):
    """Its pages of history lead from one to the other and back."""

    pages = 0

    async def signatures(self, address: str, before: str | None, finality: Finality) -> list[SignatureInfo]:
        await trio.lowlevel.checkpoint()
        self.pages += 1
        page = "A" if before is None or before.startswith("B") else "B"
        return [SignatureInfo(f"{page}{number}", 10**6, False) for number in range(1000)]


async def test_a_history_whose_pages_go_round_is_not_read_for_ever():
    reader = RoundAndRound(HISTORY)
    following = Follower(open_log(MemoryEngine()), reader, SCOPE, FollowerLimits())
    with pytest.raises(ChainUnavailable, match="again and again"):
        await following.catch_up()
    assert reader.pages == 3


class OtherSlots(HistoryReader):
    """Has transactions in other slots than it lists them in."""

    async def transaction(self, signature: str, finality: Finality) -> ChainTransaction | None:
        found = await super().transaction(signature, finality)
        return found and msgspec.structs.replace(found, slot=found.slot + 1_000_000)


async def test_a_transaction_in_another_slot_than_it_is_listed_in_is_not_believed():
    log = open_log(MemoryEngine())
    with pytest.raises(ChainUnavailable, match="and has it in"):
        await Follower(log, OtherSlots(HISTORY), SCOPE, FollowerLimits()).catch_up()
    assert log.head().position == 0


class Nonsense(HistoryReader):
    """Answers what is no account."""

    async def account(self, address: str, finality: Finality) -> AccountAnswer:
        await trio.lowlevel.checkpoint()
        return AccountAnswer(9, b"nonsense")


async def test_a_node_that_answers_nonsense_is_left_for_another():
    log = open_log(MemoryEngine())
    reader = FailoverReader({"first": Nonsense(HISTORY), "second": HistoryReader(HISTORY)}, EndpointLimits())
    await Follower(log, reader, SCOPE, FollowerLimits()).catch_up()
    assert (reader.current, log.head().position) == ("second", len(ALL))
