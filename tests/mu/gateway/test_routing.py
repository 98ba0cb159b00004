"""Routing against a naive reference matcher, and its rules one by one."""

from itertools import permutations
from urllib.parse import quote, urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contract.errors import InvalidInput
from events.template import Literal, Template, compile_template
from mu.gateway.routing import (
    BadPath,
    BadQuery,
    Match,
    MethodNotAllowed,
    NotFound,
    Router,
    parse_query,
    split_target,
)

METHODS = ("GET", "HEAD", "POST", "DELETE")


def router(*endpoints: str) -> Router[str]:
    pairs = [endpoint.split(" ") for endpoint in endpoints]
    return Router([(compile_template(path), method, f"{method} {path}") for method, path in pairs])


def reference_match(
    endpoints: list[tuple[Template, str, str]], method: str, segments: list[str]
) -> Match[str] | MethodNotAllowed | NotFound:
    """Every template against the path, then the best by a sort key: slow, and plain to see."""
    found: list[tuple[list[int], int, Template, str]] = []
    allowed: set[str] = set()
    for template, declared, target in endpoints:
        if len(template.segments) != len(segments):
            continue
        pairs = list(zip(template.segments, segments, strict=True))
        if not all(own.text == value if isinstance(own, Literal) else value for own, value in pairs):
            continue
        allowed |= {declared, "HEAD"} if declared == "GET" else {declared}
        if declared == method or (method == "HEAD" and declared == "GET"):
            specificity = [0 if isinstance(own, Literal) else 1 for own in template.segments]
            found.append((specificity, int(declared != method), template, target))
    if found:
        _, _, template, target = min(found, key=lambda one: one[:2])
        values = zip(template.segments, segments, strict=True)
        return Match(target, {own.name: value for own, value in values if not isinstance(own, Literal)})
    return MethodNotAllowed(tuple(sorted(allowed))) if allowed else NotFound()


words = st.sampled_from(["a", "b", "c"])
template_texts = st.lists(st.one_of(words, st.just("{}")), max_size=4).map(
    lambda parts: "/" + "/".join(f"{{p{i}}}" if part == "{}" else part for i, part in enumerate(parts))
)
path_segments = st.lists(st.one_of(words, st.text(max_size=3)), min_size=1, max_size=5).filter(
    lambda segments: not {".", ".."} & set(segments)
)


@given(
    st.lists(st.tuples(template_texts, st.sampled_from(METHODS)), unique=True, max_size=20),
    st.sampled_from(METHODS),
    path_segments,
)
def test_matches_what_the_reference_matches(
    declared: list[tuple[str, str]], method: str, segments: list[str]
) -> None:
    endpoints = [(compile_template(text), verb, f"{verb} {text}") for text, verb in declared]
    path = "/" + "/".join(quote(segment, safe="") for segment in segments)
    expected = reference_match(endpoints, method, segments)
    assert Router(endpoints).match(method, path) == expected
    assert Router(reversed(endpoints)).match(method, path) == expected


@given(st.text())
def test_any_path_is_answered_or_refused_with_a_typed_error(path: str) -> None:
    try:
        result = router("GET /{a}", "GET /{a}/{b}", "GET /").match("GET", path)
    except BadPath:
        return
    assert isinstance(result, Match | NotFound)


def test_the_most_specific_template_wins_in_any_order_of_declaration() -> None:
    declared = ["GET /a/{x}/c", "GET /a/b/{y}", "GET /{z}/b/c", "GET /a/b/d"]
    for order in permutations(declared):
        routes = router(*order)
        assert routes.match("GET", "/a/b/c") == Match("GET /a/b/{y}", {"y": "c"})
        assert routes.match("GET", "/a/b/d") == Match("GET /a/b/d", {})
        assert routes.match("GET", "/a/q/c") == Match("GET /a/{x}/c", {"x": "q"})
        assert routes.match("GET", "/q/b/c") == Match("GET /{z}/b/c", {"z": "q"})
        assert routes.match("GET", "/a/q/d") == NotFound()


def test_a_dead_end_after_a_literal_goes_back_to_the_parameter() -> None:
    assert router("GET /a/{x}/c", "GET /a/b/d").match("GET", "/a/b/c") == Match("GET /a/{x}/c", {"x": "b"})


def test_a_method_missing_at_the_most_specific_template_is_looked_for_at_the_next() -> None:
    routes = router("POST /a/b", "GET /a/{x}")
    assert routes.match("GET", "/a/b") == Match("GET /a/{x}", {"x": "b"})
    assert routes.match("DELETE", "/a/b") == MethodNotAllowed(("GET", "HEAD", "POST"))


