import pytest

pytest.importorskip("tikv_client")

from events.engine.tikv.errors import MAX_ERROR_TEXT_CHARACTERS, Failure, describe, failure

CONFLICT = (
    'Multiple key errors: [KeyError(KeyError { locked: None, retryable: "", abort: "", conflict: Some('
    "WriteConflict { start_ts: 470696789386985475, conflict_ts: 470696789386985474, key: [107], primary: [], "
    "conflict_commit_ts: 470696789386985476 }), already_exist: None, deadlock: None })]"
)
RETRYABLE = CONFLICT.replace("conflict: Some(", "conflict: None, other: (")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (CONFLICT, Failure.CONFLICT),
        (RETRYABLE, Failure.OTHER),
        ("Failed to resolve lock", Failure.LOCKED),
        ("Leader of region 2 is not found", Failure.STALE),
        (
            'gRPC api error: status: OutOfRange, message: "Error, message length too large: found 6291540 bytes, '
            'the limit is: 4194304 bytes", details: [], metadata: MetadataMap { headers: {} }',
            Failure.RESPONSE_TOO_LARGE,
        ),
        ('gRPC api error: status: Unavailable, message: "error trying to connect"', Failure.OTHER),
        ("Whether the transaction is committed or not is undetermined", Failure.OTHER),
        ("PD cluster failed to respond", Failure.OTHER),
        ("rust future panicked: unknown error", Failure.OTHER),
        ("", Failure.OTHER),
    ],
)
def test_the_text_tells_failures_apart(text, expected):
    assert failure(Exception(text)) is expected


def test_a_long_text_is_cut():
    assert describe(ValueError("short")) == "short"
    assert describe(ValueError()) == "ValueError"
    assert describe(Exception("x" * 10_000)) == "x" * MAX_ERROR_TEXT_CHARACTERS + "…"


def test_the_librarys_source_line_is_left_out():
    text = "[/root/.cargo/git/checkouts/client-rust-5a1c/b12f95e/src/pd/cluster.rs:189]: PD cluster failed to respond"
    assert describe(Exception(text)) == "PD cluster failed to respond"
    assert describe(Exception("key [107]: gone")) == "key [107]: gone"


def test_of_a_grpc_status_the_code_and_the_message_are_shown():
    error = Exception(
        'gRPC api error: status: Unavailable, message: "tcp connect error: refused (os error 111)", '
        "details: [], metadata: MetadataMap { headers: {} }"
    )
    assert describe(error) == "gRPC api error: Unavailable, tcp connect error: refused (os error 111)"
