"""What a usage report charges: the exact cost, whose money moves where, and that each position is charged once."""

import msgspec
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from contract import client, pricing, tokens
from contract.addresses import (
    TOKEN_PROGRAM_ID,
    state_address,
    vault_address,
)
from contract.terms import Prices, Usage
from tests.contract.attacks import Target, with_fields, with_tokens
from tests.contract.world import COMMISSION_MILLIONTHS, PREPAID, USAGE, USAGE_COST

MOST = 2**64 - 1
NUMBERS = st.one_of(
    st.integers(0, MOST),
    st.integers(0, 64).map(lambda bits: min(MOST, 2**bits)),
    st.integers(0, 64).map(lambda bits: 2**bits - 1),
    st.integers(0, 20).map(lambda digits: min(MOST, 10**digits)),
    st.integers(0, 10**6),
)
USAGES = st.builds(Usage, **dict.fromkeys(Usage.__struct_fields__, NUMBERS))
PRICES = st.builds(Prices, **dict.fromkeys(Prices.__struct_fields__, NUMBERS))
ALL_USED = Usage(**dict.fromkeys(Usage.__struct_fields__, MOST))
ALL_DEAR = Prices(**dict.fromkeys(Prices.__struct_fields__, MOST))


def outcome(
    target: Target, usage: Usage, prices: Prices, balance: int, millionths: int
) -> str | client.UsageReport:
    """The report that would be made of a usage, at these prices; or why it would be refused."""
    world, cluster = target.world, target.cluster
    region, escrow, state = world.region, world.escrow, state_address()[0]
    vault = vault_address(escrow)[0]
    terms = msgspec.to_builtins(msgspec.structs.replace(cluster.account(region).terms, prices=prices))
    holding = with_tokens(cluster.svm.get_account(vault).data, amount=balance)
    # Whoever is paid must have room for it.
    earner, commission = target.address("provider_tokens"), target.address("commission_tokens")
    emptied = {key: with_tokens(cluster.svm.get_account(key).data, amount=0) for key in (earner, commission)}
    with (
        target.planted(region, with_fields(cluster.data(region), terms=terms)),
        target.planted(escrow, with_fields(cluster.data(escrow), balance=balance)),
        target.planted(state, with_fields(cluster.data(state), commission_millionths=millionths)),
        target.planted(vault, holding, TOKEN_PROGRAM_ID),
        target.planted(earner, emptied[earner], TOKEN_PROGRAM_ID),
        target.planted(commission, emptied[commission], TOKEN_PROGRAM_ID),
    ):
        instruction, _ = world.update_usage(usage=usage)
        after = target.accepts(instruction)
        if after is None:
            return target.refusal(instruction)
    report = client.decode_account(after[target.address("usage_report")].data)
    assert isinstance(report, client.UsageReport)
    held = {key: tokens.decode_token_account(after[key].data).amount for key in (vault, earner, commission)}
    charged = client.decode_account(after[escrow].data)
    assert isinstance(charged, client.Escrow)
    assert charged.balance == held[vault] == balance - report.charge
    assert held[earner] == report.charge - report.commission
    assert held[commission] == report.commission
    return report


@settings(max_examples=250, deadline=None)
@given(usage=USAGES, prices=PRICES, balance=NUMBERS, millionths=st.integers(0, 10**6))
@example(ALL_USED, ALL_DEAR, MOST, 10**6)
@example(USAGE, Prices(), 0, 0)
@example(Usage(database_byte_seconds=MOST), Prices(database_gigabyte_month=MOST), MOST, 1)
def test_any_usage_at_any_prices(
    unchanged_targets, usage: Usage, prices: Prices, balance: int, millionths: int
) -> None:
    cost = pricing.cost(usage, prices)
    found = outcome(unchanged_targets["update_usage"], usage, prices, balance, millionths)
    if cost > MOST:
        assert found == "CostTooLarge"
        return
    charge = pricing.split_charge(cost, balance, millionths)
    assert isinstance(found, client.UsageReport)
    assert (found.cost, found.charge, found.commission) == (cost, charge.charge, charge.commission)


