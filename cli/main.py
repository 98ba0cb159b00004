"""The `mu` command: its groups, and how errors are shown."""

import logging
import sys
from collections.abc import Iterator, Sequence
from contextlib import suppress

import click

from cli.admin import admin
from cli.audit import audit
from cli.demo import demo
from cli.escrow import escrow
from cli.events import events
from cli.listing import listing
from cli.log import log
from cli.output import printable
from cli.projections import projections
from cli.provider import provider
from cli.request_signer import request_signer
from cli.run import run
from cli.stack import stack
from cli.status import status
from cli.why import why
from contract.errors import InvalidInput, MuError

EXIT_FAILED = 1
EXIT_BAD_INPUT = 2


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="mu-cloud", message="mu %(version)s")
def mu() -> None:
    """A decentralised serverless cloud: a region is a log, and everything else is a fold over it."""


for command in (
    run,
    demo,
    status,
    events,
    log,
    projections,
    why,
    audit,
    listing,
    stack,
    escrow,
    request_signer,
    provider,
    admin,
):
    mu.add_command(command)


def main() -> None:
    """The entry point: what mu raises on purpose is shown as a sentence, without a traceback."""
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(name)s: %(message)s")
    # a person who watches a local region needs no line for each request that it makes of itself
    logging.getLogger("httpx").setLevel(logging.ERROR)
    try:
        _check_text(sys.argv[1:])
        mu()
    except OSError as error:
        # a full disk, a name too long, a folder that is a file
        where = f"{printable(str(error.filename))}: " if error.filename is not None else ""
        click.echo(f"mu: {where}{error.strerror or error}", err=True)
        with suppress(OSError):
            sys.stdout.close()
        sys.exit(EXIT_FAILED)
    except (MuError, BaseExceptionGroup) as error:
        found = expected(error)
        if found is None:
            raise
        # an RPC node may have written a part of it
        click.echo(f"mu: {printable(str(found))}", err=True)
        sys.exit(EXIT_BAD_INPUT if isinstance(found, InvalidInput) else EXIT_FAILED)


def _check_text(arguments: Sequence[str]) -> None:
    """Names and texts that are not UTF-8 cannot be kept, nor shown. Raises `InvalidInput`."""
    for argument in arguments:
        try:
            argument.encode()
        except UnicodeEncodeError:
            raise InvalidInput(printable(argument), "is not UTF-8") from None


def expected(error: BaseException) -> MuError | None:
    """The error to show, if everything in `error`, which may be a group of errors, was raised on purpose."""
    leaves = list(_leaves(error))
    purposeful = [leaf for leaf in leaves if isinstance(leaf, MuError)]
    return purposeful[0] if len(purposeful) == len(leaves) else None


def _leaves(error: BaseException) -> Iterator[BaseException]:
    if isinstance(error, BaseExceptionGroup):
        for part in error.exceptions:
            yield from _leaves(part)
    else:
        yield error
