"""Recipes for the events in the scope of a Region but those about usage. Pure."""

from collections.abc import Mapping

from contract.accounts import Region, RequestSigner, Stack, State, UsageSigner
from contract.terms import NO_TERMS
from events.chain.borsh import BorshReader, BorshWriter
from events.chain.rebuilding.known import RegionTerms
from events.chain.rebuilding.recipe import Candidates, Recipe, Situation
from events.chain.rebuilding.steps import DISCRIMINATOR_BYTES

MAX_REVISIONS_BACK = 16


def terms_before(at: Situation) -> list[RegionTerms]:
    """What the region's terms may have been when the instruction came."""
    if at.known.terms is not None:
        return [at.known.terms]
    region = at.account
    return (
        [RegionTerms(region.terms, region.next_from, region.next_terms)] if isinstance(region, Region) else []
    )


def _create_region(at: Situation) -> Candidates:
    arguments = at.arguments()
    arguments.u8()
    number, name, base_url, terms = arguments.u32(), arguments.bytes(), arguments.bytes(), arguments.terms()
    yield BorshWriter().address(at.accounts[2]).u32(number).bytes(name).bytes(base_url).terms(terms)


def _update_region(at: Situation) -> Candidates:
    arguments = at.arguments()
    base_url, terms = arguments.bytes(), arguments.terms()
    for before in terms_before(at):
        present = before.at(at.now)
        if terms == present:
            next_from, next_terms = 0, NO_TERMS
        elif terms == before.next_terms and before.next_from > at.now:
            # announced before: they keep their time
            next_from, next_terms = before.next_from, terms
        else:
            next_from, next_terms = at.now + present.notice_seconds, terms
        yield BorshWriter().bytes(base_url).terms(present).i64(next_from).terms(next_terms)


def _close_region(at: Situation) -> Candidates:
    if isinstance(at.account, Region):
        yield BorshWriter().address(at.accounts[1]).u32(at.account.number)


def _deploy_stack(at: Situation) -> Candidates:
    owner, _, _, escrow, stack, _ = at.accounts
    arguments = at.arguments()
    arguments.u8()
    seed, manifest = arguments.u64(), arguments.bytes()
    for terms in terms_before(at):
        fields = BorshWriter().address(stack).address(owner).address(escrow)
        yield fields.u64(terms.at(at.now).minimum_escrow).u64(seed).u32(1).bytes(manifest)


def _update_stack(at: Situation) -> Candidates:
    owner, _, _, escrow, stack, _ = at.accounts
    manifest = at.arguments().bytes()
    for terms in terms_before(at):
        minimum = terms.at(at.now).minimum_escrow
        for revision in _revisions(at, stack, updated=True):
            fields = BorshWriter().address(stack).address(owner).address(escrow)
            yield fields.u64(minimum).u32(revision).bytes(manifest)


def _delete_stack(at: Situation) -> Candidates:
    owner, state, _, escrow, stack = at.accounts
    yield from _deleted(at, owner, state, escrow, stack)


def _evict_stack(at: Situation) -> Candidates:
    _, _, state, _, escrow, stack, owner = at.accounts
    yield from _deleted(at, owner, state, escrow, stack)


def _deleted(at: Situation, owner: str, state: str, escrow: str, stack: str) -> Candidates:
    marketplace = at.present.get(state)
    # a withdrawal that was asked for waits out a full notice from now, which never ends before the one it had
    withdrawals = [0] if not isinstance(marketplace, State) else [0, at.now + marketplace.notice_seconds]
    for revision in _revisions(at, stack):
        for withdrawal_from in withdrawals:
            fields = BorshWriter().address(stack).address(owner).address(escrow)
            yield fields.i64(withdrawal_from).u32(revision).i64(at.now)


def _revisions(at: Situation, stack: str, *, updated: bool = False) -> list[int]:
    """What a stack's revision may have been, after the instruction."""
    if stack in at.known.revisions:
        return [at.known.revisions[stack] + updated]
    account = at.present.get(stack)
    last = account.revision if isinstance(account, Stack) else 0
    return list(range(last, max(0, last - MAX_REVISIONS_BACK), -1))


def _create_usage_signer(at: Situation) -> Candidates:
    arguments = at.arguments()
    arguments.u8()
    signer, valid_to = arguments.address(), arguments.i64()
    yield BorshWriter().address(signer).i64(at.now).i64(valid_to)


def _revoke_usage_signer(at: Situation) -> Candidates:
    """Whose account it was is told by earlier events, by what was done with it, or by one that is there again."""
    address = at.accounts[3]
    signers = [at.known.usage_signer] if at.known.usage_signer is not None else []
    account = at.present.get(address)
    if isinstance(account, UsageSigner):
        signers.append(str(account.signer))
    for call in at.calls_before("create_usage_signer", address, 3):
        arguments = BorshReader(call.data[DISCRIMINATOR_BYTES:])
        arguments.u8()
        signers.append(arguments.address())
    signers += [call.accounts[0] for call in at.calls_before("update_usage", address, 4)]
    for signer in dict.fromkeys(signers):
        yield BorshWriter().address(signer).i64(at.now)


def _create_request_signer(at: Situation) -> Candidates:
    arguments = at.arguments()
    arguments.u8()
    yield BorshWriter().address(at.accounts[0]).address(arguments.address())


def _switch_request_signer(at: Situation) -> Candidates:
    account = at.present.get(at.accounts[2])
    if isinstance(account, RequestSigner):
        yield BorshWriter().address(at.accounts[0]).address(str(account.signer))


RECIPES: Mapping[str, Recipe] = {
    "create_region": Recipe(event="RegionCreated", scope=3, candidates=_create_region),
    "update_region": Recipe(event="RegionUpdated", scope=3, candidates=_update_region, is_timed=True),
    "close_region": Recipe(event="RegionClosed", scope=2, candidates=_close_region),
    "deploy_stack": Recipe(event="StackDeployed", scope=2, candidates=_deploy_stack, is_timed=True),
    "update_stack": Recipe(
        event="StackUpdated", scope=2, candidates=_update_stack, present=(4,), is_timed=True
    ),
    "delete_stack": Recipe(
        event="StackDeleted", scope=2, candidates=_delete_stack, present=(1, 4), is_timed=True
    ),
    "evict_stack": Recipe(
        event="StackDeleted", scope=3, candidates=_evict_stack, present=(2, 5), is_timed=True
    ),
    "create_usage_signer": Recipe(
        event="UsageSignerCreated", scope=2, candidates=_create_usage_signer, is_timed=True
    ),
    "revoke_usage_signer": Recipe(
        event="UsageSignerRevoked",
        scope=2,
        candidates=_revoke_usage_signer,
        present=(3,),
        past=(3,),
        is_timed=True,
    ),
    "create_request_signer": Recipe(event="RequestSignerCreated", scope=1, candidates=_create_request_signer),
    "activate_request_signer": Recipe(
        event="RequestSignerActivated", scope=1, candidates=_switch_request_signer, present=(2,)
    ),
    "deactivate_request_signer": Recipe(
        event="RequestSignerDeactivated", scope=1, candidates=_switch_request_signer, present=(2,)
    ),
}
