"""The instructions that the client builds, and what it refuses to build."""

from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from solders.hash import Hash
from solders.instruction import Instruction
from solders.keypair import Keypair
from solders.message import Message
from solders.pubkey import Pubkey
from solders.system_program import ID as SYSTEM_PROGRAM_ID
from solders.transaction import Transaction

from contract import client
from contract.addresses import (
    PROGRAM_ID,
    TOKEN_PROGRAM_ID,
    authorizer_address,
    escrow_address,
    provider_address,
    region_address,
    request_signer_address,
    stack_address,
    state_address,
    usage_report_address,
    usage_signer_address,
    vault_address,
)
from contract.errors import InvalidInput
from contract.terms import Prices, Terms, Usage
from tests.contract.idl_values import IDL, TYPES, discriminator, sample, snake, struct_values, write_struct

MAX_TRANSACTION_BYTES = 1232
OWNER, KEY, MINT, TOKENS, OTHER_TOKENS, REGION = (Pubkey([number] * 32) for number in range(1, 7))
PROVIDER, PROVIDER_BUMP = provider_address(OWNER)
OWN_REGION, OWN_REGION_BUMP = region_address(PROVIDER, 3)
ESCROW, ESCROW_BUMP = escrow_address(PROVIDER, KEY)
STACK, STACK_BUMP = stack_address(REGION, KEY, 5)
REPORT, REPORT_BUMP = usage_report_address(STACK, 7, 9)
AUTHORIZER, AUTHORIZER_BUMP = authorizer_address(KEY)
USAGE_SIGNER, USAGE_SIGNER_BUMP = usage_signer_address(OWN_REGION)
REQUEST_SIGNER, REQUEST_SIGNER_BUMP = request_signer_address(REGION, OWNER, KEY)
STATE, STATE_BUMP = state_address()

TERMS_VALUES, USAGE_VALUES = sample({"defined": "Terms"}), sample({"defined": "Usage"}, 20)
TERMS, USAGE = msgspec.convert(TERMS_VALUES, Terms), Usage(**USAGE_VALUES)
DIGEST = bytes(range(32))

OF_STATE = {"admin": OWNER, "state": STATE}
OF_PROVIDER = {"owner": OWNER, "state": STATE, "provider": PROVIDER, "mint": MINT,
               "vault": vault_address(PROVIDER)[0], "owner_tokens": TOKENS}  # fmt: skip
OF_AUTHORIZER = {"authority": KEY, "authorizer": AUTHORIZER, "provider": PROVIDER}
OF_REGION = {"owner": OWNER, "state": STATE, "provider": PROVIDER, "region": OWN_REGION}
OF_ESCROW = {"client": KEY, "state": STATE, "provider": PROVIDER, "escrow": ESCROW, "mint": MINT,
             "vault": vault_address(ESCROW)[0], "client_tokens": TOKENS, "depositor": OWNER,
             "depositor_tokens": TOKENS}  # fmt: skip
OF_STACK = {"owner": KEY, "state": STATE, "provider": PROVIDER, "region": REGION, "escrow": ESCROW,
            "stack": STACK}  # fmt: skip
OF_USAGE_SIGNER = {**OF_REGION, "usage_signer": USAGE_SIGNER}
OF_REQUEST_SIGNER = {"client": OWNER, "region": REGION, "request_signer": REQUEST_SIGNER}
OF_REPORT = {"signer": KEY, "payer": KEY, "state": STATE, "provider": PROVIDER, "region": REGION,
             "usage_signer": usage_signer_address(REGION)[0], "escrow": ESCROW,
             "vault": vault_address(ESCROW)[0], "stack": STACK, "usage_report": REPORT,
             "provider_tokens": TOKENS, "commission_tokens": OTHER_TOKENS}  # fmt: skip

INITIALIZED = {"mint": MINT, "commission_tokens": TOKENS, "deposit": 8, "commission_millionths": 9,
               "notice_seconds": 10}  # fmt: skip
