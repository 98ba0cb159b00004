"""What each instruction costs on LiteSVM, as `docs/contract.md` has it.

`python -m tests.contract.compute_units` writes its table anew. Creating an account costs some 390 compute units more
for each step by which its canonical bump is below 255, so where a parameter is free, its bumps here are 255.
"""

from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path
from typing import NamedTuple

from solders.keypair import Keypair
from solders.pubkey import Pubkey

from contract import client
from contract.addresses import (
    authorizer_address,
    escrow_address,
    provider_address,
    region_address,
    request_signer_address,
    stack_address,
    usage_report_address,
    vault_address,
)
from tests.contract.cluster import Cluster
from tests.contract.idl_values import IDL, snake
from tests.contract.world import COMMISSION_MILLIONTHS, DEPOSIT, FUNDS, NOTICE_SECONDS, TERMS, Call, World

DOCUMENT = Path(__file__).parents[2] / "docs" / "contract.md"
COMMAND = "python -m tests.contract.compute_units"
BEGIN = f"<!-- Written by `{COMMAND}`. -->\n"
END = "<!-- The end of what it writes. -->\n"
TRANSFER_LINE = "Program log: Instruction: Transfer"
HIGHEST_BUMP = 255


class Cost(NamedTuple):
    """`compute_units` of an instruction, in which the Token program moved tokens `transfers` times."""

    compute_units: int
    transfers: int


def first(numbers: Iterator[int], *derive: Callable[[int], tuple[Pubkey, int]]) -> int:
    """The first number for which every derived address has the highest bump."""
    return next(number for number in numbers if all(one(number)[1] == HIGHEST_BUMP for one in derive))


def unknown(number: int) -> Pubkey:
    return Cluster.key(number).pubkey()


def with_high_bumps(world: World) -> dict[str, Callable[[], Call]]:
    """The calls of the world, as cheap as a free parameter makes them."""
    admin, alice, carol = (key.pubkey() for key in (world.admin, world.alice, world.carol))

    def provider(number: int) -> tuple[Pubkey, int]:
        return provider_address(unknown(number))

    def escrow(number: int) -> tuple[Pubkey, int]:
        return escrow_address(world.other_provider, unknown(number))

    def party(*derive: Callable[[int], tuple[Pubkey, int]]) -> Keypair:
        key = world.cluster.funded(first(iter(range(100, 250)), *derive))
        world.cluster.token_account(key.pubkey(), FUNDS)
        return key

    def create_provider() -> Call:
        owner = party(provider, lambda number: vault_address(provider(number)[0]))
        return world.create_provider(owner, "dave")

    def create_escrow() -> Call:
        owner = party(escrow, lambda number: vault_address(escrow(number)[0]))
        return world.create_escrow(owner, world.other_provider)

    def create_provider_authorizer() -> Call:
        number = first(iter(range(100, 250)), lambda number: authorizer_address(unknown(number)))
        return client.create_provider_authorizer(admin, unknown(number)), world.admin

    def create_region() -> Call:
        number = first(count(9), lambda number: region_address(world.provider, number))
        region = client.create_region(alice, number, "west", "https://west.example", TERMS)
        return region, world.alice

    def create_request_signer() -> Call:
        number = first(
            iter(range(100, 250)), lambda number: request_signer_address(world.region, carol, unknown(number))
        )
        return client.create_request_signer(carol, world.region, unknown(number)), world.carol

    def deploy_stack() -> Call:
        seed = first(count(2), lambda seed: stack_address(world.region, carol, seed))
        return client.deploy_stack(carol, world.provider, world.region, seed, b"second"), world.carol

    def update_usage() -> Call:
        last = first(count(6), lambda last: usage_report_address(world.stack, 6, last))
        return world.update_usage(6, last)

    return {
        **world.calls(),
        "create_provider": create_provider,
        "create_escrow": create_escrow,
        "create_provider_authorizer": create_provider_authorizer,
        "create_region": create_region,
        "create_request_signer": create_request_signer,
        "deploy_stack": deploy_stack,
        "update_usage": update_usage,
    }


def measure() -> dict[str, Cost]:
    """What each instruction costs, in the order of the IDL, each on a cluster of its own."""
    costs: dict[str, Cost] = {}
    for instruction in IDL["instructions"]:
        name = snake(instruction["name"])
        cluster = Cluster()
        if name == "initialize":
            call, key = _initialize(cluster)
        else:
            call, key = with_high_bumps(World(cluster))[name]()
        result = cluster.send(call, *([key] if key else []))
        costs[name] = Cost(result.compute_units_consumed(), result.logs().count(TRANSFER_LINE))
    return costs


def _initialize(cluster: Cluster) -> Call:
    admin = cluster.funded(1)
    instruction = client.initialize(
        admin.pubkey(),
        mint=cluster.mint,
        commission_tokens=cluster.token_account(admin.pubkey()),
        deposit=DEPOSIT,
        commission_millionths=COMMISSION_MILLIONTHS,
        notice_seconds=NOTICE_SECONDS,
    )
    return instruction, admin


def with_table(document: str, costs: dict[str, Cost]) -> str:
    """The document with these costs between its markers."""
    before, rest = document.split(BEGIN)
    _, after = rest.split(END)
    rows = [f"| `{name}` | {cost.compute_units:,} | {cost.transfers} |\n" for name, cost in costs.items()]
    head = "| instruction | compute units | token transfers |\n| --- | ---: | ---: |\n"
    return f"{before}{BEGIN}{head}{''.join(rows)}{END}{after}"


if __name__ == "__main__":
    DOCUMENT.write_text(with_table(DOCUMENT.read_text("utf-8"), measure()), "utf-8")
