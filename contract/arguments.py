"""Checks of what a caller gives to an instruction, by the program's limits: `InvalidInput` names field and fix."""

from typing import Final

import msgspec

from contract.accounts import MAX_BASE_URL_BYTES, MAX_MANIFEST_BYTES, MAX_NAME_BYTES
from contract.errors import InvalidInput
from contract.terms import Terms, Usage

MAX_U32: Final = 2**32 - 1
MAX_U64: Final = 2**64 - 1
MAX_I64: Final = 2**63 - 1
MAX_COMMISSION_MILLIONTHS: Final = 1_000_000
MAX_NOTICE_SECONDS: Final = 30 * 24 * 3600
"""Of the Marketplace's notice."""
MAX_TERMS_NOTICE_SECONDS: Final = 365 * 24 * 3600
DIGEST_BYTES: Final = 32


def require_number(field: str, value: int, least: int, most: int) -> None:
    """Raises `InvalidInput` unless `least <= value <= most`."""
    if not least <= value <= most:
        raise InvalidInput(field, f"it must be {least} to {most}, not {value}")


def require_amount(field: str, amount: int, *, least: int = 0) -> None:
    """An amount is a u64, in base units of the mint."""
    require_number(field, amount, least, MAX_U64)


def require_name(name: str) -> None:
    """A provider's or a region's name has 1 to 32 bytes of UTF-8."""
    _require_text("name", name, MAX_NAME_BYTES)


def require_base_url(base_url: str) -> None:
    """A base URL has 1 to 128 bytes of UTF-8."""
    _require_text("base_url", base_url, MAX_BASE_URL_BYTES)


def require_manifest(manifest: bytes) -> None:
    """A manifest has 1 to 875 bytes."""
    if not 1 <= len(manifest) <= MAX_MANIFEST_BYTES:
        raise InvalidInput("manifest", f"it must have 1 to {MAX_MANIFEST_BYTES} bytes, not {len(manifest)}")


def require_digest(digest: bytes) -> None:
    """The hash of a log's entry has 32 bytes."""
    if len(digest) != DIGEST_BYTES:
        raise InvalidInput("digest", f"it must have {DIGEST_BYTES} bytes, not {len(digest)}")


def require_commission(millionths: int) -> None:
    """A commission is 0 to 1,000,000 millionths of a charge."""
    require_number("commission_millionths", millionths, 0, MAX_COMMISSION_MILLIONTHS)


def require_terms(terms: Terms) -> None:
    """The notice of terms must also be at least the Marketplace's own, which the program checks."""
    require_amount("terms.minimum_escrow", terms.minimum_escrow)
    require_number("terms.max_instructions_per_call", terms.max_instructions_per_call, 1, MAX_U64)
    require_number("terms.notice_seconds", terms.notice_seconds, 1, MAX_TERMS_NOTICE_SECONDS)
    for name, price in msgspec.structs.asdict(terms.prices).items():
        require_amount(f"terms.prices.{name}", price)


def require_usage(usage: Usage) -> None:
    """What was used is nine u64 numbers."""
    for name, used in msgspec.structs.asdict(usage).items():
        require_number(f"usage.{name}", used, 0, MAX_U64)


def _require_text(field: str, text: str, max_bytes: int) -> None:
    try:
        encoded = text.encode()
    except UnicodeEncodeError:
        raise InvalidInput(field, "it has characters that UTF-8 cannot encode") from None
    if not 1 <= len(encoded) <= max_bytes:
        raise InvalidInput(field, f"it must have 1 to {max_bytes} bytes of UTF-8, not {len(encoded)}")