REPORTED = {"provider": PROVIDER, "region": REGION, "owner": KEY, "stack": STACK, "first_position": 7,
            "last_position": 9, "digest": DIGEST, "usage": USAGE, "provider_tokens": TOKENS,
            "commission_tokens": OTHER_TOKENS}  # fmt: skip

INSTRUCTIONS: dict[str, tuple[Instruction, dict[str, Pubkey], dict[str, Any]]] = {
    "initialize": (
        client.initialize(OWNER, **INITIALIZED),
        {**OF_STATE, "mint": MINT, "commission_tokens": TOKENS},
        {"bump": STATE_BUMP, "deposit": 8, "commission_millionths": 9, "notice_seconds": 10},
    ),
    "update_deposit": (client.update_deposit(OWNER, 8), OF_STATE, {"deposit": 8}),
    "update_commission": (
        client.update_commission(OWNER, 9, TOKENS),
        {**OF_STATE, "commission_tokens": TOKENS},
        {"commission_millionths": 9},
    ),
    "create_provider_authorizer": (
        client.create_provider_authorizer(OWNER, KEY),
        {**OF_STATE, "authorizer": AUTHORIZER},
        {"bump": AUTHORIZER_BUMP, "authority": KEY},
    ),
    "remove_provider_authorizer": (
        client.remove_provider_authorizer(OWNER, KEY),
        {**OF_STATE, "authorizer": AUTHORIZER},
        {},
    ),
    "create_provider": (
        client.create_provider(OWNER, "name", mint=MINT, owner_tokens=TOKENS, max_deposit=5),
        OF_PROVIDER,
        {
            "bump": PROVIDER_BUMP,
            "vault_bump": vault_address(PROVIDER)[1],
            "max_deposit": 5,
            "name": "name",
        },
    ),
    "authorize_provider": (client.authorize_provider(KEY, PROVIDER), OF_AUTHORIZER, {}),
    "revoke_provider": (client.revoke_provider(KEY, PROVIDER), OF_AUTHORIZER, {}),
    "close_provider": (client.close_provider(OWNER, TOKENS), OF_PROVIDER, {}),
    "create_region": (
        client.create_region(OWNER, 3, "name", "url", TERMS),
        OF_REGION,
        {"bump": OWN_REGION_BUMP, "number": 3, "name": "name", "base_url": "url", "terms": TERMS_VALUES},
    ),
    "update_region": (
        client.update_region(OWNER, 3, "url", TERMS),
        OF_REGION,
        {"base_url": "url", "terms": TERMS_VALUES},
    ),
    "close_region": (client.close_region(OWNER, 3), OF_REGION, {}),
    "create_escrow": (
        client.create_escrow(KEY, PROVIDER, mint=MINT),
        OF_ESCROW,
        {"bump": ESCROW_BUMP, "vault_bump": vault_address(ESCROW)[1]},
    ),
    "deposit_escrow": (client.deposit_escrow(OWNER, ESCROW, TOKENS, 1), OF_ESCROW, {"amount": 1}),
    "withdraw_escrow": (client.withdraw_escrow(KEY, PROVIDER, 0), OF_ESCROW, {"amount": 0}),
    "claim_withdrawal": (client.claim_withdrawal(KEY, PROVIDER, TOKENS), OF_ESCROW, {}),
    "sync_escrow": (client.sync_escrow(ESCROW), OF_ESCROW, {}),
    "deploy_stack": (
        client.deploy_stack(KEY, PROVIDER, REGION, 5, b"abc"),
        OF_STACK,
        {"bump": STACK_BUMP, "seed": 5, "manifest": b"abc"},
    ),
    "update_stack": (
        client.update_stack(KEY, PROVIDER, REGION, STACK, b"abc"),
        OF_STACK,
        {"manifest": b"abc"},
    ),
    "delete_stack": (client.delete_stack(KEY, PROVIDER, REGION, STACK), OF_STACK, {}),
    "evict_stack": (
        client.evict_stack(OWNER, PROVIDER, REGION, KEY, STACK),
        {**OF_STACK, "provider_owner": OWNER},
        {},
    ),
    "create_usage_signer": (
        client.create_usage_signer(OWNER, 3, KEY, 11),
        OF_USAGE_SIGNER,
        {"bump": USAGE_SIGNER_BUMP, "signer": KEY, "valid_to": 11},
    ),
    "revoke_usage_signer": (client.revoke_usage_signer(OWNER, 3), OF_USAGE_SIGNER, {}),
    "create_request_signer": (
        client.create_request_signer(OWNER, REGION, KEY),
        OF_REQUEST_SIGNER,
        {"bump": REQUEST_SIGNER_BUMP, "signer": KEY},
    ),
    "activate_request_signer": (client.activate_request_signer(OWNER, REGION, KEY), OF_REQUEST_SIGNER, {}),
    "deactivate_request_signer": (
        client.deactivate_request_signer(OWNER, REGION, KEY),
        OF_REQUEST_SIGNER,
        {},
    ),
    "update_usage": (
        client.update_usage(KEY, **REPORTED),
        OF_REPORT,
        {
            "bump": REPORT_BUMP,
            "first_position": 7,
            "last_position": 9,
            "digest": DIGEST,
            "usage": USAGE_VALUES,
        },
    ),
    "close_usage_report": (client.close_usage_report(KEY, REGION, REPORT), OF_REPORT, {}),
}


