"""Asking before money moves, on a terminal that is one and without."""

import os
import pty
import subprocess
import sys

import pytest

from tests.cli.mu_process import TIMEOUT_SECONDS

PAY = """
import click
from cli.main import main, mu
from cli.money import confirm, yes_option

@mu.command()
@yes_option
def pay(yes):
    confirm("Deposit 100 tokens\\x1b[2J?", yes)
    click.echo("paid")

main()
"""


def pay(*options: str, **streams: int) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", PAY, "pay", *options], stdin=streams.get("stdin", subprocess.DEVNULL),
        stdout=subprocess.PIPE, stderr=streams.get("stderr", subprocess.PIPE), text=True, timeout=TIMEOUT_SECONDS,
        check=False)  # fmt: skip


def pay_on_a_terminal(typed: bytes, *options: str) -> tuple[int, str, str]:
    """The exit code, what went to stdout, and what the terminal shows."""
    terminal, shown = pty.openpty()
    try:
        os.write(terminal, typed)
        done = pay(*options, stdin=shown, stderr=shown)
        return done.returncode, done.stdout, os.read(terminal, 4096).decode()
    finally:
        os.close(terminal)
        os.close(shown)


@pytest.mark.parametrize("typed", [b"y\n", b"yes\n", b"Y\n", b"what\ny\n"])
def test_yes(typed: bytes):
    code, output, terminal = pay_on_a_terminal(typed)
    assert (code, output) == (0, "paid\n")
    assert "Deposit 100 tokens\\x1b[2J? [y/N]: " in terminal


@pytest.mark.parametrize("typed", [b"n\n", b"\n", b"no\n", b"\x04"], ids=repr)
def test_anything_else(typed: bytes):
    code, output, terminal = pay_on_a_terminal(typed)
    assert (code, output) == (1, "")
    assert "mu: nothing was sent" in terminal


@pytest.mark.parametrize("option", ["--yes", "-y"])
def test_agreed_beforehand(option: str):
    done = pay(option)
    assert (done.returncode, done.stdout, done.stderr) == (0, "paid\n", "")


def test_nobody_to_ask():
    done = pay()
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "mu: --yes: is needed where nobody can be asked: Deposit 100 tokens\\x1b[2J?\n"


def test_nobody_who_sees_the_question():
    terminal, shown = pty.openpty()
    done = pay(stdin=shown)
    os.close(terminal)
    os.close(shown)
    assert done.returncode == 2
