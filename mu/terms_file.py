"""The terms file of a region that a provider writes: YAML, with amounts in whole tokens.

    minimum_escrow: 10
    max_instructions_per_call: 100_000_000_000
    notice: 7 days
    prices:                          # of each, all nine; 0 for what is free
      tera_megabyte_instruction: 2.5

Values are read as they are written, never as YAML's numbers: 0.1 is exact.
"""

import re
from pathlib import Path
from typing import Final

import msgspec

from contract.arguments import MAX_TERMS_NOTICE_SECONDS, MAX_U64
from contract.errors import InvalidInput
from contract.terms import Prices, Terms
from mu.token_amount import parse_tokens
from mu.yaml_text import YamlError, YamlFields, YamlReader

MAX_TERMS_FILE_BYTES: Final = 16 * 1024
_FIELDS: Final = ("minimum_escrow", "max_instructions_per_call", "notice", "prices")
_NOTICE_UNITS: Final = {"day": 86_400, "hour": 3_600, "minute": 60, "second": 1}
_NOTICE: Final = re.compile(r"([1-9][0-9]{0,8}) (day|hour|minute|second)s?")
_WHOLE_NUMBER: Final = re.compile(r"[0-9]{1,20}|[0-9]{1,3}(?:_[0-9]{3}){1,6}")


class TermsError(YamlError):
    """A terms file that cannot be used."""


def load_terms(path: Path, decimals: int, least_notice_seconds: int) -> Terms:
    """Read a terms file; the numbers are as for `parse_terms`. Raises `InvalidInput`, also as `TermsError`."""
    try:
        with path.open("rb") as file:
            data = file.read(MAX_TERMS_FILE_BYTES + 1)
    except (OSError, ValueError) as error:
        problem = getattr(error, "strerror", None) or "no file can have that name"
        raise InvalidInput(str(path), f"cannot be read ({problem}); name a terms file") from None
    try:
        text = data.decode()
    except UnicodeDecodeError:
        raise InvalidInput(str(path), "is not UTF-8 text") from None
    return parse_terms(text, decimals, least_notice_seconds)


def parse_terms(text: str, decimals: int, least_notice_seconds: int) -> Terms:
    """The terms in a file's text, whose amounts are of a mint with so many `decimals`.

    `least_notice_seconds` is the Marketplace's own notice. Raises `TermsError`.
    """
    reader = YamlReader("terms file", TermsError)
    fields = reader.fields("", reader.compose(text, MAX_TERMS_FILE_BYTES), _FIELDS)
    names = Prices.__struct_fields__
    prices = reader.fields("prices", fields.values["prices"], names, if_missing="; write 0 for what is free")
    return Terms(
        minimum_escrow=_amount(fields, "minimum_escrow", decimals),
        max_instructions_per_call=fields.parsed(
            "max_instructions_per_call", _instructions, f"must be a whole number from 1 to {MAX_U64}"
        ),
        notice_seconds=_notice(fields, least_notice_seconds),
        prices=msgspec.convert({name: _amount(prices, name, decimals) for name in names}, Prices),
    )


def format_notice(seconds: int) -> str:
    """A notice as a terms file has it, exactly, in the greatest unit that divides it: `7 days`, `90 minutes`."""
    unit, size = next((unit, size) for unit, size in _NOTICE_UNITS.items() if seconds % size == 0)
    count = seconds // size
    return f"{count} {unit}" if count == 1 else f"{count} {unit}s"


def _amount(fields: YamlFields, name: str, decimals: int) -> int:
    text = fields.text(name)
    try:
        return parse_tokens(text, decimals, name)
    except InvalidInput as error:
        raise fields.error(name, error.problem) from None


def _instructions(text: str) -> int | None:
    number = int(text) if _WHOLE_NUMBER.fullmatch(text) else 0
    return number if 1 <= number <= MAX_U64 else None


def _notice(fields: YamlFields, least_seconds: int) -> int:
    seconds = fields.parsed("notice", _seconds, "must be a duration such as `7 days` or `36 hours`")
    if not least_seconds <= seconds <= MAX_TERMS_NOTICE_SECONDS:
        least, most = format_notice(least_seconds), format_notice(MAX_TERMS_NOTICE_SECONDS)
        text = fields.text("notice")
        raise fields.error("notice", f"must be {least} (the Marketplace's own) to {most}, not {text}")
    return seconds


def _seconds(text: str) -> int | None:
    found = _NOTICE.fullmatch(text)
    return int(found[1]) * _NOTICE_UNITS[found[2]] if found else None
