"""What the local chain and Agave's test validator answer of the same transactions: token balances and blocks.

Only where MU_TEST_VALIDATOR names a script that starts and stops one (see `tests.story.validator`).
"""

from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest
import trio

from contract import tokens
from contract.addresses import associated_token_address
from tests.story.steps import CLIENT, MINT, OWNER, Story
from tests.story.test_story import START_UNIX_TIME, LocalChain
from tests.story.validator import PORT, SCRIPT, Validator

CONFIRMED = {"commitment": "confirmed", "maxSupportedTransactionVersion": 0}
NEWER = {"costUnits", "transactionIndex"}
"""What a node says since version 3, and LiteSVM does not know."""
FUTURE = 2**40
REFUSED: list[tuple[str, list[Any]]] = [
    ("getBlock", [FUTURE]),
    ("getBlock", [FUTURE, CONFIRMED]),
    ("getBlock", [1, {"commitment": "processed"}]),
    ("getBlock", [-1]),
    ("getBlock", []),
    ("getBlocks", [1, {"commitment": "processed"}]),
    ("getBlocks", []),
    ("getBlocks", [1, 2, {}, 3]),
    ("getFirstAvailableBlock", [1]),
]


class Answers(msgspec.Struct):
    """What a chain says of the story's tokens: transactions (oldest first), blocks, slots, and refusals."""

    transactions: list[Any] = []
    in_blocks: list[Any] = []
    heads: list[Any] = []
    refusals: list[Any] = []
    genesis: Any = None


async def answers_of(port: int, folder: Path) -> Answers:
    """Sets the story's money up, moves some, and asks."""
    story = Story(port, folder)
    await story.set_up_money()
    held, other = (associated_token_address(key.pubkey(), MINT.pubkey()) for key in (OWNER, CLIENT))
    await story.send(tokens.transfer(held, OWNER.pubkey(), other, 7), OWNER)
    answers = Answers()
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}") as client:

        async def ask(method: str, *params: Any) -> Any:
            asked = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
            return (await client.post("/", json=asked)).json()

        async def result(method: str, *params: Any) -> Any:
            return (await ask(method, *params))["result"]

        listed = await result("getSignaturesForAddress", str(held), {"commitment": "confirmed"})
        listed += await result("getSignaturesForAddress", str(other), {"commitment": "confirmed"})
        of_slot = {one["signature"]: one["slot"] for one in listed}
        for signature in sorted(of_slot, key=lambda signature: of_slot[signature]):
            slot = of_slot[signature]
            answers.transactions.append(await result("getTransaction", signature, CONFIRMED))
            # a local chain has nobody to reward
            whole, signatures, bare = [
                await result("getBlock", slot, CONFIRMED | {"rewards": False, "transactionDetails": details})
                for details in ("full", "signatures", "none")
            ]
            place = signatures["signatures"].index(signature)
            answers.in_blocks.append(whole["transactions"][place])
            # the order is the same whatever is asked for
            assert [one["transaction"]["signatures"][0] for one in whole.pop("transactions")] == (
                signatures["signatures"]
            )
            answers.heads += [whole, signatures, bare]
            assert slot in await result("getBlocks", slot, slot + 1, {"commitment": "confirmed"})
        answers.genesis = await result("getBlock", await result("getFirstAvailableBlock"), CONFIRMED)
        # the first transactions of a local chain may be in it
        answers.genesis.pop("transactions")
        for method, params in REFUSED:
            answers.refusals.append((method, params, (await ask(method, *params))["error"]["code"]))
    return answers


def shape(value: Any) -> Any:
    """The names and types in an answer; of a list, those that it has."""
    if isinstance(value, dict):
        return {name: shape(member) for name, member in value.items() if name not in NEWER}
    if isinstance(value, list):
        shapes = [shape(member) for member in value]
        return [one for place, one in enumerate(shapes) if one not in shapes[:place]]
    return type(value).__name__


@pytest.mark.skipif(not SCRIPT, reason="MU_TEST_VALIDATOR names no script that starts a test validator")
async def test_the_local_chain_answers_as_a_validator_does(tmp_path: Path):
    chain, validator = LocalChain(START_UNIX_TIME), Validator(tmp_path / "validator")
    async with chain.served():
        local = await answers_of(chain.port, tmp_path)
    await trio.to_thread.run_sync(validator.start)
    try:
        real = await answers_of(PORT, tmp_path)
    finally:
        await trio.to_thread.run_sync(validator.stop)
    assert len(local.transactions) == len(real.transactions) == 3
    for moment in ("preTokenBalances", "postTokenBalances"):
        told = [[one["meta"][moment] for one in answers.transactions] for answers in (local, real)]
        assert told[0] == told[1]
    assert local.refusals == real.refusals
    for mine, theirs in (
        (local.transactions, real.transactions),
        (local.in_blocks, real.in_blocks),
        (local.heads, real.heads),
        (local.genesis, real.genesis),
    ):
        assert shape(mine) == shape(theirs)
