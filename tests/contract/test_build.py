"""`contract/build`: the committed program is what its sources give."""

import os
import subprocess
from pathlib import Path

import pytest

BUILD = Path(__file__).parents[2] / "contract" / "build"
DEFAULT_TOOLCHAIN = BUILD.parents[2] / "shared" / "tools" / "rust-env"


def run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(BUILD), *arguments],
        env=os.environ | environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )


def test_the_committed_program_is_what_its_sources_give() -> None:
    toolchain = os.environ.get("MU_RUST_ENV", str(DEFAULT_TOOLCHAIN))
    if not os.access(toolchain, os.X_OK):
        pytest.skip("no bpfel toolchain: MU_RUST_ENV names none, and there is none beside the checkout")
    result = run("--check")
    assert result.returncode == 0, result.stderr


def test_without_a_toolchain_the_check_says_so() -> None:
    result = run("--check", MU_RUST_ENV="/nonexistent")
    assert (result.returncode, result.stdout) == (2, "")
    assert "MU_RUST_ENV" in result.stderr


@pytest.mark.parametrize("arguments", [("--clean",), ("a", "b"), ("--check", "x")])
def test_arguments_that_it_does_not_know(arguments: tuple[str, ...]) -> None:
    result = run(*arguments)
    assert (result.returncode, result.stdout) == (2, "")
    assert result.stderr.startswith("contract/build: ")
