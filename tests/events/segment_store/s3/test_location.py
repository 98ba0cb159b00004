import pytest
from hypothesis import given
from hypothesis import strategies as st

from contract.errors import InvalidInput
from events.segment_store import open_store
from events.segment_store.s3.location import MAX_PREFIX_BYTES, S3Location, parse_location

_ENDPOINT_TEXT = "http://127.0.0.1:9000"
_part = st.text(st.characters(exclude_categories=["C", "Z"], exclude_characters="/"), min_size=1, max_size=9)
_locations = st.builds(
    S3Location,
    bucket=st.from_regex(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]", fullmatch=True),
    prefix=st.lists(_part.filter(lambda part: part not in (".", "..") and part.isprintable())).map("/".join),
    endpoint=st.sampled_from([None, _ENDPOINT_TEXT, "https://s3.example.com/sub/path", "http://[::1]:9000"]),
    region=st.sampled_from([None, "eu-central-1", "auto"]),
)


@given(_locations)
def test_a_location_is_read_as_it_was_written(location: S3Location):
    assert parse_location(str(location), "--to") == location


@pytest.mark.parametrize(
    ("text", "location"),
    [
        ("s3://bucket", S3Location(bucket="bucket")),
        ("S3://bucket/", S3Location(bucket="bucket")),
        ("s3://bucket/a/b/", S3Location(bucket="bucket", prefix="a/b")),
        ("s3://bucket/a%20b%3F%23%25+c", S3Location(bucket="bucket", prefix="a b?#%+c")),
        (
            "s3://my.bucket-1?endpoint=http://127.0.0.1:9000/&region=r-1",
            S3Location(bucket="my.bucket-1", endpoint=_ENDPOINT_TEXT, region="r-1"),
        ),
    ],
)
def test_what_people_write(text: str, location: S3Location):
    assert parse_location(text, "--to") == location
    assert open_store(text, "--to").location == str(location)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("s3://", "no name of a bucket"),
        ("s3:///key", "no name of a bucket"),
        ("s3://Bucket", "no name of a bucket"),
        ("s3://ab", "no name of a bucket"),
        ("s3://bucket:9000/x", "no name of a bucket"),
        ("s3://bucket/a//b", "prefix"),
        ("s3://bucket/../b", "prefix"),
        ("s3://bucket/a/.", "prefix"),
        ("s3://bucket/a%00", "prefix"),
        (f"s3://bucket/{'a' * (MAX_PREFIX_BYTES + 1)}", "prefix"),
        ("s3://bucket/%ff", "syntax"),
        ("s3://[bucket", "syntax"),
        ("s3://bucket?endpoint", "syntax"),
        ("s3://bucket/a#b", "%23"),
        ("s3://bucket/a\n", "printable"),
        ("s3://bucket/" + "%41" * 2000, "4096"),
        ("s3://bucket?region=", "eu-central-1"),
        ("s3://bucket?region=a b", "eu-central-1"),
        ("s3://bucket?endpoint=", "endpoint such as"),
        ("s3://bucket?endpoint=127.0.0.1:9000", "endpoint such as"),
        ("s3://bucket?endpoint=ftp://host", "endpoint such as"),
        ("s3://bucket?endpoint=http://", "endpoint such as"),
        ("s3://bucket?endpoint=http://host:port", "endpoint such as"),
        ("s3://bucket?endpoint=http://host:99999", "endpoint such as"),
        ("s3://bucket?endpoint=http://host?x=1", "endpoint such as"),
        ("s3://bucket?region=a&region=b", "once"),
        ("s3://bucket?profile=a", "nothing else"),
        ("gs://bucket/x", "s3://BUCKET/PREFIX"),
        ("file:///x", "s3://BUCKET/PREFIX"),
    ],
)
def test_what_is_no_location(text: str, problem: str):
    with pytest.raises(InvalidInput, match=r"^--to: ") as raised:
        open_store(text, "--to")
    assert problem in raised.value.problem


@pytest.mark.parametrize(
    "text",
    [
        "s3://AKIA:hidden@bucket/x",
        "s3://bucket?endpoint=http://AKIA:hidden@host:9000",
        "s3://bucket?access_key=AKIA&secret=hidden",
    ],
)
def test_credentials_have_no_place_in_a_location_and_are_not_repeated(text: str):
    with pytest.raises(InvalidInput) as raised:
        open_store(text, "--to")
    assert "hidden" not in str(raised.value)
    assert "AKIA" not in str(raised.value)


@given(
    st.text() | st.text().map("s3://bucket".__add__) | st.text().map("s3://bucket?endpoint=http://".__add__)
)
def test_any_text_is_a_location_or_bad_input(text: str):
    try:
        location = parse_location(text, "--to")
    except InvalidInput:
        return
    assert parse_location(str(location), "--to") == location
