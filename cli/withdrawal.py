"""The steps of `mu escrow withdraw`: asking, claiming after the notice, taking back."""

from cli.cluster import Session, show_transaction
from cli.commands import next_step, open_own_tokens, outcome
from cli.holdings import TOO_LITTLE, Holding
from cli.lookups import NotPossible
from cli.output import step
from cli.tables import moment, span
from contract import client as program
from contract.errors import InvalidInput
from events.catalogue import WithdrawalClaimed, WithdrawalRequested

EVERYTHING = "all"


async def ask(session: Session, holding: Holding, amount: str, as_json: bool) -> None:
    """Ask for `amount`, a number of whole tokens or `all`. Raises `InvalidInput` and `NotPossible`."""
    before = holding.escrow
    base_units = before.balance if amount == EVERYTHING else await session.base_units(amount, "AMOUNT")
    if before.balance == 0:
        raise NotPossible(f"the escrow with {holding.name} is empty")
    if base_units == 0:
        raise InvalidInput("AMOUNT", "must be more than 0; --cancel takes a withdrawal back")
    if base_units > before.balance:
        held = await session.tokens(before.balance)
        raise NotPossible(f"{amount} is more than the escrow with {holding.name} holds, which is {held}")
    instruction = program.withdraw_escrow(before.client, before.provider, base_units)
    confirmation = await session.marketplace.send([instruction], session.keypair)
    claimable_from = (await outcome(session, confirmation, WithdrawalRequested)).claimable_from
    asked, available = await session.tokens(base_units), await session.tokens(before.balance - base_units)
    show_transaction(
        f"{asked} tokens asked for from escrow {holding.address}",
        confirmation,
        as_json=as_json,
        escrow=holding.address,
        amount=asked,
        claimable_from=claimable_from,
        available_for_stacks=available,
    )
    if as_json:
        return
    if before.withdrawal:
        step("replaced", f"the {await session.tokens(before.withdrawal)} tokens asked for before")
    if any(lock.stack_count for lock in before.locks):
        step(
            "available",
            f"{available} for stacks: what is asked for no longer counts towards the minimum, and live ones "
            f"lock {await session.tokens(before.locked)}",
        )
    if base_units > holding.free:
        step("", f"that is less than is locked: {TOO_LITTLE}")
        step(
            "locked",
            f"live stacks keep {await session.tokens(before.locked)}, so that no more than "
            f"{await session.tokens(holding.free)} would be paid; `mu stack list` shows them",
        )
    next_step(f"`mu escrow withdraw {holding.named} --claim` from {moment(claimable_from)} on", as_json=False)


async def claim(session: Session, holding: Holding, as_json: bool) -> None:
    """Have what was asked for paid to the own token account, opened if need be. Raises `NotPossible`."""
    escrow = holding.escrow
    remaining = escrow.withdrawal_from - await session.marketplace.unix_time()
    if remaining > 0:
        raise NotPossible(
            f"the withdrawal can be claimed from {moment(escrow.withdrawal_from)} on, in {span(remaining)}"
        )
    if holding.claimable == 0:
        raise NotPossible(
            f"live stacks lock all of the {await session.tokens(escrow.balance)} tokens in the escrow: "
            f"delete them first (`mu stack list`)"
            if escrow.balance
            else f"the escrow with {holding.name} is empty"
        )
    own_tokens = await session.own_tokens()
    instructions = await open_own_tokens(session)
    instructions.append(program.claim_withdrawal(escrow.client, escrow.provider, own_tokens))
    confirmation = await session.marketplace.send(instructions, session.keypair)
    claimed = await outcome(session, confirmation, WithdrawalClaimed)
    paid, balance = await session.tokens(claimed.amount), await session.tokens(claimed.balance)
    show_transaction(
        f"{paid} tokens from escrow {holding.address} to {own_tokens}",
        confirmation,
        as_json=as_json,
        escrow=holding.address,
        tokens=own_tokens,
        amount=paid,
        balance=balance,
    )
    if as_json:
        return
    step("balance", balance)
    if claimed.amount < escrow.withdrawal:
        step(
            "left out",
            f"{await session.tokens(escrow.withdrawal - claimed.amount)} of what was asked for was spent or "
            f"is locked; ask for it again once it is free",
        )


async def cancel(session: Session, holding: Holding, as_json: bool) -> None:
    """Take back what was asked for."""
    escrow = holding.escrow
    instruction = program.withdraw_escrow(escrow.client, escrow.provider, 0)
    confirmation = await session.marketplace.send([instruction], session.keypair)
    amount = await session.tokens(escrow.withdrawal)
    show_transaction(
        f"withdrawal of {amount} tokens taken back",
        confirmation,
        as_json=as_json,
        escrow=holding.address,
        amount=amount,
    )
