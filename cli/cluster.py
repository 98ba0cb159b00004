"""What every command that talks to a cluster shares: its options, a session, and how a transaction is shown."""

import functools
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import cached_property
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import click
import msgspec
from solana.rpc.async_api import AsyncClient
from solana.rpc.commitment import Commitment
from solders.keypair import Keypair
from solders.pubkey import Pubkey

from cli.output import step, to_plain
from contract.accounts import State
from contract.addresses import associated_token_address, state_address
from contract.errors import MuError
from mu.cluster import Cluster, load_cluster
from mu.identity import load_keypair
from mu.marketplace import Confirmation, Marketplace
from mu.token_amount import format_tokens, parse_tokens

Command = Callable[..., Any]


class NoMarketplace(MuError):
    """The cluster has no Marketplace, or one without a mint."""


class ClusterOptions(msgspec.Struct, frozen=True):
    """What a person said of the cluster; None is what the configuration file says."""

    url: str | None = None
    keypair: str | None = None
    config: Path | None = None


def cluster_options(command: Command) -> Command:
    """The options that name a cluster; the command gets them together, as `cluster: ClusterOptions`."""

    @functools.wraps(command)
    def wrapped(
        *arguments: Any, url: str | None, keypair: str | None, config: Path | None, **others: Any
    ) -> Any:
        return command(*arguments, cluster=ClusterOptions(url, keypair, config), **others)

    for option in (
        click.option(
            "--config",
            "-C",
            type=click.Path(path_type=Path, dir_okay=False),
            help="The Solana CLI's configuration file.  [default: ~/.config/solana/cli/config.yml]",
        ),
        click.option(
            "--keypair",
            "-k",
            metavar="FILE",
            help="The keypair that signs and pays.  [default: the configuration's]",
        ),
        click.option(
            "--url",
            "-u",
            metavar="URL",
            help="The cluster's RPC URL, or localhost, devnet, testnet, mainnet-beta (or their first letter).  "
            "[default: the configuration's]",
        ),
    ):
        wrapped = option(wrapped)
    return wrapped


class Session:
    """A cluster, and who acts on it. The Marketplace's state and mint are asked for when they are first needed."""

    def __init__(self, cluster: Cluster, marketplace: Marketplace) -> None:
        self.cluster = cluster
        self.marketplace = marketplace
        self._state: State | None = None
        self._decimals: int | None = None

    @cached_property
    def keypair(self) -> Keypair:
        """Who signs and pays. Raises `InvalidInput`; a command that only reads needs none."""
        return load_keypair(self.cluster.keypair_path)

    async def state(self) -> State:
        """The Marketplace's state, as it was when first asked for. Raises `NoMarketplace`."""
        if self._state is None:
            self._state = await self.marketplace.account(state_address()[0], State)
            if self._state is None:
                # of the URL the host alone: the rest may hold a key of the node's provider
                host = urlsplit(self.cluster.rpc_url).hostname
                raise NoMarketplace(f"there is no Marketplace on {host}; choose another cluster by --url")
        return self._state

    async def decimals(self) -> int:
        """How many decimals the Marketplace's mint has. Raises `NoMarketplace`."""
        if self._decimals is None:
            address = (await self.state()).mint
            mint = await self.marketplace.mint(address)
            if mint is None:
                raise NoMarketplace(f"the Marketplace's mint {address} is not there")
            self._decimals = mint.decimals
        return self._decimals

    async def own_tokens(self) -> Pubkey:
        """The associated token account of `keypair` for the Marketplace's mint; it need not be there."""
        return associated_token_address(self.keypair.pubkey(), (await self.state()).mint)

    async def base_units(self, text: str, field: str = "amount") -> int:
        """The base units of an amount that a person wrote in whole tokens. Raises `InvalidInput`."""
        return parse_tokens(text, await self.decimals(), field)

    async def tokens(self, base_units: int) -> str:
        """Base units as whole tokens."""
        return format_tokens(base_units, await self.decimals())


@asynccontextmanager
async def open_session(options: ClusterOptions, home: Path | None = None) -> AsyncIterator[Session]:
    """A session with the cluster that is meant; nothing is asked of it yet. Raises `InvalidInput`.

    `home` is where the configuration is looked for: this user's home folder if None.
    """
    cluster = load_cluster(
        home or Path.home(), config=options.config, url=options.url, keypair=options.keypair
    )
    commitment = Commitment(cluster.commitment)
    async with AsyncClient(cluster.rpc_url, commitment) as client:
        yield Session(cluster, Marketplace(client, commitment=commitment))


def show_transaction(what: str, confirmation: Confirmation, *, as_json: bool, **fields: Any) -> None:
    """Say that a transaction is confirmed; as JSON one object of `fields`, `signature` and `slot`."""
    if as_json:
        document = to_plain(fields) | {"signature": confirmation.signature, "slot": confirmation.slot}
        click.echo(json.dumps(document))
    else:
        step("chain", f"{what}: slot {confirmation.slot}, {confirmation.signature}")
