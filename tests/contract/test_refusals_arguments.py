"""Instruction data that is cut short, too long, unknown or out of range is refused."""

from hashlib import sha256

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contract.accounts import MAX_MANIFEST_BYTES
from tests.contract.attacks import NAMES, Target
from tests.contract.idl_values import ACCOUNT_BYTES, EVENTS, discriminator
from tests.contract.world import DEPOSIT, NOTICE_SECONDS, PREPAID, USAGE_COST

DISCRIMINATORS = {name: sha256(f"global:{name}".encode()).digest()[:8] for name in NAMES}
TERMS_BYTES = 8 + 8 + 4 + 9 * 8
"""Minimum escrow, most instructions a call, notice, prices."""
BALANCE = PREPAID - USAGE_COST
"""Of carol's escrow with alice."""


def numbers(size_bytes: int, *values: int) -> list[bytes]:
    return [value.to_bytes(size_bytes, "little") for value in values]


def patched(target: Target, at: int, field: bytes) -> bytes:
    """The instruction's data with a field in the place of what is there; `at` may count from the end."""
    data = bytearray(target.instruction.data)
    start = at if at >= 0 else len(data) + at
    data[start : start + len(field)] = field
    return bytes(data)


@pytest.mark.parametrize("name", NAMES)
def test_data_cut_short_at_every_byte(unchanged_targets, name: str) -> None:
    target = unchanged_targets[name]
    data = target.instruction.data
    assert data[:8] == DISCRIMINATORS[name]
    for length in range(len(data)):
        assert target.refusal(target.with_data(data[:length])) == "InstructionDataInvalid"


@pytest.mark.parametrize("name", NAMES)
def test_bytes_after_the_last_argument(unchanged_targets, name: str) -> None:
    target = unchanged_targets[name]
    for tail in (b"\0", b"\1", b"\xff", bytes(8), bytes(40), target.instruction.data):
        longer = target.with_data(target.instruction.data + tail)
        assert target.refusal(longer) == "InstructionDataInvalid"