def test_there_is_a_function_for_each_instruction() -> None:
    names = [snake(instruction["name"]) for instruction in IDL["instructions"]]
    assert list(INSTRUCTIONS) == names
    assert set(names) <= set(client.__all__)


@pytest.mark.parametrize("described", IDL["instructions"], ids=lambda instruction: instruction["name"])
def test_an_instruction_is_what_the_idl_describes(described: dict[str, Any]) -> None:
    name = snake(described["name"])
    instruction, addresses, arguments = INSTRUCTIONS[name]
    known = {**addresses, "system_program": SYSTEM_PROGRAM_ID, "token_program": TOKEN_PROGRAM_ID}
    assert instruction.program_id == PROGRAM_ID
    assert [(meta.pubkey, meta.is_signer, meta.is_writable) for meta in instruction.accounts] == [
        (known[snake(account["name"])], account["isSigner"], account["isMut"])
        for account in described["accounts"]
    ]
    written = write_struct(described["args"], arguments)
    assert instruction.data == discriminator("global", name) + written


def test_an_instruction_in_full() -> None:
    instruction, _, _ = INSTRUCTIONS["deploy_stack"]
    assert [(meta.pubkey, meta.is_signer, meta.is_writable) for meta in instruction.accounts] == [
        (KEY, True, True),
        (PROVIDER, False, False),
        (REGION, False, True),
        (ESCROW, False, True),
        (STACK, False, True),
        (SYSTEM_PROGRAM_ID, False, False),
    ]
    arguments = bytes([STACK_BUMP]) + b"\5\0\0\0\0\0\0\0" + b"\3\0\0\0abc"
    assert instruction.data == bytes.fromhex("e3861823199ce3ab") + arguments


@given(struct_values(TYPES["Usage"]["fields"]))
def test_any_usage(values: dict[str, int]) -> None:
    instruction = client.update_usage(KEY, **{**REPORTED, "usage": Usage(**values)})
    assert instruction.data[-72:] == write_struct(TYPES["Usage"]["fields"], values)


@given(
    struct_values(TYPES["Terms"]["fields"]),
    st.integers(1, 2**64 - 1),
    st.integers(1, 31_536_000),
)
def test_any_terms(values: dict[str, Any], instructions: int, notice_seconds: int) -> None:
    values = {**values, "max_instructions_per_call": instructions, "notice_seconds": notice_seconds}
    instruction = client.update_region(OWNER, 1, "u", msgspec.convert(values, Terms))
    assert instruction.data[-92:] == write_struct(TYPES["Terms"]["fields"], values)


