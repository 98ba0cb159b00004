"""Which event an instruction of the program has made, as far as that follows from what is known. Pure.

Every instruction of the program makes one event, in one scope, and has a recipe here, by the kind of the scope. Most of
what is in an event are arguments and accounts of the instruction; the rest follows from

- the chain's clock: times, and which of a region's terms were in force;
- accounts as they are now, and earlier events of the scope: a region's terms, a stack's revision and owner, the
  Marketplace's notice, who a request signer is;
- the transfers that the instruction made: a deposit, a refund, a charge, its commission, and what was claimed;
- what the vault held, earlier and later events that tell the escrow's balance, its account, and what instructions have
  changed it by in between, whatever scope their events are of: balances;
- what was done before with an account that is closed: whose it was.

What nothing of all that tells cannot be rebuilt: the balance after an instruction on an escrow, where between the last
and the next time that it is told a sync has changed it whose log lines are cut away too, and the node tells no token
amounts; a stack's revision that is neither in the last events of the log nor near the present one; and whatever
is in transactions whose inner instructions the node does not keep.
"""

from collections.abc import Mapping

from events.chain.borsh import BorshWriter
from events.chain.reader import Invocation
from events.chain.rebuilding import escrows, marketplace, providers, regions, usage
from events.chain.rebuilding.recipe import Recipe
from events.chain.rebuilding.steps import DISCRIMINATOR_BYTES, discriminator

RECIPES: Mapping[bytes, Recipe] = {
    discriminator("global", instruction): recipe
    for recipes in (
        marketplace.RECIPES,
        providers.RECIPES,
        regions.RECIPES,
        usage.RECIPES,
        escrows.RECIPES,
    )
    for instruction, recipe in recipes.items()
}
"""By the discriminator of the instruction."""


def recipe_for(call: Invocation, scope: str) -> Recipe | None:
    """How an instruction of the program makes an event of this scope; None if it makes none."""
    recipe = RECIPES.get(call.data[:DISCRIMINATOR_BYTES])
    if recipe is None or len(call.accounts) <= recipe.scope or call.accounts[recipe.scope] != scope:
        return None
    return recipe


def event_bytes(
    recipe: Recipe, scope: str, sequence: int, previous_hash: bytes, fields: BorshWriter
) -> bytes:
    """An event as the program logs it: discriminator, scope, sequence, previous hash, fields."""
    header = BorshWriter().fixed(discriminator("event", recipe.event)).address(scope).u64(sequence)
    return bytes(header.fixed(previous_hash).data + fields.data)
