"""A stack as it is shown: where it runs, and its services."""

from collections.abc import Iterator
from typing import Any

import msgspec
from solders.pubkey import Pubkey

from cli.cluster import Session
from cli.lookups import NotPossible
from cli.output import printable
from contract.accounts import Region, Stack
from contract.errors import DecodeError
from events.manifest import Function, Gateway, Manifest, Service
from events.manifest_codec import decode


class Deployed(msgspec.Struct, frozen=True):
    """A stack and where it runs; no manifest where it is deleted, or is not one that mu reads."""

    address: Pubkey
    stack: Stack
    region: Region
    manifest: Manifest | None

    @property
    def name(self) -> str:
        if self.manifest is not None:
            return printable(self.manifest.name)
        return "(unreadable)" if self.stack.manifest else "(deleted)"

    @property
    def status(self) -> str:
        return self.stack.status.value.lower()


async def find_deployed(session: Session, address: Pubkey, found: Stack) -> Deployed:
    """Raises `NotPossible` where the region is not there."""
    region = await session.marketplace.account(found.region, Region)
    if region is None:
        raise NotPossible(f"the stack's region {found.region} is not there")
    try:
        manifest = decode(found.manifest) if found.manifest else None
    except DecodeError:
        manifest = None
    return Deployed(address, found, region, manifest)


def stack_document(one: Deployed) -> dict[str, Any]:
    """For JSON."""
    return {
        "stack": one.address,
        "name": None if one.manifest is None else one.manifest.name,
        "version": None if one.manifest is None else one.manifest.version,
        "region": one.stack.region,
        "region_name": one.region.name,
        "revision": one.stack.revision,
        "status": one.status,
    }


def service_lines(one: Deployed) -> Iterator[str]:
    """Each service; below a gateway its routes, with the URLs that they answer at."""
    if one.manifest is None:
        yield "none, as it is deleted" if not one.stack.manifest else "its manifest cannot be read"
        return
    for service in one.manifest.services:
        yield printable(_service_line(service))
        if isinstance(service, Gateway):
            base = f"{one.region.base_url.rstrip('/')}/{one.address}/{service.name}"
            for endpoint in service.endpoints:
                for route in endpoint.routes:
                    yield printable(
                        f"  {route.method.upper()} {base}{endpoint.path} -> {route.service}.{route.function}"
                    )


def _service_line(service: Service) -> str:
    if isinstance(service, Function):
        return f"Function {service.name}, {service.runtime}, {service.memory_limit_mebibytes}MiB, {service.binary}"
    if isinstance(service, Gateway):
        return f"Gateway {service.name}"
    return f"{type(service).__name__} {service.name}{', to be dropped' if service.delete else ''}"
