"""`mu why`: the entries that led to what is."""

import json
from pathlib import Path

import click

from cli.output import (
    LABEL_CHARACTERS,
    entry_document,
    entry_line,
    folder_option,
    json_option,
    printable,
    to_plain,
)
from events.catalogue import ChainSource
from mu.region_folder import find_region_folder, open_log
from mu.why import SUBJECT, explain
from projections.runner import RunnerLimits

CAUSE_INDENT = " " * 8


@click.command()
@click.argument("subject", metavar=SUBJECT)
@folder_option
@json_option
def why(subject: str, folder: Path, as_json: bool) -> None:
    """Show what a route, stack or node is now, and the events and transactions that led there, the newest last.

    A route is a URL or its path, /STACK/GATEWAY/PATH; a stack is an address; a node its hash, or its public key.
    """
    with open_log(find_region_folder(folder)) as opened:
        explanation = explain(subject, opened.log, opened.runner(RunnerLimits()))
    if as_json:
        document = {
            "subject": explanation.subject,
            "now": to_plain(explanation.now),
            "causes": [entry_document(entry) for entry in explanation.causes],
        }
        click.echo(json.dumps(document))
        return
    for line in explanation.now:
        click.echo(f"{line.label:<{LABEL_CHARACTERS}}{printable(line.text)}")
    click.echo("because")
    for entry in explanation.causes:
        click.echo(entry_line(entry))
        if isinstance(entry.source, ChainSource):
            click.echo(f"{CAUSE_INDENT}transaction {printable(entry.source.signature)}")
