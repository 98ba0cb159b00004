"""Regions and their terms as people read them, and as JSON; pure."""

from typing import Any

import msgspec
from solders.pubkey import Pubkey

from cli.output import printable
from cli.tables import counted, moment
from contract.accounts import Region
from contract.terms import Terms
from mu.terms_file import format_notice
from mu.token_amount import format_tokens


def terms_values(terms: Terms, decimals: int) -> dict[str, str]:
    """Each field of terms as a terms file has it, by name: `prices.gateway_gigabyte`."""
    prices = msgspec.structs.asdict(terms.prices)
    return {
        "minimum_escrow": format_tokens(terms.minimum_escrow, decimals),
        "max_instructions_per_call": str(terms.max_instructions_per_call),
        "notice": format_notice(terms.notice_seconds),
        **{f"prices.{name}": format_tokens(price, decimals) for name, price in prices.items()},
    }


def terms_changes(before: Terms, after: Terms, decimals: int) -> list[str]:
    """What is another, one line a field: `minimum_escrow: 10 -> 20`."""
    old, new = terms_values(before, decimals), terms_values(after, decimals)
    return [f"{name}: {old[name]} -> {new[name]}" for name in old if old[name] != new[name]]


def terms_document(terms: Terms, decimals: int) -> dict[str, Any]:
    """Terms for JSON; amounts are texts in whole tokens."""
    prices = msgspec.structs.asdict(terms.prices)
    return {
        "minimum_escrow": format_tokens(terms.minimum_escrow, decimals),
        "max_instructions_per_call": terms.max_instructions_per_call,
        "notice_seconds": terms.notice_seconds,
        "prices": {name: format_tokens(price, decimals) for name, price in prices.items()},
    }


def is_to_change(region: Region, unix_time: int) -> bool:
    """Whether other terms are announced that are not in force yet."""
    return region.next_from > unix_time


def region_document(address: Pubkey, region: Region, unix_time: int, decimals: int) -> dict[str, Any]:
    """A region for JSON, with the terms in force at a time, and those announced (null where there are none)."""
    announced = is_to_change(region, unix_time)
    return {
        "address": address,
        "number": region.number,
        "name": region.name,
        "status": region.status.value.lower(),
        "base_url": region.base_url,
        "stack_count": region.stack_count,
        "terms": terms_document(region.terms_at(unix_time), decimals),
        "next_from": region.next_from if announced else None,
        "next_terms": terms_document(region.next_terms, decimals) if announced else None,
    }


def region_lines(address: Pubkey, region: Region, unix_time: int, decimals: int) -> list[str]:
    """A region for people: what it is, its terms in force, and what of them is to change."""
    terms = region.terms_at(unix_time)
    values = terms_values(terms, decimals)
    width = max(map(len, values))
    lines = [
        f"region {region.number}: {printable(region.name)}, {region.status.value.lower()}, "
        f"{counted(region.stack_count, 'live stack')}",
        f"  {address}",
        f"  {printable(region.base_url)}",
        *(f"  {name:<{width}}  {value}" for name, value in values.items()),
    ]
    if is_to_change(region, unix_time):
        lines.append(f"  from {moment(region.next_from)}:")
        lines += [f"    {change}" for change in terms_changes(terms, region.next_terms, decimals)]
    return lines
