"""The Marketplace's clock is the ledger's, and what it wrote with it is the same after a replay."""

from pathlib import Path
from typing import TypeVar

from solders.account import Account
from solders.instruction import Instruction
from solders.pubkey import Pubkey

from contract import client as program
from contract.addresses import (
    PROGRAM_ID,
    TOKEN_PROGRAM_ID,
    provider_address,
    region_address,
    stack_address,
    usage_report_address,
    usage_signer_address,
)
from contract.client import Stack, UsageReport, UsageSigner, decode_account
from contract.program_errors import NoticeNotOver
from contract.terms import Usage
from events.engine.lmdb import LmdbEngine
from events.engine.memory import MemoryEngine
from mu.local_marketplace import NOTICE_SECONDS
from mu.localnet.commitment import Commitment
from mu.localnet.encoding import transaction_json
from mu.localnet.ledger import Ledger
from tests.mu.localnet.marketplace import GENESIS_TIME, KEYS, open_ledger, send, set_up, signed

PROCESSED = Commitment.PROCESSED
OWNER, DEVELOPER, NODE = (key.pubkey() for key in (KEYS.provider, KEYS.developer, KEYS.node))
PROVIDER = provider_address(OWNER)[0]
REGION = region_address(PROVIDER, 1)[0]
STACK = stack_address(REGION, DEVELOPER, 0)[0]
REPORT = usage_report_address(STACK, 1, 7)[0]
DEPLOY = program.deploy_stack(DEVELOPER, PROVIDER, REGION, 0, b"manifest")
DELETE = program.delete_stack(DEVELOPER, PROVIDER, REGION, STACK)
CLOSE = program.close_usage_report(NODE, REGION, REPORT)

Kind = TypeVar("Kind", bound=program.Account)


def report_usage() -> Instruction:
    return program.update_usage(
        NODE,
        provider=PROVIDER,
        region=REGION,
        owner=DEVELOPER,
        stack=STACK,
        first_position=1,
        last_position=7,
        digest=bytes(32),
        usage=Usage(gateway_requests=3_000_000),
        provider_tokens=KEYS.tokens_of(KEYS.provider),
        commission_tokens=KEYS.tokens_of(KEYS.admin),
    )


def account(ledger: Ledger, address: Pubkey, kind: type[Kind]) -> Kind:
    found = ledger.account(address, PROCESSED)
    assert found is not None
    decoded = decode_account(bytes(found.data))
    assert isinstance(decoded, kind)
    return decoded


def everything(ledger: Ledger) -> tuple[dict[int, object], dict[Pubkey, Account]]:
    """What every transaction came to, its events among the logs, and every account of money or the program."""
    told: dict[int, object] = {}
    for payer in (ledger.faucet, KEYS.admin, KEYS.provider, KEYS.developer, KEYS.node):
        for one in ledger.transactions_of(
            payer.pubkey(), PROCESSED, before=None, until=None, limit=ledger.transaction_count
        ):
            told[one.index] = transaction_json(one, "base64", 0)
    assert len(told) == ledger.transaction_count
    accounts = {
        address: account
        for program_id in (PROGRAM_ID, TOKEN_PROGRAM_ID)
        for address, account in ledger.program_accounts(program_id, PROCESSED)
    }
    return told, accounts


def test_the_programs_times_are_the_ledgers() -> None:
    ledger = open_ledger(MemoryEngine())
    set_up(ledger, slot_seconds=5)
    signer = account(ledger, usage_signer_address(REGION)[0], UsageSigner)
    assert signer.valid_from == GENESIS_TIME + 2 * 5
    send(ledger, [DEPLOY], KEYS.developer)
    ledger.advance_slot(GENESIS_TIME + 1000)
    ledger.advance_slot(GENESIS_TIME + 400)  # a clock that goes back stands still
    send(ledger, [report_usage()], KEYS.node)
    assert account(ledger, REPORT, UsageReport).reported_at == GENESIS_TIME + 1000
    send(ledger, [DELETE], KEYS.developer)
    assert account(ledger, STACK, Stack).deleted_at == GENESIS_TIME + 1000


def test_a_notice_is_over_when_the_ledger_says_so_also_after_a_restart() -> None:
    engine = MemoryEngine()
    ledger = open_ledger(engine)
    set_up(ledger)
    send(ledger, [DEPLOY], KEYS.developer)
    reported = send(ledger, [report_usage()], KEYS.node).unix_timestamp
    for before_the_end in (NOTICE_SECONDS, 1):
        ledger = open_ledger(engine, now=reported + NOTICE_SECONDS - before_the_end)
        record = ledger.transact(signed(ledger, [CLOSE], KEYS.node))
        assert record.outcome.error == {"InstructionError": [0, {"Custom": NoticeNotOver.code}]}
    ledger = open_ledger(engine, now=reported + NOTICE_SECONDS)
    send(ledger, [CLOSE], KEYS.node)
    assert ledger.account(REPORT, PROCESSED) is None


def test_everything_is_the_same_after_replays_at_other_times(tmp_path: Path) -> None:
    engine = LmdbEngine(tmp_path)
    try:
        ledger = open_ledger(engine)
        set_up(ledger, slot_seconds=7)
        send(ledger, [DEPLOY], KEYS.developer)
        send(ledger, [report_usage()], KEYS.node)
        early = ledger.transact(signed(ledger, [CLOSE], KEYS.node))
        assert early.outcome.error is not None
        ledger.advance_slot(GENESIS_TIME + 500)
        send(ledger, [DELETE], KEYS.developer)
        for now in (GENESIS_TIME + 600, GENESIS_TIME - 600, GENESIS_TIME + 2 * NOTICE_SECONDS):
            before = everything(ledger)
            ledger = open_ledger(engine, now=now)
            assert everything(ledger) == before
        # closing the report, refused before, is now another transaction that succeeds; both are replayed
        send(ledger, [CLOSE], KEYS.node)
        before = everything(ledger)
        again = open_ledger(engine, now=GENESIS_TIME)
        assert everything(again) == before
        [*_, charged] = again.transactions_of(REPORT, PROCESSED, before=None, until=None, limit=9)
        pre, post = (
            [one.amount for one in balances]
            for balances in (charged.pre_token_balances, charged.post_token_balances)
        )
        assert pre != post
        assert (len(pre), sum(pre)) == (len(post), sum(post))
    finally:
        engine.close()
