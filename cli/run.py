"""`mu run`: a project on this machine, as in the cloud."""

import signal
from pathlib import Path

import click
import trio

from cli.local import Ports, deploy, region_with_node
from cli.output import step
from contract.errors import InvalidInput
from contract.program_errors import ProgramError
from mu.log_location import TIKV_SCHEME, is_on_tikv
from mu.project import Project, load_project
from mu.region_folder import DATA_FOLDER, RegionFolder

DEFAULT_PORT = 8080
DEFAULT_RPC_PORT = 8899
SLOT_SECONDS = 0.4


@click.command()
@click.argument("folder", type=click.Path(path_type=Path, file_okay=False))
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=DEFAULT_PORT,
    show_default=True,
    help="The gateway's port.",
)
@click.option(
    "--rpc-port",
    type=click.IntRange(0, 65534),
    default=DEFAULT_RPC_PORT,
    show_default=True,
    help="The local chain's JSON-RPC port; PubSub is on the one after it.",
)
@click.option(
    "--data",
    type=click.Path(path_type=Path, file_okay=False),
    default=None,
    show_default=f"{DATA_FOLDER} in the project folder",
    help="Where the chain and the log are kept.",
)
@click.option(
    "--log",
    "log_location",
    metavar="tikv://HOST:PORT/PREFIX",
    help="Keep the log on a TiKV cluster instead; said once, at the first run.",
)
def run(folder: Path, port: int, rpc_port: int, data: Path | None, log_location: str | None) -> None:
    """Run the project in FOLDER on a local region until Ctrl-C. Nothing is lost between runs."""
    project = load_project(folder)
    region_folder = RegionFolder(data or folder / DATA_FOLDER)
    if log_location is not None:
        if not is_on_tikv(log_location):
            raise InvalidInput("--log", f"{log_location} is not {TIKV_SCHEME}HOST:PORT/PREFIX")
        region_folder.keep_log_at(log_location, "--log")
    trio.run(_run, project, region_folder, Ports(port, rpc_port))


async def _run(project: Project, folder: RegionFolder, ports: Ports) -> None:
    async with trio.open_nursery() as nursery:
        await nursery.start(_cancel_on_signal, nursery.cancel_scope)
        async with region_with_node(folder, ports, slot_seconds=SLOT_SECONDS) as (region, node):
            try:
                await deploy(region, node, project)
            except ProgramError as error:
                # the chain stays: what the Marketplace wants first can only be sent to it
                step("refused", f"{error} Put it right on this chain, and run it again.")
            step("running", f"Ctrl-C stops it; `mu events tail --folder {folder.root}` looks into it")
            step(
                "keys",
                f"`-u {region.chain.rpc_url} -k {folder.keypair('developer')}` for commands on this chain",
            )
            await trio.sleep_forever()
    step("stopped", f"everything is kept in {folder.root}")


async def _cancel_on_signal(
    scope: trio.CancelScope, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED
) -> None:
    with trio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
        task_status.started()
        async for _ in signals:
            scope.cancel()
            return
