"""Folds projections again, from states that were kept, beside the live ones: all of the way or not at all."""

import itertools
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from events.log import FIRST_POSITION, Entry, Log
from projections.fold import Fold, Start
from projections.parking import revision_of

AnyFold = Fold[Any]


def between(log: Log, after: int, stop: int) -> Iterable[Entry]:
    """The entries after the position `after` that come before `stop`."""
    return itertools.takewhile(lambda entry: entry.position < stop, log.replay(after + FIRST_POSITION))


def fold_again(log: Log, folds: Sequence[AnyFold], stop: int, *, known: int) -> dict[AnyFold, AnyFold]:
    """As `fold_from`, from the newest states that were kept."""
    return fold_from(log, {fold: fold.start_before(stop) for fold in folds}, stop, known=known)


def fold_from(
    log: Log, starts: Mapping[AnyFold, Start[Any]], stop: int, *, known: int
) -> dict[AnyFold, AnyFold]:
    """Copies of projections that have come from where they start to before position `stop`.

    What revisions up to position `known` take back is left out. A start that one of them reaches behind is no good: an
    older one is taken.
    """
    starts = dict(starts)
    while True:
        start = min(one.position for one in starts.values())
        revisions = [
            revision
            for entry in between(log, start, known + 1)
            if (revision := revision_of(entry)) is not None
        ]
        bad = {
            fold: min(behind)
            for fold, one in starts.items()
            if (
                behind := [
                    gone
                    for revision in revisions
                    for gone in revision.left_out(fold.kind.name)
                    if revision.position > one.position >= gone
                ]
            )
        }
        if not bad:
            break
        for fold, first in bad.items():
            fold.start_is_bad(first)
            starts[fold] = fold.start_before(first)
    left_out = {
        fold: {gone for revision in revisions for gone in revision.left_out(fold.kind.name)}
        for fold in starts
    }
    beside = {fold: fold.beside(one) for fold, one in starts.items()}
    for entry in between(log, start, stop):
        for fold, copy in beside.items():
            if not copy.is_waiting_for(entry.position):
                continue
            if entry.position not in left_out[fold] and type(entry.event) in fold.kind.reads:
                parked = copy.apply(entry)
                if parked is not None:
                    [before] = fold_again(log, [copy], parked.position, known=known).values()
                    copy.become(before)
                    copy.progress.parked = parked
            if copy.progress.parked is None or entry.position < copy.progress.parked.position:
                copy.reach(entry)
    return beside
