"""Rebuilds the Marketplace's accounts from its events alone: what an auditor compares with the chain. Pure."""

from solders.pubkey import Pubkey

from contract.accounts import Account, Scope
from contract.errors import InvalidInput
from contract.program_event import ProgramEvent
from contract.rebuild import parties, regions
from contract.rebuild.step import EventMisfit, Step

__all__ = ["EventMisfit", "Rebuilt"]

_CHANGES = {**parties.CHANGES, **regions.CHANGES}
_FIRST = (1, bytes(32))


class Rebuilt:
    """The accounts after the events so far, each equal to what `decode_account` gives for the one on chain.

    `apply` takes the events of all scopes, in the order in which the chain has executed them.
    """

    def __init__(self) -> None:
        self.accounts: dict[Pubkey, Account] = {}

    def apply(self, event: ProgramEvent) -> None:
        """Change the accounts as the event says. Raises `EventMisfit`, and changes nothing then."""
        before = self.accounts.get(event.scope)
        place = (before.sequence + 1, before.event_hash) if isinstance(before, Scope) else _FIRST
        if (event.sequence, event.previous_hash) != place:
            raise EventMisfit(event, f"the scope's next event is number {place[0]}, after {place[1].hex()}")
        if event.name not in _CHANGES:
            raise EventMisfit(event, "the Marketplace has no such event")
        step = Step(self.accounts, event)
        try:
            _CHANGES[event.name](step)
        except InvalidInput as error:
            raise EventMisfit(event, str(error)) from error
        step.number_scope()
        for address, account in step.changes.items():
            if account is None:
                del self.accounts[address]
            else:
                self.accounts[address] = account
