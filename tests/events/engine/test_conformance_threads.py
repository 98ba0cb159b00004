"""What every engine must do when threads use it at once; each test runs on all adapters."""

import threading

from events.engine import Conflict, Unavailable


def everything(engine):
    with engine.snapshot() as snapshot:
        return list(snapshot.scan(b"", None))


def test_threads_with_keys_of_their_own_do_not_disturb_each_other(engine):
    errors = []

    def work(number):
        try:
            for turn in range(5):
                with engine.begin() as transaction:
                    transaction.put(b"%02d" % number, b"%d" % turn)
                    transaction.insert(b"%02d/%d" % (number, turn), b"")
                    transaction.commit()
        except BaseException as error:
            errors.append(error)

    runners = [threading.Thread(target=work, args=(number,)) for number in range(32)]
    for runner in runners:
        runner.start()
    for runner in runners:
        runner.join()
    assert errors == []
    assert len(everything(engine)) == 32 * 6


def test_threads_that_race_lose_no_update(engine):
    threads, increments = 4, 25
    errors = []

    def increment():
        try:
            done = 0
            while done < increments:
                with engine.begin() as transaction:
                    count = int(transaction.get(b"count") or b"0")
                    transaction.put(b"count", str(count + 1).encode())
                    try:
                        transaction.commit()
                    except Conflict:
                        continue
                done += 1
        except BaseException as error:
            errors.append(error)

    runners = [threading.Thread(target=increment) for _ in range(threads)]
    for runner in runners:
        runner.start()
    for runner in runners:
        runner.join()
    assert errors == []
    assert everything(engine) == [(b"count", str(threads * increments).encode())]


def test_closing_while_threads_work(engine):
    started = threading.Barrier(4)
    outcomes = []

    def work(number):
        started.wait()
        try:
            for turn in range(100_000):
                with engine.begin() as transaction:
                    transaction.put(b"%d" % number, b"%d" % turn)
                    sum(1 for _ in transaction.scan(b"", None))
                    transaction.commit()
        except BaseException as error:
            outcomes.append(error)

    runners = [threading.Thread(target=work, args=(number,)) for number in range(3)]
    for runner in runners:
        runner.start()
    started.wait()
    engine.close()
    for runner in runners:
        runner.join()
    assert [type(outcome) for outcome in outcomes] == [Unavailable] * 3
