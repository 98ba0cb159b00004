"""Decoding accounts: whole, cut short, followed by others, altered, and random."""

import enum
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from solders.pubkey import Pubkey

from contract.accounts import (
    Escrow,
    Provider,
    ProviderStatus,
    Region,
    RegionStatus,
    Stack,
    StackStatus,
    decode_account,
)
from contract.errors import DecodeError
from contract.terms import NO_LOCK, NO_TERMS, Lock, Prices
from tests.contract.idl_values import ACCOUNTS, TYPES, account_data, account_sample, account_values

KINDS = list(ACCOUNTS)
SAMPLES = {kind: account_data(kind, account_sample(kind)) for kind in KINDS}
VERSION_AT = 8
PROVIDER_NAME_AT = 8 + 2 + 32 + 40 + 32 + 8 + 4 + 1


def plain(value: Any) -> Any:
    """A decoded account as the tests' own values."""
    match value:
        case enum.Enum():
            return value.value
        case tuple():
            return [plain(one) for one in value]
        case msgspec.Struct():
            return {name: plain(one) for name, one in msgspec.structs.asdict(value).items()}
    return value


@given(st.data(), st.sampled_from(KINDS))
def test_any_account_is_decoded_as_it_was_written(data: st.DataObject, kind: str) -> None:
    values = data.draw(account_values(kind))
    account = decode_account(account_data(kind, values))
    assert type(account).__name__ == kind
    assert {"version": 1, **plain(account)} == values


@pytest.mark.parametrize("kind", KINDS)
def test_accounts_are_frozen(kind: str) -> None:
    with pytest.raises(AttributeError):
        decode_account(SAMPLES[kind]).bump = 1


@pytest.mark.parametrize("kind", KINDS)
def test_every_truncation(kind: str) -> None:
    for length in range(len(SAMPLES[kind])):
        with pytest.raises(DecodeError):
            decode_account(SAMPLES[kind][:length])


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("tail", [b"\0", b"\1", bytes(64)])
def test_other_bytes_after_it(kind: str, tail: bytes) -> None:
    with pytest.raises(DecodeError, match="bytes, not"):
        decode_account(SAMPLES[kind] + tail)


@pytest.mark.parametrize("kind", KINDS)
def test_spare_room_that_is_not_zeros(kind: str) -> None:
    for at in range(1, 65):
        data = bytearray(SAMPLES[kind])
        data[-at] = 1
        with pytest.raises(DecodeError, match="spare room"):
            decode_account(bytes(data))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("version", [0, 2, 255])
def test_another_version(kind: str, version: int) -> None:
    data = bytearray(SAMPLES[kind])
    data[VERSION_AT] = version
    with pytest.raises(DecodeError, match=f"version {version}"):
        decode_account(bytes(data))


@pytest.mark.parametrize("kind", KINDS)
def test_every_byte_altered_is_decoded_or_refused_with_one_error(kind: str) -> None:
    original, refused = decode_account(SAMPLES[kind]), 0
    for at in range(len(SAMPLES[kind])):
        for flip in (0x01, 0x80, 0xFF):
            data = bytearray(SAMPLES[kind])
            data[at] ^= flip
            try:
                assert decode_account(bytes(data)) != original
            except DecodeError:
                refused += 1
    assert refused >= 3 * (8 + 1 + 64)


@pytest.mark.parametrize(
    ("kind", "field", "status"),
    [
        ("Provider", "status", ProviderStatus),
        ("Region", "status", RegionStatus),
        ("Stack", "status", StackStatus),
    ],
)
def test_a_status_and_an_unknown_one(kind: str, field: str, status: type[enum.Enum]) -> None:
    values, names = account_sample(kind), [one.value for one in status]
    first, last = (account_data(kind, {**values, field: name}) for name in (names[0], names[-1]))
    [at] = [at for at in range(len(first)) if first[at] != last[at]]
    assert [variant["name"] for variant in TYPES[f"{kind}Status"]["variants"]] == [
        one.value for one in status
    ]
    data = bytearray(first)
    for number, one in enumerate(status):
        data[at] = number
        assert getattr(decode_account(bytes(data)), field) is one
    for unknown in (len(status), 255):
        data[at] = unknown
        with pytest.raises(DecodeError):
            decode_account(bytes(data))


