"""The options of commands that talk to a cluster, and their session."""

import itertools
import json
from pathlib import Path

import click
import pytest
from click.testing import CliRunner
from solders.keypair import Keypair

from cli.cluster import ClusterOptions, NoMarketplace, cluster_options, open_session, show_transaction
from cli.output import json_option
from contract.errors import InvalidInput
from events.chain.rpc import ChainUnavailable
from events.engine.memory import MemoryEngine
from mu.sending import Confirmation
from tests.events.chain.histories import MINT, OWNER, TOKENS
from tests.events.chain.live import Actor, chain


@click.command()
@click.argument("name")
@cluster_options
@json_option
def show(name: str, cluster: ClusterOptions, as_json: bool) -> None:
    """A command of a cluster."""
    click.echo(f"{name} {cluster.url} {cluster.keypair} {cluster.config} {as_json}")


@pytest.mark.parametrize(
    ("arguments", "output"),
    [
        (["a"], "a None None None False"),
        (["-u", "d", "a", "-k", "~/id.json", "-C", "c.yml", "--json"], "a d ~/id.json c.yml True"),
        (["--url", "l", "--keypair", "k", "--config", "c", "a"], "a l k c False"),
    ],
)
def test_options(arguments: list[str], output: str):
    result = CliRunner().invoke(show, arguments)
    assert (result.exit_code, result.output) == (0, f"{output}\n")


def test_help_names_the_options():
    output = CliRunner().invoke(show, ["--help"]).output
    for option in ("-u, --url URL", "-k, --keypair FILE", "-C, --config FILE", "A command of a cluster."):
        assert option in output
    assert (
        output.index("--url") < output.index("--keypair") < output.index("--config") < output.index("--json")
    )


def keypair_file(folder: Path, keypair: Keypair) -> str:
    path = folder / "id.json"
    path.write_text(json.dumps(list(bytes(keypair))))
    return str(path)


async def test_a_session_with_a_marketplace(tmp_path: Path):
    async with chain(MemoryEngine()) as port:
        await Actor(port, itertools.count()).set_up()
        options = ClusterOptions(f"http://127.0.0.1:{port}", keypair_file(tmp_path, OWNER))
        async with open_session(options, tmp_path) as session:
            assert session.keypair == OWNER
            assert session.cluster.pubsub_url == f"ws://127.0.0.1:{port + 1}"
            assert (await session.state()).mint == MINT
            assert await session.decimals() == 6
            assert await session.own_tokens() == TOKENS
            assert await session.base_units("12.5") == 12_500_000
            assert await session.tokens(12_500_000) == "12.5"
            with pytest.raises(InvalidInput, match=r"--deposit: .* the mint has 6"):
                await session.base_units("0.0000001", "--deposit")
            assert await session.state() is await session.state()


async def test_a_cluster_without_a_marketplace(tmp_path: Path):
    async with (
        chain(MemoryEngine()) as port,
        open_session(ClusterOptions(f"http://127.0.0.1:{port}"), tmp_path) as session,
    ):
        with pytest.raises(NoMarketplace, match=r"there is no Marketplace on 127\.0\.0\.1; choose"):
            await session.decimals()
        assert await session.marketplace.unix_time() > 0


async def test_a_session_asks_nothing_until_it_must(tmp_path: Path):
    async with open_session(ClusterOptions("http://127.0.0.1:1", "nowhere.json"), tmp_path) as session:
        with pytest.raises(
            InvalidInput, match=r"nowhere\.json: there is no keypair; create one with `solana-keygen"
        ):
            _ = session.keypair
        with pytest.raises(ChainUnavailable):
            await session.state()


async def test_the_configuration_file_is_followed(tmp_path: Path):
    keypair = Keypair()
    config = tmp_path / "config.yml"
    config.write_text(
        f"json_rpc_url: d\nkeypair_path: {keypair_file(tmp_path, keypair)}\ncommitment: finalized"
    )
    async with open_session(ClusterOptions(config=config), tmp_path) as session:
        assert session.cluster.rpc_url == "https://api.devnet.solana.com"
        assert session.cluster.commitment == "finalized"
        assert session.keypair == keypair


async def test_bad_options(tmp_path: Path):
    for options in (
        ClusterOptions("devnett"),
        ClusterOptions(config=tmp_path / "none"),
        ClusterOptions("d", "ASK"),
    ):
        with pytest.raises(InvalidInput):
            async with open_session(options, tmp_path):
                pass


def test_a_transaction_as_a_line_and_as_json(capsys: pytest.CaptureFixture[str]):
    confirmation = Confirmation("5ig", 7)
    show_transaction("deposit", confirmation, as_json=False, escrow=MINT)
    assert capsys.readouterr().out == "chain       deposit: slot 7, 5ig\n"
    show_transaction("deposit", confirmation, as_json=True, escrow=MINT, amount=3)
    assert json.loads(capsys.readouterr().out) == {
        "escrow": str(MINT), "amount": 3, "signature": "5ig", "slot": 7,
    }  # fmt: skip
