"""What the program refuses, and with which error."""

from hashlib import sha256

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from solders.account import Account
from solders.instruction import AccountMeta, Instruction
from solders.keypair import Keypair
from solders.pubkey import Pubkey
from solders.system_program import ID as SYSTEM_PROGRAM_ID
from solders.transaction_status import InstructionErrorFieldless, TransactionErrorInstructionError

from contract import client
from contract.addresses import PROGRAM_ID, provider_address, region_address, stack_address, state_address
from contract.interface import build_instruction

KINDS = ["create_provider", "create_region", "deploy_stack", "update_stack", "delete_stack"]
BUMP_AT = 8


@pytest.mark.parametrize("kind", KINDS)
def test_a_missing_signature(world, altered, kind: str) -> None:
    instruction = world.instructions()[kind]
    assert world.cluster.refusal(altered(instruction, signer=False)) == "SignatureMissing"


@pytest.mark.parametrize("kind", KINDS)
def test_accounts_that_should_be_writable(world, altered, kind: str) -> None:
    instruction = world.instructions()[kind]
    signer = world.signer_of(instruction)
    for index, meta in enumerate(instruction.accounts):
        if meta.is_writable:
            readonly = altered(instruction, index, writable=False)
            assert world.cluster.refusal(readonly, signer) == "AccountNotWritable"
    world.cluster.event(instruction, signer)


@pytest.mark.parametrize("kind", KINDS)
def test_every_other_account_in_every_place(world, altered, kind: str) -> None:
    """Each account of the world, in the place of each account of the instruction, is refused by an error of ours."""
    alice, bob = world.alice.pubkey(), world.bob.pubkey()
    foreign = Pubkey.new_unique()
    world.cluster.svm.set_account(foreign, Account(10**9, bytes(400), Pubkey.new_unique(), False, 0))
    blank = Pubkey.new_unique()
    world.cluster.svm.set_account(blank, Account(10**9, bytes(400), PROGRAM_ID, False, 0))
    world.cluster.event(client.deploy_stack(bob, world.region, 5, b"bob's"), world.bob)
    candidates = [
        *(state_address()[0], provider_address(alice)[0], provider_address(bob)[0]),
        *(world.region, world.other_region, world.stack, stack_address(world.region, bob, 5)[0]),
        *(alice, foreign, blank, Pubkey.new_unique(), PROGRAM_ID, SYSTEM_PROGRAM_ID),
    ]
    instruction = world.instructions()[kind]
    signer = world.signer_of(instruction)
    tried = 0
    for index, meta in enumerate(instruction.accounts):
        for candidate in candidates:
            if candidate == meta.pubkey or index == 0:
                continue
            # A program and the system program cannot be written to; the runtime takes the flag away.
            assert world.cluster.refusal(altered(instruction, index, address=candidate), signer) in {
                "AccountDuplicate",
                "AccountExists",
                "AccountKindInvalid",
                "AccountNotOwned",
                "AccountNotWritable",
                "AddressInvalid",
                "NotTheOwner",
                "RegionMismatch",
                "SystemProgramInvalid",
            }
            tried += 1
    assert tried > 20
    world.cluster.event(instruction, signer)


@pytest.mark.parametrize("kind", KINDS)
def test_too_few_and_too_many_accounts(world, kind: str) -> None:
    instruction = world.instructions()[kind]
    signer = world.signer_of(instruction)
    metas = list(instruction.accounts)
    fewer = Instruction(PROGRAM_ID, instruction.data, metas[:-1])
    assert world.cluster.refusal(fewer, signer) == "AccountCountInvalid"
    for surplus in (1, 2, 5):
        more = [*metas, *(AccountMeta(Pubkey.new_unique(), False, False) for _ in range(surplus))]
        if kind == "delete_stack" and surplus == 1:
            continue
        assert (
            world.cluster.refusal(Instruction(PROGRAM_ID, instruction.data, more), signer)
            == "AccountCountInvalid"
        )


@pytest.mark.parametrize("kind", KINDS)
def test_the_same_account_twice(world, altered, kind: str) -> None:
    instruction = world.instructions()[kind]
    signer = world.signer_of(instruction)
    for index in range(1, len(instruction.accounts)):
        for other in range(len(instruction.accounts)):
            if other != index:
                twice = altered(instruction, index, address=instruction.accounts[other].pubkey)
                assert world.cluster.refusal(twice, signer) == "AccountDuplicate"


