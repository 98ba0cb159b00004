"""Signed checkpoints: a node's signature under the position and hash of the log's head. Pure.

Because the log is a hash chain, whoever has a signature also has the node's word on every entry before that position.
"""

import struct

from solders.keypair import Keypair
from solders.pubkey import Pubkey
from solders.signature import Signature

from events.catalogue import CheckpointSigned
from events.record import HASH_BYTES

DOMAIN = b"mu log checkpoint\n"
"""Begins what is signed, so that no signature of anything else can be taken for a checkpoint's."""

_SIGNED = struct.Struct(f">Q{HASH_BYTES}s")


def signed_bytes(position: int, entry_hash: bytes) -> bytes:
    """What a node signs: the domain, the position (u64, big-endian), and the hash of the entry there (32 bytes)."""
    return DOMAIN + _SIGNED.pack(position, entry_hash)


def sign(position: int, entry_hash: bytes, *, node: str, keypair: Keypair) -> CheckpointSigned:
    """The checkpoint of the node with this hash and this keypair."""
    return CheckpointSigned(
        position=position,
        hash=entry_hash,
        node=node,
        public_key=str(keypair.pubkey()),
        signature=str(keypair.sign_message(signed_bytes(position, entry_hash))),
    )


def is_signed(checkpoint: CheckpointSigned) -> bool:
    """Whether the signature is that of the checkpoint's public key; what is malformed is not."""
    if not 0 <= checkpoint.position < 2**64 or len(checkpoint.hash) != HASH_BYTES:
        return False
    try:
        key = Pubkey.from_string(checkpoint.public_key)
        signature = Signature.from_string(checkpoint.signature)
    except ValueError:
        return False
    return signature.verify(key, signed_bytes(checkpoint.position, checkpoint.hash))
