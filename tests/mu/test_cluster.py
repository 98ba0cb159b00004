from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from contract.errors import InvalidInput
from mu.cluster import (
    CONFIG_PATH,
    MAX_CONFIG_BYTES,
    MONIKERS,
    Cluster,
    SolanaConfig,
    load_cluster,
    parse_config,
    read_config,
    resolve,
)

HOME = Path("/home/ada")
WRITTEN = b"""---
json_rpc_url: http://localhost:8899
websocket_url: ''
keypair_path: /home/ada/.config/solana/id.json
address_labels:
  '11111111111111111111111111111111': System Program
commitment: confirmed
"""


def resolved(url: str) -> Cluster:
    return resolve(SolanaConfig(), HOME, url=url)


def test_the_file_that_the_solana_cli_writes():
    config = parse_config(WRITTEN, "config.yml")
    assert resolve(config, HOME) == Cluster(
        rpc_url="http://localhost:8899",
        pubsub_url="ws://localhost:8900",
        keypair_path=Path("/home/ada/.config/solana/id.json"),
        commitment="confirmed",
    )


def test_without_a_file_it_is_the_solana_clis_defaults(tmp_path: Path):
    assert load_cluster(tmp_path) == Cluster(
        rpc_url="https://api.mainnet-beta.solana.com",
        pubsub_url="wss://api.mainnet-beta.solana.com",
        keypair_path=tmp_path / ".config" / "solana" / "id.json",
        commitment="confirmed",
    )


def test_the_file_below_home_and_one_that_is_named(tmp_path: Path):
    below_home, named = tmp_path / CONFIG_PATH, tmp_path / "other.yml"
    below_home.parent.mkdir(parents=True)
    below_home.write_text("json_rpc_url: d")
    named.write_text("json_rpc_url: testnet\nkeypair_path: ~/keys/id.json")
    assert load_cluster(tmp_path).rpc_url == "https://api.devnet.solana.com"
    cluster = load_cluster(tmp_path, config=named)
    assert cluster.rpc_url == "https://api.testnet.solana.com"
    assert cluster.keypair_path == tmp_path / "keys" / "id.json"
    cluster = load_cluster(tmp_path, config=named, url="l", keypair="here.json")
    assert (cluster.rpc_url, cluster.keypair_path) == ("http://localhost:8899", Path("here.json"))


def test_a_file_that_was_named_must_be_there(tmp_path: Path):
    for path in (tmp_path / "none.yml", tmp_path):
        with pytest.raises(InvalidInput, match=r"cannot be read .*--config"):
            read_config(tmp_path, path)


def test_a_file_below_home_that_cannot_be_read_is_not_taken_for_none(tmp_path: Path):
    (tmp_path / CONFIG_PATH).mkdir(parents=True)
    with pytest.raises(InvalidInput, match="cannot be read"):
        read_config(tmp_path)


@pytest.mark.parametrize(
    ("moniker", "url"),
    [
        ("localhost", "http://localhost:8899"),
        ("l", "http://localhost:8899"),
        ("devnet", "https://api.devnet.solana.com"),
        ("d", "https://api.devnet.solana.com"),
        ("testnet", "https://api.testnet.solana.com"),
        ("t", "https://api.testnet.solana.com"),
        ("mainnet-beta", "https://api.mainnet-beta.solana.com"),
        ("m", "https://api.mainnet-beta.solana.com"),
    ],
)
def test_monikers(moniker: str, url: str):
    assert resolved(moniker).rpc_url == url
    assert resolve(SolanaConfig(json_rpc_url=moniker), HOME).rpc_url == url
    assert len(MONIKERS) == 8


@pytest.mark.parametrize(
    ("url", "pubsub_url"),
    [
        ("http://localhost:8899", "ws://localhost:8900"),
        ("https://api.devnet.solana.com", "wss://api.devnet.solana.com"),
        ("https://example.com:1234/path?key=1", "wss://example.com:1235/path?key=1"),
        ("https://example.com:443/", "wss://example.com/"),
        ("http://example.com:80", "ws://example.com"),
        ("http://example.com:443", "ws://example.com:444"),
        ("HTTPS://example.com", "wss://example.com"),
        ("http://ada:secret@example.com:5", "ws://ada:secret@example.com:6"),
        ("http://[::1]:8899", "ws://[::1]:8900"),
        ("http://[::1]", "ws://[::1]"),
    ],
)
def test_the_websockets_url_is_derived(url: str, pubsub_url: str):
    assert resolved(url).pubsub_url == pubsub_url


def test_a_websocket_url_of_the_file_belongs_to_the_urls_of_the_file():
    config = SolanaConfig(json_rpc_url="http://a:1", websocket_url="wss://elsewhere/x")
    assert resolve(config, HOME).pubsub_url == "wss://elsewhere/x"
    assert resolve(config, HOME, url="http://b:1").pubsub_url == "ws://b:2"


