import hashlib

import pytest
from solders.pubkey import Pubkey

from events.node import node_hash


def test_layout():
    data = bytes(10) + b"\xff\xff" + bytes([127, 0, 0, 1]) + b"\x1f\x90" + bytes(7) + b"\x02"
    assert node_hash("127.0.0.1", 8080, 2) == str(Pubkey.from_bytes(hashlib.sha256(data).digest()))


def test_every_part_counts():
    hashes = {node_hash(*parts) for parts in [("::1", 1, 1), ("::2", 1, 1), ("::1", 2, 1), ("::1", 1, 2)]}
    assert len(hashes) == 4
    assert node_hash("::ffff:10.0.0.1", 1, 1) == node_hash("10.0.0.1", 1, 1)


def test_what_is_not_an_address():
    with pytest.raises(ValueError, match="example"):
        node_hash("example.com", 1, 1)
