"""The methods that read blocks: their values, and a node's refusals."""

import base64
from typing import Any

import pytest

from events.engine.memory import MemoryEngine
from mu.config import LedgerLimits
from mu.localnet.block_methods import MAX_RANGE_SLOTS
from tests.mu.localnet.conftest import GENESIS_TIME, Chain, Rpc, address

SOL = 10**9
CONFIRMED = {"commitment": "confirmed"}
BARE = {"rewards": False, "transactionDetails": "none"}
HEAD = {"blockHeight", "blockTime", "blockhash", "parentSlot", "previousBlockhash"}


@pytest.fixture
def sent(chain: Chain) -> list[str]:
    """The transactions of slot 1, which is finalized."""
    chain.advance()
    sent = [str(chain.ledger.transact(chain.transfer(address(1), SOL + n)).signature) for n in range(7)]
    chain.advance(40)
    return sent


async def test_the_signatures_of_a_block(rpc: Rpc, sent: list[str]) -> None:
    block = await rpc.result("getBlock", 1, {"transactionDetails": "signatures", "rewards": False})
    assert block.keys() == HEAD | {"signatures"}
    assert block["signatures"] == sent
    before, after = [await rpc.result("getBlock", slot, BARE) for slot in (0, 2)]
    assert block["previousBlockhash"] == before["blockhash"] == before["previousBlockhash"]
    assert after["previousBlockhash"] == block["blockhash"]
    assert [one["parentSlot"] for one in (before, block, after)] == [0, 0, 1]
    assert [one["blockHeight"] for one in (before, block, after)] == [0, 1, 2]
    assert block["blockTime"] == GENESIS_TIME + 1


async def test_a_block_bare_and_with_rewards(rpc: Rpc, sent: list[str]) -> None:
    assert (await rpc.result("getBlock", 1, BARE)).keys() == HEAD
    block = await rpc.result("getBlock", 1, {"transactionDetails": "none"})
    assert block.keys() == HEAD | {"rewards"}
    assert block["rewards"] == []


@pytest.mark.parametrize("encoding", ["json", "jsonParsed", "base64", "base58", "binary"])
async def test_a_whole_block_has_what_is_told_of_each_transaction(
    rpc: Rpc, sent: list[str], encoding: str
) -> None:
    how = {"encoding": encoding, "maxSupportedTransactionVersion": 0}
    block = await rpc.result("getBlock", 1, how)
    assert block.keys() == HEAD | {"rewards", "transactions"}
    each = [await rpc.result("getTransaction", signature, how) for signature in sent]
    assert [{**one, "blockTime": GENESIS_TIME + 1, "slot": 1} for one in block["transactions"]] == each
    assert each[0]["version"] == "legacy"
    assert await rpc.result("getBlock", 1, encoding) == await rpc.result(
        "getBlock", 1, {"encoding": encoding}
    )
    [first, *_] = (await rpc.result("getBlock", 1, {**how, "rewards": False}))["transactions"]
    assert first["meta"]["rewards"] is None


async def test_the_default_is_whole_as_json(rpc: Rpc, sent: list[str]) -> None:
    block = await rpc.result("getBlock", 1)
    assert [one["transaction"]["signatures"][0] for one in block["transactions"]] == sent
    assert "version" not in block["transactions"][0]


async def test_versioned_transactions_are_shown_to_who_can_read_them(chain: Chain, rpc: Rpc) -> None:
    sent = chain.transfer(address(1), SOL, versioned=True)
    chain.ledger.transact(sent)
    chain.advance(40)
    assert (await rpc.error("getBlock", 0))["code"] == -32015
    [shown] = (await rpc.result("getBlock", 0, {"maxSupportedTransactionVersion": 0, "encoding": "base64"}))[
        "transactions"
    ]
    assert shown["version"] == 0
    assert base64.b64decode(shown["transaction"][0]) == bytes(sent)
    signatures = await rpc.result("getBlock", 0, {"transactionDetails": "signatures"})
    assert signatures["signatures"] == [str(sent.signatures[0])]


async def test_a_block_is_there_from_its_commitment_on(chain: Chain, rpc: Rpc) -> None:
    chain.advance(40)
    assert (await rpc.result("getBlock", 39, {**BARE, **CONFIRMED}))["blockHeight"] == 39
    assert (await rpc.result("getBlock", 8, BARE))["blockHeight"] == 8
    for slot, more in ((40, CONFIRMED), (9, {}), (39, {"commitment": "finalized"}), (10**6, CONFIRMED)):
        assert await rpc.error("getBlock", slot, {**BARE, **more}) == {
            "code": -32004,
            "message": f"Block not available for slot {slot}",
        }


