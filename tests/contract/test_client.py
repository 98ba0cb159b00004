"""The instructions that the client builds, and what it refuses to build."""

import pytest
from solders.hash import Hash
from solders.keypair import Keypair
from solders.message import Message
from solders.pubkey import Pubkey
from solders.system_program import ID as SYSTEM_PROGRAM_ID
from solders.transaction import Transaction

from contract import client
from contract.addresses import PROGRAM_ID, provider_address, region_address, stack_address
from contract.errors import InvalidInput

MAX_TRANSACTION_BYTES = 1232
OWNER, REGION = Pubkey(bytes([1]) * 32), Pubkey(bytes([2]) * 32)


def test_an_instruction_in_full() -> None:
    stack, bump = stack_address(REGION, OWNER, 5)
    instruction = client.deploy_stack(OWNER, REGION, 5, b"abc")
    assert instruction.program_id == PROGRAM_ID
    assert [(meta.pubkey, meta.is_signer, meta.is_writable) for meta in instruction.accounts] == [
        (OWNER, True, True),
        (REGION, False, True),
        (stack, False, True),
        (SYSTEM_PROGRAM_ID, False, False),
    ]
    arguments = bytes([bump]) + b"\5\0\0\0\0\0\0\0" + b"\3\0\0\0abc"
    assert instruction.data == bytes.fromhex("e3861823199ce3ab") + arguments


def test_a_region_belongs_to_its_owners_provider() -> None:
    instruction = client.create_region(OWNER, 3, "n", "u")
    provider, _ = provider_address(OWNER)
    assert [meta.pubkey for meta in instruction.accounts[1:3]] == [provider, region_address(provider, 3)[0]]


def transaction_bytes(owner: Keypair, manifest: bytes) -> int:
    instruction = client.deploy_stack(owner.pubkey(), REGION, 2**64 - 1, manifest)
    message = Message([instruction], owner.pubkey())
    return len(bytes(Transaction([owner], message, Hash.default())))


def test_the_largest_manifest_fills_a_transaction() -> None:
    owner = Keypair.from_seed(bytes(32))
    assert transaction_bytes(owner, b"m" * client.MAX_MANIFEST_BYTES) == MAX_TRANSACTION_BYTES


def test_the_largest_transaction_is_accepted(cluster) -> None:
    owner = cluster.fee_payer
    region, _ = region_address(provider_address(owner.pubkey())[0], 7)
    cluster.event(client.create_provider(owner.pubkey(), "p"))
    cluster.event(client.create_region(owner.pubkey(), 7, "n", "u"))
    manifest = bytes(range(256)) * 3 + b"m" * (client.MAX_MANIFEST_BYTES - 768)
    event = cluster.event(client.deploy_stack(owner.pubkey(), region, 1, manifest))
    assert event.fields["manifest"] == manifest


@pytest.mark.parametrize("name", ["", "n" * 33, "é" * 17])
def test_names_out_of_limits(name: str) -> None:
    for build in (
        lambda: client.create_provider(OWNER, name),
        lambda: client.create_region(OWNER, 1, name, "https://region.example"),
    ):
        with pytest.raises(InvalidInput, match="1 to 32 bytes") as caught:
            build()
        assert caught.value.field == "name"


@pytest.mark.parametrize("base_url", ["", "u" * 129])
def test_base_urls_out_of_limits(base_url: str) -> None:
    with pytest.raises(InvalidInput, match=r"^base_url: .*1 to 128 bytes"):
        client.create_region(OWNER, 1, "n", base_url)


def test_text_that_utf8_cannot_encode() -> None:
    with pytest.raises(InvalidInput, match=r"^name: .*UTF-8"):
        client.create_provider(OWNER, "\ud800")


@pytest.mark.parametrize("size_bytes", [0, client.MAX_MANIFEST_BYTES + 1])
def test_manifests_out_of_limits(size_bytes: int) -> None:
    manifest = b"m" * size_bytes
    for build in (
        lambda: client.deploy_stack(OWNER, REGION, 1, manifest),
        lambda: client.update_stack(OWNER, REGION, OWNER, manifest),
    ):
        with pytest.raises(InvalidInput, match=r"^manifest: .*1 to 941 bytes"):
            build()


def test_numbers_out_of_limits() -> None:
    with pytest.raises(InvalidInput, match=r"^number: "):
        client.create_region(OWNER, 2**32, "n", "u")
    with pytest.raises(InvalidInput, match=r"^seed: "):
        client.deploy_stack(OWNER, REGION, -1, b"m")


def test_the_programs_errors_have_names() -> None:
    assert client.error_named(6012) == ("StackIsDeleted", "The stack is deleted.")
    assert client.error_named(5999) is None
    assert client.error_named(0) is None
    assert client.error_named(-1) is None


def test_the_built_program_is_an_elf_file() -> None:
    assert client.program_bytes().startswith(b"\x7fELF")
