import threading

import pytest
import trio

from projections.steps import Steps, take, take_beside


def adding(*jobs_threads: list[int]) -> Steps[int]:
    total = 0
    for threads in jobs_threads:

        def job(threads: list[int] = threads) -> int:
            threads.append(threading.get_ident())
            return len(jobs_threads)

        total += yield job
    return total


def failing(after: list[str]) -> Steps[None]:
    def job() -> None:
        raise ZeroDivisionError

    yield job
    after.append("gone on")


def test_jobs_are_done_here_and_their_results_sent():
    threads: list[int] = []
    assert take(adding(threads, threads)) == 4
    assert threads == [threading.get_ident()] * 2


async def test_jobs_are_done_in_a_thread():
    threads: list[int] = []
    assert await take_beside(adding(threads, threads)) == 4
    assert len(threads) == 2
    assert threading.get_ident() not in threads


async def test_a_job_that_fails_ends_the_work():
    after: list[str] = []
    with pytest.raises(ZeroDivisionError):
        take(failing(after))
    with pytest.raises(ZeroDivisionError):
        await take_beside(failing(after))
    assert after == []


async def test_a_cancellation_comes_between_jobs():
    begun, over, after = threading.Event(), threading.Event(), list[str]()

    def job() -> None:
        begun.set()
        over.wait(5)

    def steps() -> Steps[None]:
        yield job
        after.append("what follows from it")
        yield job
        after.append("gone on")

    async with trio.open_nursery() as nursery:
        nursery.start_soon(take_beside, steps())
        await trio.to_thread.run_sync(begun.wait)
        nursery.cancel_scope.cancel()
        over.set()
    assert after == ["what follows from it"]