@pytest.mark.parametrize("name", NAMES)
def test_discriminators_that_are_off_by_a_bit(unchanged_targets, name: str) -> None:
    target = unchanged_targets[name]
    for bit in range(64):
        broken = bytearray(target.instruction.data)
        broken[bit // 8] ^= 1 << (bit % 8)
        assert target.refusal(target.with_data(bytes(broken))) == "InstructionDataInvalid"


def test_discriminators_of_accounts_events_and_unknown_instructions(unchanged_targets) -> None:
    target = unchanged_targets["delete_stack"]
    unknown = [discriminator("account", name) for name in ACCOUNT_BYTES]
    unknown += [discriminator("event", name) for name in EVENTS]
    names = ("close_escrow", "close_stack", "update_state", "deleteStack", "delete_stack\0")
    unknown += [discriminator("global", name) for name in names]
    for data in (*unknown, bytes(8), b"\xff" * 8, bytes(7), b""):
        assert target.refusal(target.with_data(data)) == "InstructionDataInvalid"


@settings(max_examples=300, deadline=None)
@given(name=st.sampled_from(NAMES), arguments=st.binary(max_size=300))
def test_random_arguments_never_crash_the_program(unchanged_targets, name: str, arguments: bytes) -> None:
    target = unchanged_targets[name]
    instruction = target.with_data(DISCRIMINATORS[name] + arguments)
    if target.accepts(instruction) is None:
        # Fails on anything but an error of ours, such as a panic.
        target.refusal(instruction)


TEXTS = {
    # instruction, where the length is, limit, error
    "provider's name": ("create_provider", 18, 32, "NameInvalid"),
    "region's name": ("create_region", 13, 32, "NameInvalid"),
    "region's base URL": ("create_region", 21, 128, "BaseUrlInvalid"),
    "new base URL": ("update_region", 8, 128, "BaseUrlInvalid"),
}
MANIFESTS = {"first": ("deploy_stack", 17), "new": ("update_stack", 8)}


def with_bytes(target: Target, at: int, contents: bytes) -> bytes:
    """The data with a byte string in the place of the one whose length is at `at`."""
    data = target.instruction.data
    old_bytes = int.from_bytes(data[at : at + 4], "little")
    return data[:at] + len(contents).to_bytes(4, "little") + contents + data[at + 4 + old_bytes :]


@pytest.mark.parametrize("field", TEXTS)
def test_the_lengths_of_texts(unchanged_targets, field: str) -> None:
    name, at, limit_bytes, error = TEXTS[field]
    target = unchanged_targets[name]
    for text in ("", "x" * (limit_bytes + 1), "é" * (limit_bytes // 2) + "x", "x" * 400):
        assert target.refusal(target.with_data(with_bytes(target, at, text.encode()))) == error
    for text in ("x", "\0", "x" * limit_bytes, "é" * (limit_bytes // 2), "\U0010ffff" * (limit_bytes // 4)):
        assert target.accepts(target.with_data(with_bytes(target, at, text.encode()))) is not None


@pytest.mark.parametrize("field", TEXTS)
def test_texts_that_are_not_utf8(unchanged_targets, field: str) -> None:
    name, at, _, error = TEXTS[field]
    target = unchanged_targets[name]
    for broken in (b"\xff", b"\xc0\x80", b"\xed\xa0\x80", b"ok\xe2\x82", b"\xf4\x90\x80\x80", b"\x80"):
        assert target.refusal(target.with_data(with_bytes(target, at, broken))) == error


@pytest.mark.parametrize("field", MANIFESTS)
def test_the_length_of_a_manifest(unchanged_targets, field: str) -> None:
    """The transaction's own limit comes first for a longer one, unless the fee payer is the owner."""
    name, at = MANIFESTS[field]
    target = unchanged_targets[name]
    assert target.refusal(target.with_data(with_bytes(target, at, b""))) == "ManifestInvalid"
    most = MAX_MANIFEST_BYTES - 100
    for manifest in (b"\0", b"\xff" * most):
        assert target.accepts(target.with_data(with_bytes(target, at, manifest))) is not None


@pytest.mark.parametrize(
    ("name", "at"), [(name, at) for name, at, *_ in TEXTS.values()] + [*MANIFESTS.values()]
)
def test_lengths_beyond_the_data(unchanged_targets, name: str, at: int) -> None:
    target = unchanged_targets[name]
    present = int.from_bytes(target.instruction.data[at : at + 4], "little")
    rest = len(target.instruction.data) - at - 4
    for length in numbers(4, rest + 1, 2**16, 2**31 - 1, 2**31, 2**32 - 1, 2**32 - 8):
        data = patched(target, at, length)
        assert target.refusal(target.with_data(data)) == "InstructionDataInvalid"
    assert 0 < present <= rest


OUT_OF_RANGE = {
    # instruction, where the field is, what is refused, what is not, error
    "first commission": (
        *("initialize", 17),
        *(numbers(4, 1_000_001, 2**32 - 1), numbers(4, 0, 1_000_000), "CommissionInvalid"),
    ),
    "Marketplace's notice": (
        *("initialize", 21),
        *(numbers(4, 0, 2_592_001, 2**32 - 1), numbers(4, 1, 2_592_000), "NoticeInvalid"),
    ),
    "first deposit": ("initialize", 9, [], numbers(8, 0, 1, 2**64 - 1), ""),
    "new deposit": ("update_deposit", 8, [], numbers(8, 0, 1, 2**64 - 1), ""),
    "new commission": (
        *("update_commission", 8),
        *(numbers(4, 1_000_001, 2**32 - 1), numbers(4, 0, 1_000_000), "CommissionInvalid"),
    ),
    "deposited amount": ("deposit_escrow", 8, numbers(8, 0), numbers(8, 1), "AmountInvalid"),
    "withdrawn amount": (
        *("withdraw_escrow", 8),
        *(numbers(8, BALANCE + 1, 2**64 - 1), numbers(8, 0, 1, BALANCE), "TokensInsufficient"),
    ),
    "most deposit": (
        *("create_provider", 10),
        *(numbers(8, 0, DEPOSIT - 1), numbers(8, DEPOSIT, 2**64 - 1), "DepositTooHigh"),
    ),
    **{
        f"{field} of {name}": (name, at - TERMS_BYTES, refused, accepted, "TermsInvalid")
        for name in ("create_region", "update_region")
        for field, at, refused, accepted in (
            ("minimum escrow", 0, [], numbers(8, 0, 1, 2**64 - 1)),
            ("instructions", 8, numbers(8, 0), numbers(8, 1, 2**64 - 1)),
            (
                *("notice", 16),
                numbers(4, 0, 1, NOTICE_SECONDS - 1, 31_536_001, 2**32 - 1),
                numbers(4, NOTICE_SECONDS, 31_536_000),
            ),
            ("first price", 20, [], numbers(8, 0, 2**64 - 1)),
            ("last price", TERMS_BYTES - 8, [], numbers(8, 0, 2**64 - 1)),
        )
    },
}


@pytest.mark.parametrize("field", OUT_OF_RANGE)
def test_ranges(unchanged_targets, field: str) -> None:
    name, at, refused, accepted, error = OUT_OF_RANGE[field]
    target = unchanged_targets[name]
    for value in refused:
        assert target.refusal(target.with_data(patched(target, at, value))) == error
    for value in accepted:
        assert target.accepts(target.with_data(patched(target, at, value))) is not None


def test_validity_that_ends_by_now(unchanged_targets) -> None:
    target = unchanged_targets["create_usage_signer"]
    now = target.cluster.time()
    for valid_to in (now, now - 1, 0, -1, -(2**63)):
        data = patched(target, 41, valid_to.to_bytes(8, "little", signed=True))
        assert target.refusal(target.with_data(data)) == "ValidityInvalid"
    for valid_to in (now + 1, 2**63 - 1):
        data = patched(target, 41, valid_to.to_bytes(8, "little", signed=True))
        assert target.accepts(target.with_data(data)) is not None


def test_a_manifest_above_the_limit_in_an_update_which_has_room_for_it(unchanged_targets) -> None:
    """A transaction without a fee payer of its own is small enough for it; the program refuses it."""
    target = unchanged_targets["update_stack"]
    too_large = target.with_data(with_bytes(target, 8, b"m" * (MAX_MANIFEST_BYTES + 1)))
    cluster = target.cluster
    fee_payer, cluster.fee_payer = cluster.fee_payer, target.world.carol
    try:
        assert cluster.refusal(too_large) == "ManifestInvalid"
        allowed = target.with_data(with_bytes(target, 8, b"m" * MAX_MANIFEST_BYTES))
        assert cluster.simulated(allowed) is not None
    finally:
        cluster.fee_payer = fee_payer
