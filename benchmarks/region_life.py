"""A region's life, made up: events in an order that can happen, for as long as wanted, the same for the same seed."""

import random
from collections.abc import Iterator
from typing import Any

from solders.pubkey import Pubkey

from events.catalogue import (
    ChainSource,
    Event,
    Finality,
    NodeEvent,
    NodeJoined,
    NodeLeft,
    NodeSource,
    Source,
    StackDeleted,
    StackDeployed,
    StackStarted,
    StackStopped,
    StackUpdated,
)
from events.manifest import Endpoint, Function, Gateway, Manifest, Method, Route, RuntimeName, binary_id
from events.manifest_codec import encode
from events.node import node_hash

STACKS, NODES = 500, 8
MANIFESTS = 20_000
"""More than the projections remember, so that most are decoded."""

DEPLOY_OR_DELETE, UPDATE, JOIN_OR_LEAVE = 0.05, 0.15, 0.003
"""Shares of the events; the others are starts and stops."""

ZEROS = bytes(32)
MINIMUM = 10_000_000


class _Region:
    """What has happened so far, and so what can happen next."""

    def __init__(self, randomness: random.Random) -> None:
        self._random = randomness
        self._manifests = manifests()
        self._scope = str(Pubkey(randomness.randbytes(32)))
        self._owner = str(Pubkey(randomness.randbytes(32)))
        self._escrow = str(Pubkey(randomness.randbytes(32)))
        self._sequence = 0
        self._stacks: list[str] = []
        self._revisions: dict[str, int] = {}
        self._started: dict[str, tuple[str, int]] = {}
        self._generations = [0] * NODES
        self._members: dict[int, str] = {}
        self.generation_of: dict[str, int] = {}

    def next(self) -> Event:
        if not self._members:
            return self._join_or_leave()
        share = self._random.random()
        if not self._stacks or share < DEPLOY_OR_DELETE:
            return self._delete() if len(self._stacks) >= STACKS else self._deploy()
        if share < DEPLOY_OR_DELETE + UPDATE:
            return self._update()
        if share < DEPLOY_OR_DELETE + UPDATE + JOIN_OR_LEAVE:
            return self._join_or_leave()
        return self._start_or_stop()

    def _chain(self) -> dict[str, Any]:
        self._sequence += 1
        parties = {"scope": self._scope, "owner": self._owner, "escrow": self._escrow}
        return {**parties, "sequence": self._sequence, "previous_hash": ZEROS, "event_hash": ZEROS}

    def _deploy(self) -> Event:
        stack = str(Pubkey(self._random.randbytes(32)))
        self._stacks.append(stack)
        self._revisions[stack] = 1
        manifest = self._random.choice(self._manifests)
        fields = self._chain() | {"stack": stack, "seed": self._sequence, "revision": 1, "manifest": manifest}
        return StackDeployed(**fields, minimum=MINIMUM)

    def _update(self) -> Event:
        stack = self._random.choice(self._stacks)
        self._revisions[stack] += 1
        manifest = self._random.choice(self._manifests)
        fields = self._chain() | {"stack": stack, "revision": self._revisions[stack], "manifest": manifest}
        return StackUpdated(**fields, minimum=MINIMUM)

    def _delete(self) -> Event:
        stack = self._stacks.pop(self._random.randrange(len(self._stacks)))
        self._started.pop(stack, None)
        fields = self._chain() | {"stack": stack, "revision": self._revisions.pop(stack)}
        return StackDeleted(**fields, withdrawal_from=0, deleted_at=self._sequence)

    def _join_or_leave(self) -> Event:
        number = self._random.randrange(NODES)
        if node := self._members.pop(number, None):
            self._started = {stack: at for stack, at in self._started.items() if at[0] != node}
            return NodeLeft(node=node, generation=self._generations[number])
        self._generations[number] += 1
        generation, port = self._generations[number], 7000 + number
        node = node_hash("10.0.0.1", port, generation)
        self._members[number], self.generation_of[node] = node, generation
        return NodeJoined(
            node=node,
            address="10.0.0.1",
            port=port,
            generation=generation,
            public_key=f"{number}",
        )

    def _start_or_stop(self) -> Event:
        stack = self._random.choice(self._stacks)
        revision = self._revisions[stack]
        node, started = self._started.get(stack, ("", 0))
        if started == revision:
            del self._started[stack]
            return StackStopped(stack=stack, revision=revision, node=node)
        node = node or self._random.choice(list(self._members.values()))
        self._started[stack] = (node, revision)
        return StackStarted(stack=stack, revision=revision, node=node)


def life(randomness: random.Random) -> Iterator[tuple[Source, Event]]:
    """Events with their sources, without end."""
    region = _Region(randomness)
    signature = "s" * 88
    for slot in range(2**63):
        event = region.next()
        if isinstance(event, NodeEvent):
            yield NodeSource(event.node, region.generation_of[event.node]), event
        else:
            yield ChainSource(slot, signature, 0, Finality.CONFIRMED), event


def manifests() -> list[bytes]:
    """Manifests like the sample's, each with another version."""
    function = Function("greeter_function", binary_id(b"x"), RuntimeName.WASI_1_0, 256)
    route = Route(Method.GET, "greeter_function", "greet_user")
    gateway = Gateway("greeting", (Endpoint("/greet/{name}", (route,)),))
    return [
        encode(Manifest("GreetingApp", f"0.{number}", (function, gateway))) for number in range(MANIFESTS)
    ]
