"""The JSON-RPC methods that read blocks, with the refusals of a node that has no archive behind it."""

from typing import Any, Literal

from mu.config import RpcLimits
from mu.localnet.blocks import Block
from mu.localnet.commitment import Commitment
from mu.localnet.encoding import block_json, block_transaction_json
from mu.localnet.jsonrpc import (
    BLOCK_CLEANED_UP,
    BLOCK_NOT_AVAILABLE,
    INVALID_PARAMS,
    SLOT_SKIPPED,
    RpcError,
)
from mu.localnet.ledger import Ledger
from mu.localnet.methods import ReadMethod
from mu.localnet.params import (
    ContextConfig,
    TransactionConfig,
    check_confirmed,
    check_context,
    config,
    encoding_config,
    unsigned,
)

MAX_RANGE_SLOTS = 500_000
"""Over how many slots `getBlocks` goes, as on a node."""


class BlockConfig(TransactionConfig, frozen=True, rename="camel"):
    """What of a block is wanted, and how; a node does not look at `minContextSlot` here."""

    transaction_details: Literal["full", "signatures", "none"] | None = None
    rewards: bool | None = None


def _block(ledger: Ledger, params: list[Any], limits: RpcLimits) -> dict[str, Any]:
    slot, wanted = unsigned(params[0]), encoding_config(params, 1, BlockConfig)
    check_confirmed(wanted)
    block = _found(ledger, slot, wanted.level)
    shows_rewards = wanted.rewards is not False
    answer = block_json(block)
    if shows_rewards:
        answer["rewards"] = []
    match wanted.transaction_details:
        case "signatures":
            answer["signatures"] = [str(record.signature) for record in block.records]
        case "full" | None:
            encoding, version = wanted.encoding or "json", wanted.max_supported_transaction_version
            answer["transactions"] = [
                block_transaction_json(record, encoding, version, rewards=shows_rewards)
                for record in block.records
            ]
        case "none":
            pass
    return answer


def _found(ledger: Ledger, slot: int, level: Commitment) -> Block:
    block = ledger.blocks.get(slot) if slot <= level.slot(ledger.slot) else None
    if block is not None:
        return block
    # a skipped slot that is not finalized might still get its block
    if slot > Commitment.FINALIZED.slot(ledger.slot):
        raise RpcError(BLOCK_NOT_AVAILABLE, f"Block not available for slot {slot}")
    first = ledger.blocks.first_available
    if slot < first:
        message = f"Block {slot} cleaned up, does not exist on node. First available block: {first}"
        raise RpcError(BLOCK_CLEANED_UP, message)
    message = f"Slot {slot} was skipped, or missing due to ledger jump to recent snapshot"
    raise RpcError(SLOT_SKIPPED, message)


def _blocks(ledger: Ledger, params: list[Any], limits: RpcLimits) -> list[int]:
    """The end of the range may be left out before the configuration."""
    first = unsigned(params[0])
    is_config_second = len(params) == 2 and isinstance(params[1], dict)
    last = None if is_config_second or len(params) < 2 or params[1] is None else unsigned(params[1])
    wanted = config(params, 1 if is_config_second else 2, ContextConfig)
    check_confirmed(wanted)
    newest = check_context(ledger, wanted)
    last = min(newest, first + MAX_RANGE_SLOTS if last is None else last)
    if last - first > MAX_RANGE_SLOTS:
        raise RpcError(INVALID_PARAMS, f"Slot range too large; max {MAX_RANGE_SLOTS}")
    return ledger.blocks.between(first, last)


def _block_time(ledger: Ledger, params: list[Any], limits: RpcLimits) -> int:
    return _found(ledger, unsigned(params[0]), Commitment.PROCESSED).unix_timestamp


def _first_available_block(ledger: Ledger, params: list[Any], limits: RpcLimits) -> int:
    return ledger.blocks.first_available


BLOCK_METHODS: dict[str, ReadMethod] = {
    "getBlock": ReadMethod(_block, 1, 2),
    "getBlockTime": ReadMethod(_block_time, 1, 1),
    "getBlocks": ReadMethod(_blocks, 1, 3),
    "getFirstAvailableBlock": ReadMethod(_first_available_block, 0, 0),
}