@settings(max_examples=250, deadline=None)
@given(
    usage=st.builds(Usage, **dict.fromkeys(Usage.__struct_fields__, st.integers(0, 2**50))),
    prices=st.builds(Prices, **dict.fromkeys(Prices.__struct_fields__, st.integers(0, 2**24))),
)
def test_usage_and_prices_of_every_day(unchanged_targets, usage: Usage, prices: Prices) -> None:
    cost = pricing.cost(usage, prices)
    found = outcome(unchanged_targets["update_usage"], usage, prices, MOST, 0)
    assert found == "CostTooLarge" if cost > MOST else found.cost == cost


@pytest.mark.parametrize(("metered", "price", "unit"), pricing.UNITS)
def test_the_greatest_cost_and_one_more(unchanged_targets, metered: str, price: str, unit: int) -> None:
    """At a price of the unit, one used costs one."""
    target = unchanged_targets["update_usage"]
    prices = Prices(**{price: unit})
    found = outcome(target, Usage(**{metered: MOST}), prices, MOST, 0)
    assert found.cost == found.charge == MOST
    beside = "gateway_requests" if metered != "gateway_requests" else "database_reads"
    its_price = "gateway_million_requests" if metered != "gateway_requests" else "database_million_reads"
    one_more = Prices(**{price: unit, its_price: 10**6})
    assert outcome(target, Usage(**{metered: MOST, beside: 1}), one_more, MOST, 0) == "CostTooLarge"
    # Just below one more, all is rounded down together.
    almost = Prices(**{price: unit, its_price: 10**6 - 1})
    assert outcome(target, Usage(**{metered: MOST, beside: 1}), almost, MOST, 0).cost == MOST


def test_fractions_are_summed_before_they_are_rounded(unchanged_targets) -> None:
    target = unchanged_targets["update_usage"]
    halves = Prices(database_million_reads=500_000, gateway_gigabyte=500_000_000)
    assert outcome(target, Usage(database_reads=1), halves, 9, 0).cost == 0
    assert outcome(target, Usage(database_reads=1, gateway_bytes=1), halves, 9, 0).cost == 1


@pytest.mark.parametrize(
    ("millionths", "commission"), [(0, 0), (1, 3), (10**6, USAGE_COST), (999_999, 3_736_996)]
)
def test_commissions(unchanged_targets, millionths: int, commission: int) -> None:
    target = unchanged_targets["update_usage"]
    prices = target.cluster.account(target.world.region).terms.prices
    report = outcome(target, USAGE, prices, PREPAID, millionths)
    assert (report.charge, report.commission) == (USAGE_COST, commission)


@pytest.mark.parametrize("balance", [0, 1, USAGE_COST - 1, USAGE_COST])
def test_a_shortfall(world, balance: int) -> None:
    """The balance is taken, the minimum too, and the event says what was left unpaid."""
    cluster, vault = world.cluster, vault_address(world.escrow)[0]
    cluster.plant(world.escrow, with_fields(cluster.data(world.escrow), balance=balance))
    held, earned = cluster.tokens(vault), cluster.tokens(world.tokens(world.alice))
    event = world.do(*world.update_usage())
    expected = pricing.split_charge(USAGE_COST, balance, COMMISSION_MILLIONTHS)
    fields = ("cost", "charge", "commission", "shortfall", "balance")
    found = tuple(event.fields[field] for field in fields)
    assert found == (
        USAGE_COST,
        expected.charge,
        expected.commission,
        expected.shortfall,
        balance - expected.charge,
    )
    # What is in the vault but not recorded is not charged.
    assert cluster.tokens(vault) == held - expected.charge
    assert cluster.tokens(world.tokens(world.alice)) == earned + expected.charge - expected.commission
