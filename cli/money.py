"""Asking before money moves, or something ends for ever."""

import sys
from collections.abc import Callable
from typing import Any, TypeVar

import click

from cli.output import printable
from contract.errors import InvalidInput, MuError

F = TypeVar("F", bound=Callable[..., Any])


class NotSent(MuError):
    """A person did not agree, so nothing was done."""


def yes_option(command: F) -> F:
    """The option that agrees beforehand, as `yes: bool`."""
    return click.option("--yes", "-y", is_flag=True, help="Do not ask first.")(command)


def confirm(sentence: str, yes: bool) -> None:
    """Ask `sentence`, a question that says what will move, from where and to where, or end; return if yes.

    On stderr, as output may be read by a program. Raises `NotSent` for any other answer, and `InvalidInput` where
    there is no terminal to ask on.
    """
    if yes:
        return
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        raise InvalidInput("--yes", f"is needed where nobody can be asked: {printable(sentence)}")
    try:
        agreed = click.confirm(printable(sentence), default=False, err=True)
    except click.Abort:
        agreed = False
    if not agreed:
        raise NotSent("nothing was sent")