@pytest.mark.parametrize("kind", KINDS)
def test_truncated_and_trailing_data(world, altered, kind: str) -> None:
    instruction = world.instructions()[kind]
    signer = world.signer_of(instruction)
    for length in range(len(instruction.data)):
        cut = altered(instruction, data=instruction.data[:length])
        assert world.cluster.refusal(cut, signer) == "InstructionDataInvalid"
    for tail in (b"\0", b"\1", bytes(40)):
        longer = altered(instruction, data=instruction.data + tail)
        assert world.cluster.refusal(longer, signer) == "InstructionDataInvalid"


@settings(max_examples=60, deadline=None)
@given(discriminator=st.sampled_from([*KINDS, "initialize", None]), data=st.binary(max_size=300))
def test_random_data_never_crashes_the_program(unchanged_world, altered, discriminator, data: bytes) -> None:
    world = unchanged_world
    prefix = sha256(f"global:{discriminator}".encode()).digest()[:8] if discriminator else b""
    instruction = world.instructions()["delete_stack"]
    if discriminator == "delete_stack" and not data:
        data = b"\0"
    # `refusal` fails on anything but an error of ours, such as a panic.
    world.cluster.refusal(altered(instruction, data=prefix + data), world.alice)


def test_an_unknown_instruction(world, altered) -> None:
    instruction = world.instructions()["delete_stack"]
    unknown = sha256(b"global:close_provider").digest()[:8]
    assert world.cluster.refusal(altered(instruction, data=unknown), world.alice) == "InstructionDataInvalid"


def test_nothing_can_be_created_twice(world) -> None:
    alice, bob = world.alice.pubkey(), world.bob.pubkey()
    for instruction, signer in (
        (client.initialize(alice), world.alice),
        (client.initialize(bob), world.bob),
        (client.create_provider(alice, "again"), world.alice),
        (client.create_region(alice, 7, "again", "https://again.example"), world.alice),
        (client.deploy_stack(alice, world.region, 1, b"again"), world.alice),
    ):
        assert world.cluster.refusal(instruction, signer) == "AccountExists"


def test_a_deleted_stack_stays_deleted(world) -> None:
    alice, cluster = world.alice.pubkey(), world.cluster
    delete = client.delete_stack(alice, world.region, world.stack)
    cluster.event(delete, world.alice)
    assert cluster.refusal(delete, world.alice) == "StackIsDeleted"
    update = client.update_stack(alice, world.region, world.stack, b"m")
    assert cluster.refusal(update, world.alice) == "StackIsDeleted"
    deploy = client.deploy_stack(alice, world.region, 1, b"m")
    assert cluster.refusal(deploy, world.alice) == "AccountExists"
    # Nor can it be had back by sending lamports to it.
    cluster.svm.airdrop(world.stack, 10**9)
    assert cluster.refusal(deploy, world.alice) == "AccountExists"


def test_another_clients_stack(world) -> None:
    bob = world.bob.pubkey()
    for instruction in (
        client.update_stack(bob, world.region, world.stack, b"m"),
        client.delete_stack(bob, world.region, world.stack),
    ):
        assert world.cluster.refusal(instruction, world.bob) == "NotTheOwner"


def test_a_stack_under_another_region(world) -> None:
    alice = world.alice.pubkey()
    for instruction in (
        client.update_stack(alice, world.other_region, world.stack, b"m"),
        client.delete_stack(alice, world.other_region, world.stack),
    ):
        assert world.cluster.refusal(instruction, world.alice) == "RegionMismatch"


def test_a_region_of_another_provider(world, altered) -> None:
    """Bob asks for a region of alice's provider, at the address that this would have."""
    provider, _ = provider_address(world.alice.pubkey())
    region, bump = region_address(provider, 9)
    addresses = {
        "owner": world.bob.pubkey(),
        "provider": provider,
        "region": region,
        "systemProgram": SYSTEM_PROGRAM_ID,
    }
    arguments = {"bump": bump, "number": 9, "name": "n", "base_url": "u"}
    instruction = build_instruction("createRegion", addresses, arguments)
    assert world.cluster.refusal(instruction, world.bob) == "NotTheOwner"


