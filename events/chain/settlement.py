"""What the chain has made of a scope's confirmed events: it has finalized them, or something else in their place.

Nothing is retracted for being unknown. An event is dead when the finalized chain is proven to have another of its
number; or when the finalized account, as of the event's slot or a later one, has not come to its number, the node has
no such transaction as finalized, and the account as confirmed does not vouch for the event either.

A scope may have died with its first event, so that there is no account any more. A node that has lost its accounts, or
never had them, says the same. So that counts only where nothing of the scope was ever finalized, and where the node
shows, in one answer as of one slot, that it has the Marketplace's State and not the scope: the program never closes an
account that numbers events, so one that is not there at a finalized slot was not created before it. Answers of several
nodes behind one address cannot mix in this. The State itself has nothing to be compared with, and is never retracted
so. Another cluster with a Marketplace of its own cannot be told apart here: which cluster its nodes ask is for a
region's configuration to get right.
"""

from contextlib import aclosing

import msgspec

from contract.accounts import Scope, State, decode_account
from contract.addresses import state_address
from events.catalogue import ChainEvent, Finality, FinalityEvent, Finalized, Retracted
from events.chain.backfill import Backfill
from events.chain.reader import ChainReader
from events.chain.recovery import Found
from events.chain.standing import Cursor, Standing

STATE = str(state_address()[0])


class Settlement(msgspec.Struct, frozen=True):
    """What is to be recorded, and the events on chain that come in the place of retracted ones."""

    event: FinalityEvent
    instead: tuple[Found, ...] = ()

    @property
    def died(self) -> bool:
        """Whether events were retracted."""
        return isinstance(self.event, Retracted)


async def settlement(
    backfill: Backfill, reader: ChainReader, scope: str, standing: Standing
) -> Settlement | None:
    """The next thing to record about the pending events of a scope; None where there is nothing new.

    Raises `ChainUnavailable`, `DecodeError`, and `Gap` where the finalized history cannot be read.
    """
    answer = await backfill.account(Finality.FINALIZED)
    account = answer.account
    if account is None and standing.final.sequence == 0:
        return await _never_created(reader, scope, standing)
    if account is None or account.sequence < standing.final.sequence:
        # the node knows less than is known
        return None
    known = standing.event(account.sequence)
    if known is None or known.hash != account.event_hash:
        return await _other_history(backfill, scope, standing, account)
    if account.sequence > standing.final.sequence:
        return Settlement(Finalized(scope=scope, sequence=account.sequence))
    first = standing.pending[0]
    if first.slot > answer.slot:
        return None
    transaction = await reader.transaction(first.signature, Finality.FINALIZED)
    if transaction is not None and not transaction.failed:
        return None
    return await _lost(backfill, scope, standing, answer.slot)


async def _other_history(
    backfill: Backfill, scope: str, standing: Standing, account: Scope
) -> Settlement | None:
    """The finalized account is ahead of the log, or has another event where the log has one."""
    instead: list[Found] = []
    dead: int | None = None
    async with aclosing(backfill.events(standing.final, account)) as batches:
        async for batch in batches:
            for found in batch:
                event = found[1]
                assert isinstance(event, ChainEvent)
                known = standing.event(event.sequence)
                if dead is None and known is not None and known.hash != event.event_hash:
                    dead = event.sequence
                if dead is not None:
                    instead.append(found)
    return None if dead is None else Settlement(_retracted(scope, standing, dead), tuple(instead))


async def _lost(backfill: Backfill, scope: str, standing: Standing, finalized_slot: int) -> Settlement | None:
    """The first pending event is not on the finalized chain, as of its slot; unless it has come again since."""
    first = standing.pending[0]
    answer = await backfill.account(Finality.CONFIRMED)
    account = answer.account
    if account is None or answer.slot < finalized_slot or account.sequence < standing.final.sequence:
        return None
    alive = standing.event(account.sequence)
    if alive is not None and alive.sequence >= first.sequence and alive.hash == account.event_hash:
        return None
    instead: list[Found] = []
    if account.sequence > standing.final.sequence:
        if backfill.finality is Finality.FINALIZED:
            # what came instead is not to enter before it is final, and then it shows by itself
            return None
        instead = await _all(backfill, standing.final, account)
    if any(isinstance(event, ChainEvent) and event.event_hash == first.hash for _, event in instead):
        return None
    return Settlement(_retracted(scope, standing, first.sequence), tuple(instead))


async def _never_created(reader: ChainReader, scope: str, standing: Standing) -> Settlement | None:
    """All pending events, from the first of the scope on, are of a fork that has died, and it has not come again."""
    first = standing.pending[0]
    slot = await _slot_without(reader, scope, Finality.FINALIZED)
    if slot is None or slot < first.slot:
        return None
    transaction = await reader.transaction(first.signature, Finality.FINALIZED)
    if transaction is not None and not transaction.failed:
        return None
    confirmed_slot = await _slot_without(reader, scope, Finality.CONFIRMED)
    if confirmed_slot is None or confirmed_slot < slot:
        return None
    return Settlement(_retracted(scope, standing, first.sequence))


async def _slot_without(reader: ChainReader, scope: str, finality: Finality) -> int | None:
    """A slot as of which the chain has the Marketplace's State and not the scope; None where that is not shown."""
    answer = await reader.accounts((scope, STATE), finality)
    account, state = answer.data
    if account is not None or state is None or not isinstance(decode_account(state), State):
        return None
    return answer.slot


async def _all(backfill: Backfill, cursor: Cursor, account: Scope) -> list[Found]:
    async with aclosing(backfill.events(cursor, account)) as batches:
        return [found async for batch in batches for found in batch]


def _retracted(scope: str, standing: Standing, first: int) -> Retracted:
    dead = [event for event in standing.pending if event.sequence >= first]
    return Retracted(
        scope=scope,
        first_sequence=dead[0].sequence,
        last_sequence=dead[-1].sequence,
        positions=tuple(event.position for event in dead),
    )
