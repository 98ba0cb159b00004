"""The costs that `docs/contract.md` names are those of the committed program, and stay within their goals."""

import pytest

from contract import client
from tests.contract.compute_units import COMMAND, DOCUMENT, Cost, measure, with_table

MAX_PROGRAM_BYTES = 120_000
MAX_COMPUTE_UNITS = {"update_usage": 16_000, "deploy_stack": 8_000}
"""Each must stay under these."""


@pytest.fixture(scope="module")
def costs() -> dict[str, Cost]:
    return measure()


def test_the_documents_table_is_true(costs: dict[str, Cost]) -> None:
    document = DOCUMENT.read_text("utf-8")
    assert with_table(document, costs) == document, f"{DOCUMENT.name}: its table is old; run {COMMAND}"


def test_goals(costs: dict[str, Cost]) -> None:
    assert costs["update_usage"].transfers == 2
    for name, most in MAX_COMPUTE_UNITS.items():
        assert costs[name].compute_units < most
    assert len(client.program_bytes()) < MAX_PROGRAM_BYTES


def test_tokens_are_moved_where_the_document_says(costs: dict[str, Cost]) -> None:
    once = {"create_provider", "close_provider", "deposit_escrow", "claim_withdrawal"}
    assert {name for name, cost in costs.items() if cost.transfers == 1} == once
    assert {name for name, cost in costs.items() if cost.transfers > 1} == {"update_usage"}
