"""`mu audit`: replay what happened, and check it."""

import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from pathlib import Path

import click
import trio

from cli.cluster import ClusterOptions, open_session
from cli.log_input import naming, open_pieces
from cli.log_text import progress_lines, signer_text
from cli.output import LABEL_CHARACTERS, digest, json_option, printable, step, to_plain
from cli.tables import counted
from contract.errors import DecodeError, InvalidInput, MuError
from events import codec
from events.record import Record
from events.recorder import EngineProcessRecorder
from mu.audit import Parting, Replay, Report, part
from mu.audit_source import TIKV_SCHEME, open_source
from mu.audit_transactions import TransactionsCompared
from mu.region_folder import find_region_folder

CHECKSUM_CHARACTERS = 16


class AuditDisagrees(MuError):
    """Something does not agree; what has been shown."""


@click.group()
def audit() -> None:
    """Replay what happened, and check it.

    A source is a region's folder, a file of `mu log export`, or tikv://HOST:PORT[,HOST:PORT...]/PREFIX.
    """


@audit.command()
@click.argument("source")
@click.option(
    "--url", "-u", metavar="URL", help="Compare with the accounts and transactions on this cluster too."
)
@json_option
def replay(source: str, url: str | None, as_json: bool) -> None:
    """Replay a log from its first entry, and check everything that follows.

    Checks the chain of entries and the signatures, rebuilds the Marketplace's accounts, and recomputes every charge.
    Exits with 1 unless all agrees.
    """
    with _open(source, "SOURCE") as recorder:
        replayed = Replay(recorder)
        head = recorder.head()[0]
        replayed.run(progress_lines("replayed", head), verifying=progress_lines("verified", head))
        if url is not None:
            trio.run(_compare, replayed, url, progress_lines("compared", head))
        report = replayed.report()
    if as_json:
        document = to_plain(report) | {"agrees": not report.disagreements}
        document["verified"]["head"]["hash"] = report.verified.head.hash.hex()
        click.echo(json.dumps(document))
    else:
        for line in _report_lines(report):
            click.echo(line)
    if report.disagreements:
        raise AuditDisagrees(f"the log disagrees in {counted(len(report.disagreements), 'place')}")


async def _compare(replayed: Replay, url: str, progress: Callable[[int], None]) -> None:
    async with open_session(ClusterOptions(url=url)) as session:
        await replayed.compare(session.marketplace, progress)


@audit.command()
@click.argument("first", metavar="A")
@click.argument("second", metavar="B")
@json_option
def diff(first: str, second: str, as_json: bool) -> None:
    """Name the first entry at which the logs A and B part. Exits with 1 if they do."""
    if _place(first, "A") == _place(second, "B"):
        raise InvalidInput("B", "is A")
    with _open(first, "A") as ours, _open(second, "B") as theirs:
        heads = {"A": ours.head(), "B": theirs.head()}
        parting = part(ours, theirs, progress_lines("compared", min(head for head, _ in heads.values())))
    if as_json:
        click.echo(json.dumps({"same": parting is None} | _parting_json(parting)))
    elif parting is None:
        step("same", f"up to position {heads['A'][0]}, where both end")
    else:
        step("parts", f"at position {parting.position}")
        for name, record in (("A", parting.first), ("B", parting.second)):
            missing = (
                "lacks it" if parting.position <= heads[name][0] else f"ends at position {heads[name][0]}"
            )
            step(name, _record_text(record) if record else missing)
    if parting is not None:
        raise AuditDisagrees(f"the logs part at position {parting.position}")


def _place(source: str, field: str) -> str | Path:
    """The same for two ways to write one source."""
    if source.startswith(TIKV_SCHEME):
        return source
    path = Path(source)
    return (find_region_folder(path, field).root if path.is_dir() else path).resolve()


@contextmanager
def _open(source: str, field: str) -> Iterator[EngineProcessRecorder]:
    """The log that a person names; what is wrong with a file names it."""
    if not source.startswith(TIKV_SCHEME) and Path(source).is_file():
        open_pieces(source)
    with ExitStack() as stack:
        with naming(source):
            recorder = stack.enter_context(open_source(source, field))
        yield recorder


def _report_lines(report: Report) -> Iterator[str]:
    head, verified = report.verified.head, report.verified
    rows = [
        ("head", f"position {head.position}, hash {digest(head.hash)}"),
        ("replayed", f"up to position {report.position}"),
        *(
            (one.name, f"position {one.position}, checksum {one.checksum[:CHECKSUM_CHARACTERS]}")
            for one in report.checksums
        ),
        (
            "chain",
            f"{counted(verified.chain_events, 'event')} in {counted(verified.scopes, 'scope')}, {report.scopes} whole",
        ),
        ("signatures", counted(verified.checkpoints, "checkpoint")),
        *(("signer", signer_text(signer, verified)) for signer in verified.signers),
        ("accounts", ", ".join(f"{count} {name}" for name, count in report.accounts.items()) or "none"),
        ("charges", _charges(report)),
    ]
    if report.compared is not None:
        rows.append(("compared", f"{report.compared} accounts with the chain's"))
    if report.transactions is not None:
        rows.append(("compared", _transactions(report.transactions)))
    rows += [
        ("disagrees", f"position {one.position}: {printable(one.problem)}") for one in report.disagreements
    ]
    if not report.disagreements:
        rows.append(("audited", "everything agrees"))
    for label, text in rows:
        yield f"{label:<{LABEL_CHARACTERS}}{text}"


def _transactions(found: TransactionsCompared) -> str:
    text = f"{counted(found.compared, 'transaction')} with the chain's"
    if found.unknown:
        text += f"; of {found.unknown} the RPC node has no history"
    if found.moved:
        text += f"; {found.moved} landed in another slot since"
    return text


def _charges(report: Report) -> str:
    unknown = report.unknown_commissions
    but = f"; of {unknown} the commission cannot be known, as the log has no State" if unknown else ""
    return f"{report.charges} recomputed{but}"


def _parting_json(parting: Parting | None) -> dict[str, object]:
    if parting is None:
        return {}
    return {
        "position": parting.position,
        "a": _record_json(parting.first),
        "b": _record_json(parting.second),
    }


def _record_json(record: Record | None) -> object:
    if record is None:
        return None
    try:
        recorded = to_plain(codec.decode(record.state))
    except DecodeError as error:
        recorded = {"unreadable": str(error)}
    return {
        "kind": record.topic,
        "stream": record.stream,
        "version": record.version,
        "hash": record.hash.hex(),
        **recorded,
    }


def _record_text(record: Record) -> str:
    what = f"{printable(record.topic)} in {printable(record.stream)}, hash {digest(record.hash)}"
    try:
        recorded_at = codec.decode(record.state).recorded_at
        when = datetime.fromtimestamp(recorded_at / 1000, UTC)
    except (DecodeError, ValueError, OverflowError, OSError):
        return f"{what}, unreadable"
    return f"{what}, recorded at {when:%Y-%m-%d %H:%M:%S} UTC"
