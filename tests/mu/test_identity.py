import os
import stat
from pathlib import Path

import pytest
from solders.keypair import Keypair

from contract.errors import InvalidInput
from mu.identity import load_keypair, load_or_create_keypair


def test_a_keypair_is_made_once_and_is_for_this_user_alone(tmp_path: Path):
    path = tmp_path / "keys" / "node.json"
    keypair = load_or_create_keypair(path, os.urandom)
    assert load_or_create_keypair(path, os.urandom) == load_keypair(path) == keypair
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert path.read_text().startswith("[")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{}",
        "[1, 2]",
        "[999]",
        '"x"',
        "[1.5]",
        str([0] * 64),
        "5000000000",
        str([-1] * 64),
        "[" * 4000,
        "[1," * 9999,
    ],
)
def test_what_is_no_keypair(tmp_path: Path, text: str):
    path = tmp_path / "key.json"
    path.write_text(text)
    with pytest.raises(InvalidInput, match="key"):
        load_keypair(path)


def test_a_file_that_is_not_there(tmp_path: Path):
    path = tmp_path / "key.json"
    with pytest.raises(
        InvalidInput, match=f"solana-keygen new --outfile {path}`, or name one with --keypair"
    ):
        load_keypair(path)


def test_a_file_that_cannot_be_read(tmp_path: Path):
    with pytest.raises(InvalidInput, match="cannot be read"):
        load_keypair(tmp_path)


def test_a_file_cut_short_or_with_more_behind(tmp_path: Path):
    path = tmp_path / "key.json"
    whole = str(list(range(32)) + list(bytes(Keypair.from_seed(bytes(range(32))).pubkey())))
    path.write_text(whole)
    assert load_keypair(path) == Keypair.from_seed(bytes(range(32)))
    for text in [
        *(whole[:size] for size in range(len(whole))),
        whole + "1",
        whole + whole,
        whole[:-1] + ",1]",
    ]:
        path.write_text(text)
        with pytest.raises(InvalidInput, match="is not a keypair file"):
            load_keypair(path)
