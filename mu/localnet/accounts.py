"""Account versions by slot, so that reads at confirmed and finalized see the past."""

from collections.abc import Iterable, Iterator

from solders.account import Account
from solders.pubkey import Pubkey


class AccountVersions:
    """Every account that a transaction has written, at each slot that is not finalized, and by owner."""

    def __init__(self) -> None:
        self._versions: dict[Pubkey, list[tuple[int, Account | None]]] = {}
        self._by_owner: dict[Pubkey, dict[Pubkey, None]] = {}

    def record(self, address: Pubkey, slot: int, account: Account | None) -> None:
        """Set the state of `address` from `slot` on; None when it is gone. Slots must not go back."""
        versions = self._versions.setdefault(address, [])
        if versions and versions[-1][0] == slot:
            versions[-1] = (slot, account)
        else:
            versions.append((slot, account))
        if account is not None:
            self._by_owner.setdefault(account.owner, {})[address] = None

    def knows(self, address: Pubkey) -> bool:
        """Whether any version is held."""
        return address in self._versions

    def at(self, address: Pubkey, slot: int) -> Account | None:
        """The state at the end of `slot`."""
        for version_slot, account in reversed(self._versions.get(address, ())):
            if version_slot <= slot:
                return account
        return None

    def owned_by(self, owner: Pubkey, slot: int) -> Iterator[tuple[Pubkey, Account]]:
        """The accounts that belong to `owner` at the end of `slot`, oldest first."""
        for address in self._by_owner.get(owner, ()):
            account = self.at(address, slot)
            if account is not None and account.owner == owner:
                yield address, account

    def forget_before(self, slot: int, addresses: Iterable[Pubkey]) -> None:
        """Drop the versions of `addresses` that no read at `slot` or later can see."""
        for address in addresses:
            versions = self._versions.get(address)
            if versions is None:
                continue
            visible = max((index for index, (at, _) in enumerate(versions) if at <= slot), default=0)
            dropped = versions[:visible]
            del versions[:visible]
            owners = {account.owner for _, account in versions if account is not None}
            for _, account in dropped:
                if account is not None and account.owner not in owners:
                    self._by_owner.get(account.owner, {}).pop(address, None)
            if len(versions) == 1 and versions[0][1] is None:
                del self._versions[address]