@pytest.mark.parametrize("byte", [2, 255])
def test_a_boolean_that_is_neither_0_nor_1(byte: int) -> None:
    data = bytearray(SAMPLES["RequestSigner"])
    assert data[-65] == 1
    data[-65] = byte
    with pytest.raises(DecodeError, match="boolean"):
        decode_account(bytes(data))


@pytest.mark.parametrize("length", [2**32 - 1, 2**31, 97])
def test_a_length_beyond_the_end(length: int) -> None:
    data = bytearray(SAMPLES["Provider"])
    data[PROVIDER_NAME_AT : PROVIDER_NAME_AT + 4] = length.to_bytes(4, "little")
    with pytest.raises(DecodeError):
        decode_account(bytes(data))


@pytest.mark.parametrize("kind", ["Provider", "Region"])
def test_text_beyond_its_room(kind: str) -> None:
    longest = account_data(kind, {**account_sample(kind), "name": "n" * 32})
    assert len(decode_account(longest).name) == 32
    with pytest.raises(DecodeError, match="longer than 32 bytes"):
        decode_account(account_data(kind, {**account_sample(kind), "name": "n" * 33}))


def test_text_that_is_not_utf8() -> None:
    data = bytearray(SAMPLES["Provider"])
    data[PROVIDER_NAME_AT + 4] = 0xFF
    with pytest.raises(DecodeError):
        decode_account(bytes(data))


@given(st.binary(max_size=600))
def test_random_bytes(data: bytes) -> None:
    with pytest.raises(DecodeError):
        decode_account(data)


@given(kind=st.sampled_from(KINDS), rest=st.binary(max_size=600))
def test_random_bytes_after_a_discriminator(kind: str, rest: bytes) -> None:
    with pytest.raises(DecodeError):
        decode_account(SAMPLES[kind][:8] + rest)


def test_the_size_of_a_stack() -> None:
    stack = decode_account(SAMPLES["Stack"])
    assert isinstance(stack, Stack)
    assert stack.allocated_bytes == len(SAMPLES["Stack"])


def test_the_terms_in_force() -> None:
    region = decode_account(SAMPLES["Region"])
    assert isinstance(region, Region)
    assert region.terms != region.next_terms
    changing = msgspec.structs.replace(region, next_from=100)
    assert [changing.terms_at(time) for time in (0, 99)] == [region.terms] * 2
    assert [changing.terms_at(time) for time in (100, 2**62)] == [region.next_terms] * 2
    settled = msgspec.structs.replace(region, next_from=0, next_terms=NO_TERMS)
    assert [settled.terms_at(time) for time in (0, 2**62)] == [region.terms] * 2
    assert NO_TERMS.prices == Prices()


def test_what_an_escrow_locks_is_the_sum_of_its_minima() -> None:
    escrow = decode_account(SAMPLES["Escrow"])
    assert isinstance(escrow, Escrow)
    locks = (
        Lock(region_number=0, stack_count=1, minimum=30),
        NO_LOCK,
        Lock(region_number=9, stack_count=2, minimum=12),
    )
    assert msgspec.structs.replace(escrow, locks=locks).locked == 42
    assert msgspec.structs.replace(escrow, locks=(NO_LOCK,) * 8).locked == 0


def test_an_account_in_full() -> None:
    data = account_data("Provider", {**account_sample("Provider"), "status": "Authorized"})
    header = bytes.fromhex("a4b447114bd850c3") + bytes([1, 2])
    fields = bytes([3]) * 32 + bytes([4, *bytes(7)]) + bytes([5]) * 32 + bytes([6]) * 32
    rest = bytes([7, *bytes(7)]) + bytes([8, 0, 0, 0]) + b"\1" + b"\x07\0\0\0text 10"
    assert data == (header + fields + rest).ljust(227, b"\0")
    assert decode_account(data) == Provider(
        bump=2,
        owner=Pubkey([3] * 32),
        sequence=4,
        event_hash=bytes([5]) * 32,
        vault=Pubkey([6] * 32),
        deposit=7,
        region_count=8,
        status=ProviderStatus.AUTHORIZED,
        name="text 10",
    )
