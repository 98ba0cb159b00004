"""Which cluster to talk to, and as whom: the Solana CLI's configuration and its conventions."""

import re
from pathlib import Path
from typing import Any, Literal, get_args
from urllib.parse import SplitResult, urlsplit

import httpx
import msgspec
import yaml

from contract.errors import InvalidInput

MAX_CONFIG_BYTES = 64 * 1024
MAX_PORT = 65_535

CONFIG_PATH = Path(".config", "solana", "cli", "config.yml")
"""Below the home folder."""

KEYPAIR_PATH = Path(".config", "solana", "id.json")
"""Below the home folder."""

_URLS = {
    "localhost": "http://localhost:8899",
    "devnet": "https://api.devnet.solana.com",
    "testnet": "https://api.testnet.solana.com",
    "mainnet-beta": "https://api.mainnet-beta.solana.com",
}
MONIKERS = _URLS | {name[0]: url for name, url in _URLS.items()}
"""What may stand for a URL: a cluster's name, or its first letter."""

_KNOWN_URLS = "a URL such as https://api.devnet.solana.com, or localhost, devnet, testnet or mainnet-beta"
_VISIBLE = re.compile(r"[!-~]+")
_DEFAULT_PORTS = {"http": 80, "https": 443}
_OTHER_SIGNERS = ("usb://", "prompt://", "stdin://")

Commitment = Literal["confirmed", "finalized"]


class SolanaConfig(msgspec.Struct, frozen=True, kw_only=True):
    """The Solana CLI's configuration file as it stands; an empty value is one that is not set."""

    source: str = ""
    """The file's name, for what is said of it."""
    json_rpc_url: str = ""
    websocket_url: str = ""
    keypair_path: str = ""
    commitment: str = ""


class Cluster(msgspec.Struct, frozen=True, kw_only=True):
    """A cluster's two URLs, the file of the keypair that signs and pays, and the commitment to wait for."""

    rpc_url: str
    pubsub_url: str
    keypair_path: Path
    commitment: Commitment


def load_cluster(
    home: Path, *, config: Path | None = None, url: str | None = None, keypair: str | None = None
) -> Cluster:
    """What the configuration file and the options that go before it come to. Raises `InvalidInput`.

    Without `config` it is the file below `home`, which need not exist; one that was named must.
    """
    return resolve(read_config(home, config), home, url=url, keypair=keypair)


def read_config(home: Path, named: Path | None = None) -> SolanaConfig:
    """Read the configuration file. Raises `InvalidInput`."""
    path = named or home / CONFIG_PATH
    try:
        with path.open("rb") as file:
            data = file.read(MAX_CONFIG_BYTES + 1)
    except OSError as error:
        if named is None and isinstance(error, FileNotFoundError):
            return SolanaConfig()
        fix = "create it with `solana config set`, or name another with --config"
        raise InvalidInput(str(path), f"cannot be read ({error.strerror}); {fix}") from None
    return parse_config(data, str(path))


def parse_config(data: bytes, source: str) -> SolanaConfig:
    """The configuration in a file's YAML; keys that mu has no use for are ignored. Raises `InvalidInput`."""
    if len(data) > MAX_CONFIG_BYTES:
        raise InvalidInput(source, f"is larger than {MAX_CONFIG_BYTES} bytes")
    try:
        document: Any = yaml.safe_load(data)
    # what PyYAML builds of a scalar, such as a date that there is not, may raise ValueError
    except (yaml.YAMLError, ValueError, RecursionError):
        raise InvalidInput(source, "is not YAML; write a new one with `solana config set`") from None
    if document is None:
        document = {}
    if not isinstance(document, dict):
        raise InvalidInput(source, "must hold keys with values, such as `json_rpc_url: devnet`")
    values = {name: document[name] for name in SolanaConfig.__struct_fields__[1:] if name in document}
    for name, value in values.items():
        if not isinstance(value, str):
            raise InvalidInput(f"{source}: {name}", "must be text")
    return SolanaConfig(source=source, **values)


def resolve(
    config: SolanaConfig, home: Path, *, url: str | None = None, keypair: str | None = None
) -> Cluster:
    """Options before configuration, configuration before the Solana CLI's defaults. Raises `InvalidInput`.

    A `websocket_url` of the configuration belongs to its `json_rpc_url`: another URL's is derived.
    `processed` is taken as `confirmed`, the least that mu acts on.
    """
    field = "--url" if url is not None else f"{config.source}: json_rpc_url"
    rpc_url = url if url is not None else config.json_rpc_url or "mainnet-beta"
    rpc_url = MONIKERS.get(rpc_url, rpc_url)
    rpc = _split_url(field, rpc_url, ("http", "https"), f"name {_KNOWN_URLS}")
    if config.websocket_url and url is None:
        pubsub_url = config.websocket_url
        _split_url(
            f"{config.source}: websocket_url", pubsub_url, ("ws", "wss"), "write one, or leave it empty"
        )
    else:
        pubsub_url = _pubsub_url(field, rpc)
    return Cluster(
        rpc_url=rpc_url,
        pubsub_url=pubsub_url,
        keypair_path=_keypair_path(config, home, keypair),
        commitment=_commitment(config),
    )


def _split_url(field: str, url: str, schemes: tuple[str, str], fix: str) -> SplitResult:
    try:
        parts = urlsplit(url)
        if parts.scheme in schemes and parts.hostname and parts.port != 0 and _VISIBLE.fullmatch(url):
            httpx.URL(url)  # what asks the node is stricter about hosts
            return parts
    except (ValueError, httpx.InvalidURL):
        pass
    raise InvalidInput(field, f"{url!r} is not a URL of {schemes[0]} or {schemes[1]}; {fix}")


def _pubsub_url(field: str, rpc: SplitResult) -> str:
    """https becomes wss, http ws; a port, unless it is the scheme's own, becomes the one after it."""
    host = rpc.netloc
    port = rpc.port
    if port is not None:
        host = host.rpartition(":")[0]
    if port is not None and port != _DEFAULT_PORTS[rpc.scheme]:
        if port == MAX_PORT:
            raise InvalidInput(field, f"port {port} leaves none for the WebSocket, which is the one after it")
        host = f"{host}:{port + 1}"
    return rpc._replace(scheme="wss" if rpc.scheme == "https" else "ws", netloc=host).geturl()


def _keypair_path(config: SolanaConfig, home: Path, option: str | None) -> Path:
    text = option or config.keypair_path
    field = "--keypair" if option else f"{config.source}: keypair_path"
    if not text:
        return home / KEYPAIR_PATH
    if text in ("-", "ASK") or text.startswith(_OTHER_SIGNERS):
        raise InvalidInput(field, f"{text} is not a file; name a keypair file with --keypair")
    if "\0" in text:
        raise InvalidInput(field, "has a zero character; name a keypair file with --keypair")
    return home / text[2:] if text.startswith("~/") else Path(text)


def _commitment(config: SolanaConfig) -> Commitment:
    match config.commitment:
        case "" | "processed" | "confirmed":
            return "confirmed"
        case "finalized":
            return "finalized"
        case other:
            known = ", ".join(("processed", *get_args(Commitment)))
            raise InvalidInput(f"{config.source}: commitment", f"{other!r} is none of {known}")