async def test_slots_that_a_restart_has_skipped(chain: Chain) -> None:
    chain.advance(3)
    chain.ledger.transact(chain.transfer(address(1), SOL))
    chain.advance(3)
    again = chain.reopened()
    rpc, jumped = Rpc(again.ledger), again.ledger.slot
    assert jumped > 7
    # it might yet come, as far as anybody knows
    assert (await rpc.error("getBlock", jumped - 2, {**BARE, **CONFIRMED}))["code"] == -32004
    again.advance(40)
    assert (await rpc.result("getBlock", 3, BARE))["blockHeight"] == 3
    for slot in (5, jumped - 1):
        assert await rpc.error("getBlock", slot, BARE) == {
            "code": -32007,
            "message": f"Slot {slot} was skipped, or missing due to ledger jump to recent snapshot",
        }
        assert (await rpc.error("getBlockTime", slot))["code"] == -32007
    assert await rpc.result("getBlocks", 1, jumped + 1) == [3, jumped, jumped + 1]


async def test_blocks_that_are_cleaned_up() -> None:
    chain = Chain(MemoryEngine(), limits=LedgerLimits(max_block_times=10))
    rpc = Rpc(chain.ledger)
    assert await rpc.result("getFirstAvailableBlock") == 0
    chain.advance(100)
    first = await rpc.result("getFirstAvailableBlock")
    assert first == 91
    error = await rpc.error("getBlock", 5, BARE)
    assert error == {
        "code": -32001,
        "message": "Block 5 cleaned up, does not exist on node. First available block: 91",
    }
    assert (await rpc.error("getBlockTime", 5))["code"] == -32001


async def test_the_blocks_of_a_range(chain: Chain, rpc: Rpc) -> None:
    chain.advance(40)
    blocks = [
        ([0], list(range(9))),
        ([0, 5], [0, 1, 2, 3, 4, 5]),
        ([5, 3], []),
        ([7, None], [7, 8]),
        ([7, None, None], [7, 8]),
        ([100], []),
        ([0, 10**6], list(range(9))),
        ([5, {"commitment": "finalized"}], [5, 6, 7, 8]),
        ([37, CONFIRMED], [37, 38, 39]),
        ([37, 38, CONFIRMED], [37, 38]),
        ([37, None, CONFIRMED], [37, 38, 39]),
        ([37, 10**6, {**CONFIRMED, "minContextSlot": 39}], [37, 38, 39]),
    ]
    for params, expected in blocks:
        assert await rpc.result("getBlocks", *params) == expected, params
    error = await rpc.error("getBlocks", 0, {**CONFIRMED, "minContextSlot": 40})
    assert (error["code"], error["data"]) == (-32016, {"contextSlot": 39})


async def test_a_range_that_is_too_large(chain: Chain, rpc: Rpc) -> None:
    chain.ledger.slot = MAX_RANGE_SLOTS + 100
    error = await rpc.error("getBlocks", 1, MAX_RANGE_SLOTS + 2, CONFIRMED)
    assert error == {"code": -32602, "message": "Slot range too large; max 500000"}
    assert await rpc.result("getBlocks", 0, MAX_RANGE_SLOTS, CONFIRMED) == [0]
    assert await rpc.result("getBlocks", 1, CONFIRMED) == []


@pytest.mark.parametrize(
    ("method", "params"),
    [
        ("getBlock", []),
        ("getBlock", ["x"]),
        ("getBlock", [-1]),
        ("getBlock", [1, {}, 2]),
        ("getBlock", [1, "bad"]),
        ("getBlock", [1, {"encoding": "bad"}]),
        ("getBlock", [1, {"transactionDetails": "bad"}]),
        ("getBlock", [1, {"maxSupportedTransactionVersion": -1}]),
        ("getBlock", [1, {"rewards": 1}]),
        ("getBlock", [1, {"commitment": "processed"}]),
        ("getBlocks", []),
        ("getBlocks", ["x"]),
        ("getBlocks", [1, "x"]),
        ("getBlocks", [1, 2, 3]),
        ("getBlocks", [1, {}, {}]),
        ("getBlocks", [1, 2, {}, 3]),
        ("getBlocks", [1, {"commitment": "processed"}]),
        ("getBlocks", [1, 2, {"commitment": "processed"}]),
        ("getFirstAvailableBlock", [1]),
    ],
)
async def test_what_a_node_does_not_understand(rpc: Rpc, method: str, params: list[Any]) -> None:
    assert (await rpc.error(method, *params))["code"] == -32602