def test_an_account_of_another_kind(world, altered) -> None:
    alice = world.alice.pubkey()
    provider, _ = provider_address(alice)
    state, _ = state_address()
    for kind, index, others in (
        ("create_region", 1, (world.region, world.stack, state)),
        ("deploy_stack", 1, (provider, world.stack, state)),
        ("update_stack", 1, (provider, state)),
        ("delete_stack", 1, (provider, state)),
        ("update_stack", 2, (provider, state)),
        ("delete_stack", 2, (provider, state)),
    ):
        instruction = world.instructions()[kind]
        for other in others:
            wrong = altered(instruction, index, address=other, writable=True)
            assert world.cluster.refusal(wrong, world.signer_of(instruction)) == "AccountKindInvalid"


def test_an_account_of_a_later_version(world) -> None:
    account = world.cluster.svm.get_account(world.stack)
    data = bytearray(account.data)
    data[8] = 2
    world.cluster.svm.set_account(world.stack, Account(account.lamports, bytes(data), PROGRAM_ID, False, 0))
    delete = client.delete_stack(world.alice.pubkey(), world.region, world.stack)
    assert world.cluster.refusal(delete, world.alice) == "AccountKindInvalid"


def test_an_accounts_data_at_another_address(world, altered) -> None:
    """What no client can bring about; the address is checked all the same."""
    copy = Pubkey.new_unique()
    world.cluster.svm.set_account(copy, world.cluster.svm.get_account(world.stack))
    delete = client.delete_stack(world.alice.pubkey(), world.region, copy)
    assert world.cluster.refusal(delete, world.alice) == "AddressInvalid"


def raw_derivation(seeds: list[bytes], bump: int) -> Pubkey:
    """What program-derived addresses are made of, on the curve or not."""
    parts = [*seeds, bytes([bump]), bytes(PROGRAM_ID), b"ProgramDerivedAddress"]
    return Pubkey(sha256(b"".join(parts)).digest())


@pytest.fixture
def low_bump_owner(cluster) -> Keypair:
    """A funded key whose provider's canonical bump is under 255, so that there are higher ones on the curve."""
    keys = (Keypair.from_seed(bytes([number]) * 32) for number in range(100, 200))
    key = next(key for key in keys if provider_address(key.pubkey())[1] < 254)
    cluster.svm.airdrop(key.pubkey(), 10**9)
    return key


def with_bump(altered, owner: Keypair, bump: int, address: Pubkey) -> Instruction:
    instruction = client.create_provider(owner.pubkey(), "p")
    data = bytearray(instruction.data)
    data[BUMP_AT] = bump
    return altered(instruction, 1, address=address, data=bytes(data))


def test_a_bump_that_does_not_give_the_address(cluster, altered, low_bump_owner: Keypair) -> None:
    provider, canonical = provider_address(low_bump_owner.pubkey())
    for bump in set(range(256)) - {canonical}:
        instruction = with_bump(altered, low_bump_owner, bump, provider)
        assert cluster.refusal(instruction, low_bump_owner) == "AddressInvalid"
    cluster.event(with_bump(altered, low_bump_owner, canonical, provider), low_bump_owner)


@pytest.mark.parametrize("prefunded_lamports", [0, 10**8])
def test_every_bump_but_the_canonical_one_with_its_own_address(
    cluster, altered, low_bump_owner: Keypair, prefunded_lamports: int
) -> None:
    owner = low_bump_owner
    _, canonical = provider_address(owner.pubkey())
    for bump in range(200, 256):
        if bump == canonical:
            continue
        address = raw_derivation([b"provider", bytes(owner.pubkey())], bump)
        if prefunded_lamports:
            cluster.svm.airdrop(address, prefunded_lamports)
        instruction = with_bump(altered, owner, bump, address)
        if bump < canonical:
            assert cluster.refusal(instruction, owner) == "AddressInvalid"
            continue
        # All higher bumps are on the curve too, so the runtime has the last word: it signs for none of them.
        error = cluster.failure(instruction, owner)
        assert isinstance(error, TransactionErrorInstructionError)
        assert error.err in (
            InstructionErrorFieldless.InvalidSeeds,
            InstructionErrorFieldless.ProgramFailedToComplete,
        )
        assert cluster.balance(address) == prefunded_lamports


