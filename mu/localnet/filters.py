"""The filters of `getProgramAccounts` and `programSubscribe`."""

import base64
import binascii
from collections.abc import Callable

from solders.account import Account

from contract.errors import DecodeError
from mu.config import RpcLimits
from mu.localnet import base58
from mu.localnet.jsonrpc import INVALID_PARAMS, RpcError
from mu.localnet.params import Filter, Memcmp

AccountFilter = Callable[[Account], bool]


def account_filter(filters: list[Filter] | None, limits: RpcLimits) -> AccountFilter:
    """A test that an account passes when all `filters` match. Raises RpcError."""
    filters = filters or []
    if len(filters) > limits.max_filters:
        raise RpcError(INVALID_PARAMS, f"Too many filters provided; max {limits.max_filters}")
    tests = [_test(one, limits) for one in filters]
    return lambda account: all(test(account) for test in tests)


def _test(one: Filter, limits: RpcLimits) -> AccountFilter:
    if (one.data_size is None) == (one.memcmp is None):
        raise RpcError(INVALID_PARAMS, "Invalid params: a filter is either dataSize or memcmp.")
    if one.memcmp is None:
        return lambda account: len(account.data) == one.data_size
    wanted, offset = _bytes(one.memcmp, limits), one.memcmp.offset
    return lambda account: account.data[offset : offset + len(wanted)] == wanted


def _bytes(memcmp: Memcmp, limits: RpcLimits) -> bytes:
    try:
        if memcmp.encoding == "base64":
            data = base64.b64decode(memcmp.bytes, validate=True)
        else:
            data = base58.decode(memcmp.bytes, max_bytes=2 * limits.max_memcmp_bytes)
    except (binascii.Error, ValueError, DecodeError) as error:
        raise RpcError(INVALID_PARAMS, f"Invalid param: {error}") from error
    if len(data) > limits.max_memcmp_bytes:
        raise RpcError(INVALID_PARAMS, "Invalid param: DataTooLarge")
    return data
