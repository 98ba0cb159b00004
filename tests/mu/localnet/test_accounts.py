"""Account versions against a plain model."""

from hypothesis import given
from hypothesis import strategies as st
from solders.account import Account
from solders.pubkey import Pubkey

from mu.localnet.accounts import AccountVersions

KEYS = [Pubkey(bytes([number]) * 32) for number in range(3)]
OWNERS = [Pubkey(bytes([100 + number]) * 32) for number in range(2)]

states = st.none() | st.builds(
    lambda lamports, owner: Account(lamports, b"", owner), st.integers(1, 9), st.sampled_from(OWNERS)
)


@given(st.lists(st.tuples(st.integers(0, 3), st.sampled_from(KEYS), states), max_size=30), st.integers(0, 60))
def test_reads_at_any_slot_that_is_kept(
    writes: list[tuple[int, Pubkey, Account | None]], horizon: int
) -> None:
    versions = AccountVersions()
    model: list[dict[Pubkey, Account | None]] = [{}]
    slot = 0
    for gap, key, account in writes:
        slot += gap
        model += [dict(model[-1]) for _ in range(gap)]
        versions.record(key, slot, account)
        model[slot][key] = account
    horizon = min(horizon, slot)
    versions.forget_before(horizon, KEYS)
    for at in range(horizon, slot + 1):
        assert {key: versions.at(key, at) for key in KEYS} == {key: model[at].get(key) for key in KEYS}
        for owner in OWNERS:
            wanted = {key: one for key, one in model[at].items() if one is not None and one.owner == owner}
            assert dict(versions.owned_by(owner, at)) == wanted
