"""The transactions that a log names, and what a node of the chain says of them. Pure.

The hashes of a scope's events prove what happened, and in which order; the transaction and slot of each are the word of
the node that recorded it. Of events that were retracted nothing is asked: their transactions may have landed again
elsewhere.
"""

from collections.abc import Iterable, Iterator, Sequence

import msgspec

from events.catalogue import ChainSource, Finality
from events.log import Entry
from events.verification.findings import Disagreement
from mu.marketplace import MAX_STATUSES_PER_QUESTION, TransactionStatus


class Named(msgspec.Struct, frozen=True):
    """A transaction as the log names it, and where."""

    position: int
    signature: str
    slot: int
    finality: Finality


class TransactionsCompared(msgspec.Struct):
    """How many transactions were compared with the chain's, how many the node does not know any more, and how many have
    landed in another slot since their events were recorded as confirmed, on a fork that has died.
    """

    compared: int = 0
    unknown: int = 0
    moved: int = 0

    def add(self, named: Named, status: TransactionStatus | None) -> Iterator[Disagreement]:
        """Compare one."""
        if status is None:
            self.unknown += 1
            return
        self.compared += 1
        if status.failed:
            yield Disagreement(named.position, f"the transaction {named.signature} has failed on chain")
        if status.slot != named.slot and named.finality is Finality.CONFIRMED:
            self.moved += 1
        elif status.slot != named.slot:
            yield Disagreement(
                named.position,
                f"the transaction {named.signature} is in slot {status.slot} on chain, "
                f"and was finalized in slot {named.slot} by the log",
            )


def questions(entries: Iterable[Entry], retracted: set[int]) -> Iterator[Sequence[Named]]:
    """The transactions of a log in order, as many as can be asked for at once. One with several events is named once,
    unless other transactions come between them.
    """
    batch: list[Named] = []
    last = ""
    for entry in entries:
        source = entry.source
        if not isinstance(source, ChainSource) or entry.position in retracted or source.signature == last:
            continue
        last = source.signature
        batch.append(Named(entry.position, source.signature, source.slot, source.finality))
        if len(batch) == MAX_STATUSES_PER_QUESTION:
            yield batch
            batch = []
    if batch:
        yield batch