@pytest.mark.parametrize(
    "url",
    ["", "devnett", "ftp://a", "http://", "https://:8899", "http://a:b", "http://a:99999", "http://a:0", "http://[::1",
     "http://a b", "http://a\n", "http://ä", "http://a\0b", "//a", "ws://a", "http://1.2.3.400"],
)  # fmt: skip
def test_what_is_no_url(url: str):
    with pytest.raises(InvalidInput, match="name a URL such as https://api") as caught:
        resolved(url)
    assert caught.value.field == "--url"
    assert str(caught.value).isprintable()
    if not url:
        # in the file that says nothing
        return
    with pytest.raises(InvalidInput, match=r"config\.yml: json_rpc_url: "):
        resolve(SolanaConfig(source="config.yml", json_rpc_url=url), HOME)


def test_a_port_that_has_none_after_it():
    with pytest.raises(InvalidInput, match="leaves none for the WebSocket"):
        resolved("http://a:65535")
    config = SolanaConfig(json_rpc_url="http://a:65535", websocket_url="ws://a:1")
    assert resolve(config, HOME).pubsub_url == "ws://a:1"


def test_a_websocket_url_that_is_none():
    with pytest.raises(InvalidInput, match=r"config\.yml: websocket_url: .*leave it empty"):
        resolve(SolanaConfig(source="config.yml", websocket_url="http://a"), HOME)


@given(st.text(st.characters(max_codepoint=0x2FF)) | st.from_regex(r"https?://[!-~]{1,20}", fullmatch=True))
def test_any_url_can_be_used_or_is_refused(url: str):
    try:
        cluster = resolved(url)
    except InvalidInput:
        return
    httpx.URL(cluster.rpc_url)
    assert urlsplit(cluster.pubsub_url).scheme in ("ws", "wss")
    assert urlsplit(cluster.pubsub_url).hostname == urlsplit(cluster.rpc_url).hostname


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("~/id.json", HOME / "id.json"),
        ("/a/id.json", Path("/a/id.json")),
        ("id.json", Path("id.json")),
        ("~ada/id.json", Path("~ada/id.json")),
        ("", HOME / ".config" / "solana" / "id.json"),
    ],
)
def test_keypair_paths(path: str, expected: Path):
    assert resolve(SolanaConfig(keypair_path=path), HOME).keypair_path == expected
    assert resolve(SolanaConfig(keypair_path="/other"), HOME, keypair=path or None).keypair_path == (
        expected if path else Path("/other")
    )


@pytest.mark.parametrize("path", ["usb://ledger?key=0", "prompt://", "stdin://", "-", "ASK", "a\0b"])
def test_signers_that_are_no_files(path: str):
    with pytest.raises(InvalidInput, match="name a keypair file with --keypair"):
        resolve(SolanaConfig(keypair_path=path), HOME)


@pytest.mark.parametrize(
    ("commitment", "expected"),
    [("", "confirmed"), ("processed", "confirmed"), ("confirmed", "confirmed"), ("finalized", "finalized")],
)
def test_commitments(commitment: str, expected: str):
    assert resolve(SolanaConfig(commitment=commitment), HOME).commitment == expected


def test_no_commitment():
    with pytest.raises(InvalidInput, match="'max' is none of processed, confirmed, finalized"):
        resolve(SolanaConfig(commitment="max"), HOME)


def test_an_empty_file_sets_nothing():
    assert parse_config(b"", "a") == parse_config(b"# nothing\n", "a") == SolanaConfig(source="a")


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        (b"{", "is not YAML"),
        (b"a: b: c", "is not YAML"),
        (b"\xff\xfe\x00", "is not YAML"),
        (b"\x00", "is not YAML"),
        (b"json_rpc_url: 2001-99-99", "is not YAML"),
        (b"[" * 60_000, "is not YAML"),
        (b"json_rpc_url: !!python/object:os.system ls", "is not YAML"),
        (b"- a", "must hold keys with values"),
        (b"just text", "must hold keys with values"),
        (b"json_rpc_url: 5", "json_rpc_url: must be text"),
        (b"keypair_path: [a]", "keypair_path: must be text"),
        (b"commitment:", "commitment: must be text"),
        (b"#" * (MAX_CONFIG_BYTES + 1), f"larger than {MAX_CONFIG_BYTES} bytes"),
    ],
    ids=lambda value: value[:40].decode(errors="replace") if isinstance(value, bytes) else value,
)
def test_what_is_no_configuration(data: bytes, problem: str):
    with pytest.raises(InvalidInput, match=problem) as caught:
        parse_config(data, "config.yml")
    assert caught.value.field.startswith("config.yml")


def field_refused(data: bytes) -> str:
    """Which field the configuration is refused for; empty when it is not."""
    try:
        parse_config(data, "a")
    except InvalidInput as error:
        return error.field
    return ""


def test_a_configuration_cut_short_is_one_or_is_refused():
    refused = {field_refused(WRITTEN[:size]) for size in range(len(WRITTEN))}
    assert refused == {"", "a", "a: json_rpc_url", "a: websocket_url", "a: keypair_path", "a: commitment"}


@given(st.binary() | st.text(st.characters(max_codepoint=127)).map(str.encode))
def test_any_bytes_are_a_configuration_or_a_sentence(data: bytes):
    assert field_refused(data) in ("", "a")
