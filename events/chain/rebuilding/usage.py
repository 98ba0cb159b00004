"""Recipes for the events about usage, in the scope of a Region. Pure."""

from collections.abc import Iterator, Mapping

from solders.pubkey import Pubkey

from contract.accounts import Stack, StackStatus, UsageReport
from contract.addresses import usage_report_address
from contract.pricing import cost
from contract.terms import Usage
from events.chain.borsh import DIGEST_BYTES, BorshReader, BorshWriter
from events.chain.rebuilding.balances import balances_after
from events.chain.rebuilding.recipe import Candidates, Recipe, Situation
from events.chain.rebuilding.regions import terms_before
from events.chain.rebuilding.steps import DISCRIMINATOR_BYTES


def _update_usage(at: Situation) -> Candidates:
    signer, _, _, _, _, escrow, vault, stack, *_ = at.accounts
    arguments = at.arguments()
    arguments.u8()
    first, last, digest, usage = (
        arguments.u64(),
        arguments.u64(),
        arguments.fixed(DIGEST_BYTES),
        arguments.usage(),
    )
    account = at.present.get(stack)
    if not isinstance(account, Stack):
        return
    for total, charge, commission in dict.fromkeys(_charges(at, usage, account)):
        # less than the cost is charged only where that was all there was
        balances = [0] if charge < total else balances_after(at, escrow, vault, -charge)
        for balance in balances:
            fields = BorshWriter().address(stack).address(str(account.owner)).address(escrow).address(signer)
            fields.u64(first).u64(last).fixed(digest).usage(usage)
            yield fields.u64(total).u64(charge).u64(commission).u64(total - charge).u64(balance).i64(at.now)


def _charges(at: Situation, usage: Usage, stack: Stack) -> Iterator[tuple[int, int, int]]:
    """Cost, charge and commission: from the report's account, or, when that is closed, by the tokens moved."""
    vault, report, provider_tokens, commission_tokens = (at.accounts[place] for place in (6, 8, 9, 10))
    made = at.present.get(report)
    if isinstance(made, UsageReport):
        yield made.cost, made.charge, made.commission
        return
    paid = [one for one in at.step.transfers if one.source == vault]
    charge = sum(one.amount for one in paid)
    if len(paid) == 2:
        commissions = [paid[1].amount]
    else:
        # nothing is moved for an amount of 0: the one payment is the provider's, or all of it is commission
        commissions = [0] if charge == 0 or paid[0].destination == provider_tokens else []
        commissions += [one.amount for one in paid if one.destination == commission_tokens]
    prices = [terms.at(at.now).prices for terms in terms_before(at)]
    # a deleted stack's last report is charged at the prices of its deletion
    final = [] if stack.status is StackStatus.ACTIVE else [stack.final_prices]
    for total in (charge, *(cost(usage, one) for one in (*prices, *final))):
        if total >= charge:
            for commission in commissions:
                yield total, charge, commission


def _close_usage_report(at: Situation) -> Candidates:
    """Which report it was is told by earlier events, or by what was done with its account."""
    payer, _, _, report = at.accounts
    for one in reversed(at.known.reports):
        address, _ = usage_report_address(
            Pubkey.from_string(one.stack), one.first_position, one.last_position
        )
        if report == str(address):
            yield (
                BorshWriter().address(one.stack).u64(one.first_position).u64(one.last_position).address(payer)
            )
    for call in at.calls_before("update_usage", report, 8):
        arguments = BorshReader(call.data[DISCRIMINATOR_BYTES:])
        arguments.u8()
        fields = BorshWriter().address(call.accounts[7]).u64(arguments.u64()).u64(arguments.u64())
        yield fields.address(payer)


RECIPES: Mapping[str, Recipe] = {
    "update_usage": Recipe(
        event="UsageReported",
        scope=3,
        candidates=_update_usage,
        present=(5, 7, 8),
        past=(5,),
        is_timed=True,
    ),
    "close_usage_report": Recipe(
        event="UsageReportClosed", scope=2, candidates=_close_usage_report, past=(3,)
    ),
}
