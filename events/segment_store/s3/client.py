"""The parts of `aioboto3` that the store uses, with the types that the library lacks; a process shares its clients."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any, Protocol, cast

import aioboto3  # pyright: ignore[reportMissingTypeStubs] — untyped
import msgspec
from botocore.config import Config  # pyright: ignore[reportMissingTypeStubs] — untyped
from botocore.handlers import (  # pyright: ignore[reportMissingTypeStubs] — untyped
    add_expect_header,  # pyright: ignore[reportUnknownVariableType] — untyped
)

from events.asyncio_thread import AsyncioThread
from events.segment_store.s3.errors import is_about_credentials
from events.segment_store.s3.location import ENDPOINT_REGION

MEBIBYTE = 1024 * 1024


class S3Limits(msgspec.Struct, frozen=True, kw_only=True):
    """How long an answer may take, and how much is sent at once."""

    connect_seconds: float = 5.0
    read_seconds: float = 20.0
    """For the first bytes of an answer, and between any two."""
    request_seconds: float = 60.0
    """For a request with all its attempts; `part_bytes` take it at about 1 Mbit/s."""
    max_attempts: int = 3
    part_bytes: int = 8 * MEBIBYTE
    """S3 takes no less than 5 MiB for any but the last part."""
    max_parts: int = 10_000
    """What S3 takes."""


class Body(AbstractAsyncContextManager[object], Protocol):
    """An answer's bytes; left before their end, its connection is closed."""

    async def read(self, amt: int) -> bytes:
        """Up to so many; none at the end."""
        ...


Operation = Callable[..., Awaitable[dict[str, Any]]]
"""Takes and gives what boto3's reference says. `events.segment_store.s3.errors` tells apart what it raises."""


class S3Client(Protocol):
    """S3's operations."""

    meta: Any
    put_object: Operation
    create_multipart_upload: Operation
    upload_part: Operation
    complete_multipart_upload: Operation
    abort_multipart_upload: Operation
    head_object: Operation
    get_object: Operation


thread = AsyncioThread("aioboto3")
"""Drives all clients of the process."""


def _new_client(
    endpoint: str | None, region: str | None, limits: S3Limits
) -> AbstractAsyncContextManager[S3Client]:
    """A client with the credentials that boto3's chain finds now: environment, profile, instance."""
    config = Config(
        connect_timeout=limits.connect_seconds,
        read_timeout=limits.read_seconds,
        retries={"mode": "standard", "total_max_attempts": limits.max_attempts},
        # A location says all; a machine's settings must not lead to another service.
        ignore_configured_endpoint_urls=True,
        s3={"addressing_style": "path" if endpoint else "auto"},
        # Many services do not know the checksums that AWS has added; a segment has its own.
        request_checksum_calculation="when_required",
        response_checksum_validation="when_required",
    )
    client = aioboto3.Session().client(  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType] — untyped
        "s3",
        endpoint_url=endpoint,
        region_name=region or (ENDPOINT_REGION if endpoint else None),
        config=config,
    )
    return cast(AbstractAsyncContextManager[S3Client], client)


class _Shared:
    """A client that stays until the process ends, or until it was dropped and nobody uses it."""

    def __init__(self, endpoint: str | None, region: str | None, limits: S3Limits) -> None:
        self.users = 0
        self.unneeded = asyncio.Event()
        self.opened: asyncio.Future[S3Client] = asyncio.get_running_loop().create_future()
        # In a task of its own: the end of the process cancels it, which closes the connections.
        self._task = asyncio.create_task(self._hold(endpoint, region, limits))

    async def _hold(self, endpoint: str | None, region: str | None, limits: S3Limits) -> None:
        try:
            async with _new_client(endpoint, region, limits) as client:
                # The library would wait for a service that never says "100 Continue" without its deadline for reading.
                client.meta.events.unregister("before-call.s3", add_expect_header)
                self.opened.set_result(client)
                await self.unneeded.wait()
        except Exception as error:
            # One that fails to close has been given up already.
            if not self.opened.done():
                self.opened.set_exception(error)


_clients: dict[tuple[str | None, str | None, S3Limits], _Shared] = {}


@asynccontextmanager
async def shared_client(
    endpoint: str | None, region: str | None, limits: S3Limits
) -> AsyncGenerator[S3Client]:
    """The process's client of a service. On its thread only.

    After a failure that is about credentials the next use looks for them anew: they may have been changed.
    """
    key = (endpoint, region, limits)
    if key not in _clients:
        _clients[key] = _Shared(*key)
    shared = _clients[key]
    shared.users += 1
    try:
        # Whoever stops waiting must not cancel it for the others.
        yield await asyncio.shield(shared.opened)
    except Exception as error:
        failed = shared.opened.done() and shared.opened.exception() is not None
        if (failed or is_about_credentials(error)) and _clients.get(key) is shared:
            del _clients[key]
        raise
    finally:
        shared.users -= 1
        if not shared.users and _clients.get(key) is not shared:
            shared.unneeded.set()
