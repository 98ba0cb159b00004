"""Zstandard frames of raw and run-length blocks: valid for every decoder, without a compressor."""

_MAGIC = bytes.fromhex("28b52ffd")
_MAX_BLOCK_BYTES = 128 * 1024
_RAW, _RUN_LENGTH = 0, 1
_SINGLE_SEGMENT_WITH_8_BYTE_SIZE = 0b1110_0000


def encode(data: bytes) -> bytes:
    """One frame (RFC 8878, section 3.1.1): magic, descriptor, content size, then blocks of up to 128 KiB.

    A block's header is 24 bits, little endian: last (1), type (2), size (21). A block of one repeated byte
    (most of an account's spare room) takes four bytes.
    """
    frame = bytearray(_MAGIC)
    frame.append(_SINGLE_SEGMENT_WITH_8_BYTE_SIZE)
    frame += len(data).to_bytes(8, "little")
    starts = range(0, len(data), _MAX_BLOCK_BYTES) or range(1)
    for start in starts:
        block = data[start : start + _MAX_BLOCK_BYTES]
        last = int(start + _MAX_BLOCK_BYTES >= len(data))
        repeated = len(block) > 1 and block.count(block[0]) == len(block)
        kind = _RUN_LENGTH if repeated else _RAW
        frame += (last | kind << 1 | len(block) << 3).to_bytes(3, "little")
        frame += block[:1] if repeated else block
    return bytes(frame)