def transaction_bytes(instruction: Instruction, signer: Keypair) -> int:
    message = Message([instruction], signer.pubkey())
    return len(bytes(Transaction([signer], message, Hash.default())))


def test_the_largest_manifest_fills_a_transaction() -> None:
    owner = Keypair.from_seed(bytes(32))
    manifest = b"m" * client.MAX_MANIFEST_BYTES
    largest = client.deploy_stack(owner.pubkey(), PROVIDER, REGION, 2**64 - 1, manifest)
    assert transaction_bytes(largest, owner) == MAX_TRANSACTION_BYTES
    update = client.update_stack(owner.pubkey(), PROVIDER, REGION, STACK, manifest)
    assert transaction_bytes(update, owner) <= MAX_TRANSACTION_BYTES


TERMS_FIELDS = msgspec.structs.asdict(TERMS)
U64, U32 = 2**64, 2**32


def terms(**fields: Any) -> Terms:
    return Terms(**{**TERMS_FIELDS, **fields})


def of_terms(field: str, changed: Terms) -> list[tuple[str, Callable[[], Instruction]]]:
    return [
        (field, lambda: client.create_region(OWNER, 1, "n", "u", changed)),
        (field, lambda: client.update_region(OWNER, 1, "u", changed)),
    ]


def initialize(**fields: int) -> Instruction:
    return client.initialize(OWNER, **{**INITIALIZED, **fields})


def update_usage(**fields: Any) -> Instruction:
    return client.update_usage(KEY, **{**REPORTED, **fields})


def create_provider(name: str = "n", max_deposit: int = 5) -> Instruction:
    return client.create_provider(OWNER, name, mint=MINT, owner_tokens=TOKENS, max_deposit=max_deposit)


def create_region(number: int = 1, name: str = "n", base_url: str = "u") -> Instruction:
    return client.create_region(OWNER, number, name, base_url, TERMS)