def limited(kind: str, owner: Pubkey, region: Pubkey, size_bytes: int) -> Instruction:
    """An instruction with one field of a size that the client itself would refuse."""
    text = "x" * size_bytes
    provider, provider_bump = provider_address(owner)
    new_region, region_bump = region_address(provider, 8)
    stack, stack_bump = stack_address(region, owner, 1)
    addresses = {
        "owner": owner,
        "provider": provider,
        "region": new_region,
        "systemProgram": SYSTEM_PROGRAM_ID,
    }
    of_stack = addresses | {"region": region, "stack": stack}
    numbers = {"bump": region_bump, "number": 8}
    match kind:
        case "provider name":
            arguments = {"bump": provider_bump, "name": text}
            return build_instruction("createProvider", addresses, arguments)
        case "region name":
            arguments = numbers | {"name": text, "base_url": "u"}
            return build_instruction("createRegion", addresses, arguments)
        case "base URL":
            arguments = numbers | {"name": "n", "base_url": text}
            return build_instruction("createRegion", addresses, arguments)
        case "deployed manifest":
            arguments = {"bump": stack_bump, "seed": 1, "manifest": text.encode()}
            return build_instruction("deployStack", of_stack, arguments)
        case _:
            return build_instruction("updateStack", of_stack, {"manifest": text.encode()})


@pytest.mark.parametrize(
    ("kind", "size_bytes", "refusal"),
    [
        ("provider name", 0, "NameInvalid"),
        ("provider name", 33, "NameInvalid"),
        ("region name", 0, "NameInvalid"),
        ("region name", 33, "NameInvalid"),
        ("base URL", 0, "BaseUrlInvalid"),
        ("base URL", 129, "BaseUrlInvalid"),
        ("deployed manifest", 0, "ManifestInvalid"),
        ("updated manifest", 0, "ManifestInvalid"),
    ],
)
def test_sizes_out_of_limits(world, kind: str, size_bytes: int, refusal: str) -> None:
    instruction = limited(kind, world.alice.pubkey(), world.region, size_bytes)
    assert world.cluster.refusal(instruction, world.alice) == refusal


def test_a_manifest_above_the_limit_in_an_update_which_has_room_for_it(cluster) -> None:
    """With the owner as fee payer the transaction is small enough for 942 bytes; the program refuses them."""
    owner = cluster.fee_payer
    region, _ = region_address(provider_address(owner.pubkey())[0], 7)
    for instruction in (
        client.create_provider(owner.pubkey(), "p"),
        client.create_region(owner.pubkey(), 7, "n", "u"),
        client.deploy_stack(owner.pubkey(), region, 1, b"m"),
    ):
        cluster.event(instruction)
    too_large = limited("updated manifest", owner.pubkey(), region, client.MAX_MANIFEST_BYTES + 1)
    assert cluster.refusal(too_large) == "ManifestInvalid"


@pytest.mark.parametrize("broken", [b"\xff", b"\xc0\x80", b"\xed\xa0\x80", b"ok\xe2\x82"])
def test_text_that_is_not_utf8(world, altered, broken: bytes) -> None:
    instruction = client.create_provider(world.carol.pubkey(), "n" * len(broken))
    data = instruction.data[: -len(broken)] + broken
    assert world.cluster.refusal(altered(instruction, data=data), world.carol) == "NameInvalid"


def test_counters_that_cannot_go_further(world) -> None:
    """After 2^64 - 1 events a scope takes no more, rather than begin again."""
    svm = world.cluster.svm
    account = svm.get_account(world.region)
    delete = client.delete_stack(world.alice.pubkey(), world.region, world.stack)
    for at, size_bytes in ((46, 8), (86, 4)):
        data = bytearray(account.data)
        data[at : at + size_bytes] = b"\xff" * size_bytes if size_bytes == 8 else bytes(4)
        svm.set_account(world.region, Account(account.lamports, bytes(data), PROGRAM_ID, False, 0))
        assert world.cluster.refusal(delete, world.alice) == "CounterExhausted"