def test_head_is_answered_by_get_unless_it_is_declared() -> None:
    assert router("GET /a").match("HEAD", "/a") == Match("GET /a", {})
    assert router("GET /a", "HEAD /a").match("HEAD", "/a") == Match("HEAD /a", {})
    assert router("POST /a").match("HEAD", "/a") == MethodNotAllowed(("POST",))


def test_a_trailing_slash_is_significant_except_for_the_root() -> None:
    routes = router("GET /", "GET /a", "GET /b/")
    assert routes.match("GET", "/") == Match("GET /", {})
    assert routes.match("GET", "/a/") == NotFound()
    assert routes.match("GET", "/b") == NotFound()
    assert routes.match("GET", "/b/") == Match("GET /b/", {})


def test_a_parameter_is_never_empty() -> None:
    assert router("GET /a/{x}", "GET /{x}/c").match("GET", "/a/") == NotFound()
    assert router("GET /a/{x}", "GET /{x}/c").match("GET", "//c") == NotFound()


def test_segments_are_decoded_after_they_are_split() -> None:
    routes = router("GET /f/{name}", "GET /f/{name}/raw")
    assert routes.match("GET", "/f/a%2Fraw") == Match("GET /f/{name}", {"name": "a/raw"})
    assert routes.match("GET", "/%66/%c3%A9+%20") == Match("GET /f/{name}", {"name": "é+ "})
    assert routes.match("GET", "/f/%252e%252e") == Match("GET /f/{name}", {"name": "%2e%2e"})


@pytest.mark.parametrize(
    "path",
    ["", "a", "*", "/f/%", "/f/%4", "/f/%zz", "/f/%4%31", "/f/%+1", "/f/%ff", "/f/%c3", "/f/%ed%a0%80"]
    + ["/f/..", "/f/.", "/../f", "/f/%2e", "/f/%2E%2e", "/f/.%2e", "/f/%2e/x"],
)
def test_bad_paths_are_refused(path: str) -> None:
    with pytest.raises(BadPath):
        router("GET /f/{x}").match("GET", path)


def test_two_endpoints_for_the_same_requests_are_a_conflict() -> None:
    with pytest.raises(InvalidInput, match=r"GET /a/\{y\} and GET /a/\{x\}"):
        router("GET /a/{x}", "GET /a/{y}")
    routes = router("GET /a/{x}", "POST /a/{y}")
    assert routes.match("POST", "/a/1") == Match("POST /a/{y}", {"y": "1"})


def test_many_segments_do_not_recurse_beyond_the_longest_template() -> None:
    assert router("GET /{a}/{b}").match("GET", "/x" * 50_000) == NotFound()


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/s/g/a/b", ("s", "g", "/a/b")),
        ("/s/g", ("s", "g", "/")),
        ("/s/g/", ("s", "g", "/")),
        ("/s/g//", ("s", "g", "//")),
        ("/s%20t/%C3%A9/%2F", ("s t", "é", "/%2F")),
        ("/s", NotFound()),
        ("/s/", NotFound()),
        ("/", NotFound()),
        ("//g/a", NotFound()),
    ],
)
def test_a_target_splits_into_stack_gateway_and_rest(path: str, expected: object) -> None:
    assert split_target(path) == expected


@pytest.mark.parametrize("path", ["", "*", "s/g", "/../g", "/s/%2e%2e/x", "/%/g", "/s/%ff"])
def test_bad_targets_are_refused(path: str) -> None:
    with pytest.raises(BadPath):
        split_target(path)


@given(st.dictionaries(st.text(), st.text(), max_size=20))
def test_queries_round_trip(fields: dict[str, str]) -> None:
    assert parse_query(urlencode(fields)) == fields


def test_the_last_of_repeated_fields_wins_and_blank_values_stay() -> None:
    assert parse_query("a=1&b=&a=2&c&d=x+y%3D") == {"a": "2", "b": "", "c": "", "d": "x y="}


def test_bad_queries_are_refused() -> None:
    assert parse_query("&".join(f"f{i}=1" for i in range(3)), max_fields=3) == {
        "f0": "1",
        "f1": "1",
        "f2": "1",
    }
    with pytest.raises(BadQuery, match="more than 3 fields"):
        parse_query("a&b&c&d", max_fields=3)
    with pytest.raises(BadQuery, match="UTF-8"):
        parse_query("a=%ff")


@given(st.text())
def test_any_query_is_parsed_or_refused_with_a_typed_error(raw: str) -> None:
    try:
        fields = parse_query(raw)
    except BadQuery:
        return
    assert len(fields) <= 256