REFUSED: list[tuple[str, Callable[[], Instruction]]] = [
    *[("deposit", lambda amount=amount: initialize(deposit=amount)) for amount in (-1, U64)],
    *[("deposit", lambda amount=amount: client.update_deposit(OWNER, amount)) for amount in (-1, U64)],
    *[("commission_millionths", lambda rate=rate: initialize(commission_millionths=rate)) for rate in (-1, 1_000_001)],
    *[("commission_millionths", lambda rate=rate: client.update_commission(OWNER, rate, TOKENS))
      for rate in (-1, 1_000_001)],
    *[("notice_seconds", lambda notice=notice: initialize(notice_seconds=notice)) for notice in (0, 2_592_001)],
    *[("name", lambda name=name: create_provider(name)) for name in ("", "n" * 33, "é" * 17, "\ud800")],
    *[("max_deposit", lambda amount=amount: create_provider(max_deposit=amount)) for amount in (-1, U64)],
    *[("name", lambda name=name: create_region(name=name)) for name in ("", "n" * 33, "é" * 17, "\ud800")],
    *[("base_url", lambda url=url: create_region(base_url=url)) for url in ("", "u" * 129, "\ud800")],
    *[("base_url", lambda url=url: client.update_region(OWNER, 1, url, TERMS)) for url in ("", "u" * 129)],
    *[("number", lambda number=number: create_region(number=number)) for number in (-1, U32)],
    *[("number", lambda number=number: client.close_region(OWNER, number)) for number in (-1, U32)],
    *[("number", lambda number=number: client.update_region(OWNER, number, "u", TERMS)) for number in (-1, U32)],
    *of_terms("terms.minimum_escrow", terms(minimum_escrow=-1)),
    *of_terms("terms.minimum_escrow", terms(minimum_escrow=U64)),
    *of_terms("terms.max_instructions_per_call", terms(max_instructions_per_call=0)),
    *of_terms("terms.max_instructions_per_call", terms(max_instructions_per_call=U64)),
    *of_terms("terms.notice_seconds", terms(notice_seconds=0)),
    *of_terms("terms.notice_seconds", terms(notice_seconds=31_536_001)),
    *of_terms("terms.prices.gateway_gigabyte", terms(prices=Prices(gateway_gigabyte=U64))),
    *of_terms("terms.prices.database_million_reads", terms(prices=Prices(database_million_reads=-1))),
    *[("amount", lambda amount=amount: client.deposit_escrow(OWNER, ESCROW, TOKENS, amount))
      for amount in (-1, 0, U64)],
    *[("amount", lambda amount=amount: client.withdraw_escrow(KEY, PROVIDER, amount)) for amount in (-1, U64)],
    *[("seed", lambda seed=seed: client.deploy_stack(KEY, PROVIDER, REGION, seed, b"m")) for seed in (-1, U64)],
    *[("manifest", lambda size=size: client.deploy_stack(KEY, PROVIDER, REGION, 1, b"m" * size)) for size in (0, 876)],
    *[("manifest", lambda size=size: client.update_stack(KEY, PROVIDER, REGION, STACK, b"m" * size))
      for size in (0, 876)],
    *[("valid_to", lambda time=time: client.create_usage_signer(OWNER, 1, KEY, time)) for time in (-1, 0, 2**63)],
    *[("number", lambda number=number: client.create_usage_signer(OWNER, number, KEY, 1)) for number in (-1, U32)],
    *[("number", lambda number=number: client.revoke_usage_signer(OWNER, number)) for number in (-1, U32)],
    *[("first_position", lambda first=first: update_usage(first_position=first)) for first in (-1, 0, U64)],
    *[("last_position", lambda last=last: update_usage(last_position=last)) for last in (6, U64 - 1)],
    *[("digest", lambda size=size: update_usage(digest=bytes(size))) for size in (0, 31, 33)],
    *[("usage.database_writes", lambda used=used: update_usage(usage=Usage(database_writes=used)))
      for used in (-1, U64)],
]  # fmt: skip


@pytest.mark.parametrize(
    ("field", "build"), REFUSED, ids=lambda value: value if isinstance(value, str) else ""
)
def test_an_argument_out_of_limits(field: str, build: Callable[[], Instruction]) -> None:
    with pytest.raises(InvalidInput) as caught:
        build()
    assert caught.value.field == field


def test_what_is_wrong_and_how_to_put_it_right() -> None:
    with pytest.raises(InvalidInput, match=r"^manifest: it must have 1 to 875 bytes, not 0$"):
        client.deploy_stack(OWNER, PROVIDER, REGION, 1, b"")
    with pytest.raises(InvalidInput, match=r"^name: it must have 1 to 32 bytes of UTF-8, not 34$"):
        create_provider("é" * 17)
    with pytest.raises(InvalidInput, match=r"^name: .*UTF-8 cannot encode$"):
        create_provider("\ud800")
    with pytest.raises(InvalidInput, match=r"^terms.notice_seconds: it must be 1 to 31536000, not 0$"):
        client.update_region(OWNER, 1, "u", terms(notice_seconds=0))


def test_the_greatest_values_are_within_the_limits() -> None:
    initialize(deposit=U64 - 1, commission_millionths=1_000_000, notice_seconds=2_592_000)
    create_provider(name="é" * 16, max_deposit=U64 - 1)
    create_region(number=U32 - 1, name="n" * 32, base_url="é" * 64)
    client.create_usage_signer(OWNER, U32 - 1, KEY, 2**63 - 1)
    update_usage(first_position=U64 - 2, last_position=U64 - 2)


def test_the_built_program_is_an_elf_file() -> None:
    assert client.program_bytes().startswith(b"\x7fELF")
