"""The accounts and bumps of an instruction that follow from the others."""

from collections.abc import Callable
from typing import Any

from solders.pubkey import Pubkey

from contract import addresses as derive
from contract.addresses import PROGRAM_ID
from tests.contract.idl_values import IDL, snake

PROGRAMS = {"system_program", "token_program"}
INSTRUCTIONS = {
    snake(instruction["name"]): (
        [snake(account["name"]) for account in instruction["accounts"]],
        [snake(argument["name"]) for argument in instruction["args"]],
    )
    for instruction in IDL["instructions"]
}
"""The accounts and the arguments of each."""
CREATED = {
    "initialize": "state",
    "create_provider_authorizer": "authorizer",
    "create_provider": "provider",
    "create_region": "region",
    "create_escrow": "escrow",
    "deploy_stack": "stack",
    "create_usage_signer": "usage_signer",
    "create_request_signer": "request_signer",
    "update_usage": "usage_report",
}
"""The account whose bump is an argument."""


def usage_report(stack: Pubkey, first_position: int, last_position: int) -> tuple[Pubkey, int]:
    """The address of a report with any positions, valid or not."""
    positions = (position.to_bytes(8, "little") for position in (first_position, last_position))
    return Pubkey.find_program_address([b"usage_report", bytes(stack), *positions], PROGRAM_ID)


DERIVED: dict[str, Callable[[dict[str, Any]], tuple[Pubkey, int]]] = {
    "state": lambda known: derive.state_address(),
    "authorizer": lambda known: derive.authorizer_address(known["authority"]),
    "provider": lambda known: derive.provider_address(known["owner"]),
    "region": lambda known: derive.region_address(known["provider"], known["number"]),
    "escrow": lambda known: derive.escrow_address(known["provider"], known.get("client") or known["owner"]),
    "stack": lambda known: derive.stack_address(known["region"], known["owner"], known["seed"]),
    "usage_signer": lambda known: derive.usage_signer_address(known["region"]),
    "request_signer": lambda known: derive.request_signer_address(
        known["region"], known["client"], known["signer"]
    ),
    "usage_report": lambda known: usage_report(
        known["stack"], known["first_position"], known["last_position"]
    ),
    "vault": lambda known: derive.vault_address(known.get("escrow") or known["provider"]),
}


def complete(name: str, known: dict[str, Any]) -> tuple[dict[str, Pubkey], dict[str, Any]]:
    """The addresses of an instruction by name, signer first, and its arguments; `known` has what is chosen."""
    accounts, arguments = INSTRUCTIONS[name]
    known = dict(known)
    addresses: dict[str, Pubkey] = {}
    for account in accounts:
        if account in PROGRAMS:
            continue
        if account not in known:
            known[account], _ = DERIVED[account](known)
        addresses[account] = known[account]
    if name in CREATED:
        known["bump"] = DERIVED[CREATED[name]](known)[1]
        known["vault_bump"] = derive.vault_address(addresses[CREATED[name]])[1]
    return addresses, {argument: known[argument] for argument in arguments}
