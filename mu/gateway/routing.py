"""Matches a method and a raw path against endpoint templates: pure, and the most specific wins.

Templates (`/greet/{name}`) are compiled by `events.template`. Paths are taken apart before they are percent-decoded,
so an encoded `/` inside a segment is data.
"""

from collections.abc import Iterable
from typing import Generic, TypeVar
from urllib.parse import parse_qsl, unquote_to_bytes

import msgspec

from contract.errors import DecodeError, InvalidInput
from events.template import Literal, Parameter, Template

MAX_QUERY_FIELDS = 256

T = TypeVar("T")


class BadPath(DecodeError):
    """A path is not absolute, is wrongly percent-encoded, is not UTF-8, or has a `.` or `..` segment: 400."""


class BadQuery(DecodeError):
    """A query has too many fields, or is not UTF-8: 400."""


class Match(msgspec.Struct, Generic[T], frozen=True):
    """The endpoint that answers, and the decoded values of its template's parameters."""

    target: T
    path_params: dict[str, str]


class MethodNotAllowed(msgspec.Struct, frozen=True):
    """The path is known, but not with this method: 405 with `allow`, sorted, as its Allow header."""

    allow: tuple[str, ...]


class NotFound(msgspec.Struct, frozen=True):
    """No template has this path: 404."""


class _Endpoint(msgspec.Struct, Generic[T], frozen=True):
    template: Template
    target: T


class _Node(Generic[T]):
    """A position in the trie of template segments."""

    __slots__ = ("endpoints", "literals", "parameter")

    def __init__(self) -> None:
        self.literals: dict[str, _Node[T]] = {}
        self.parameter: _Node[T] | None = None
        self.endpoints: dict[str, _Endpoint[T]] = {}

    def child(self, segment: Literal | Parameter) -> "_Node[T]":
        """The position after `segment`, made if it is new."""
        if isinstance(segment, Literal):
            return self.literals.setdefault(segment.text, _Node())
        if self.parameter is None:
            self.parameter = _Node()
        return self.parameter


class Router(Generic[T]):
    """The endpoints of one gateway. The order of their declaration has no influence."""

    def __init__(self, endpoints: Iterable[tuple[Template, str, T]]) -> None:
        """Takes (template, method, target). Raises `InvalidInput` where two would answer the same requests."""
        self._root: _Node[T] = _Node()
        for template, method, target in endpoints:
            node = self._root
            for segment in template.segments:
                node = node.child(segment)
            if (other := node.endpoints.get(method)) is not None:
                raise InvalidInput(
                    "path",
                    f"{method} {template.text} and {method} {other.template.text} match the same paths",
                )
            node.endpoints[method] = _Endpoint(template, target)

    def match(self, method: str, raw_path: str) -> Match[T] | MethodNotAllowed | NotFound:
        """The endpoint for `method` and the percent-encoded `raw_path`. Raises `BadPath`.

        Of the templates that have both the path and the method, the most specific wins: from the left, a literal
        segment goes before a parameter. A HEAD is answered by the GET of a template that declares no HEAD. A
        trailing slash is significant.
        """
        segments = _decode_segments(raw_path)
        allowed: set[str] = set()
        endpoint = _find(self._root, segments, 0, method, allowed)
        if endpoint is not None:
            values = zip(endpoint.template.segments, segments, strict=True)
            return Match(
                endpoint.target,
                {segment.name: value for segment, value in values if isinstance(segment, Parameter)},
            )
        if not allowed:
            return NotFound()
        if "GET" in allowed:
            allowed.add("HEAD")
        return MethodNotAllowed(tuple(sorted(allowed)))


def _find(
    node: _Node[T], segments: list[str], depth: int, method: str, allowed: set[str]
) -> _Endpoint[T] | None:
    # Visits each node of the trie once at most, and goes no deeper than the longest template.
    if depth == len(segments):
        endpoint = node.endpoints.get(method)
        if endpoint is None and method == "HEAD":
            endpoint = node.endpoints.get("GET")
        if endpoint is None:
            allowed.update(node.endpoints)
        return endpoint
    segment = segments[depth]
    literal = node.literals.get(segment)
    if literal is not None:
        endpoint = _find(literal, segments, depth + 1, method, allowed)
        if endpoint is not None:
            return endpoint
    if node.parameter is not None and segment:
        return _find(node.parameter, segments, depth + 1, method, allowed)
    return None


def _decode_segments(raw_path: str) -> list[str]:
    if not raw_path.startswith("/"):
        raise BadPath("the path does not start with /")
    return [_decode_segment(segment) for segment in raw_path[1:].split("/")]


def _decode_segment(raw: str) -> str:
    segment = raw
    if "%" in raw:
        escapes = raw.split("%")[1:]
        if not all(len(escape) >= 2 and _is_hex(escape[0]) and _is_hex(escape[1]) for escape in escapes):
            raise BadPath("the path has a % that is not followed by two hexadecimal digits")
        try:
            segment = unquote_to_bytes(raw).decode()
        except UnicodeDecodeError:
            raise BadPath("the path is not UTF-8") from None
    if segment in (".", ".."):
        raise BadPath("the path has a dot segment")
    return segment


def _is_hex(character: str) -> bool:
    return character in "0123456789abcdefABCDEF"


def split_target(raw_path: str) -> tuple[str, str, str] | NotFound:
    """The decoded stack and gateway and the raw rest of `/{stack}/{gateway}/{rest}`; the rest starts with `/`.

    `NotFound` where the stack or the gateway is missing. Raises `BadPath`.
    """
    if not raw_path.startswith("/"):
        raise BadPath("the path does not start with /")
    stack, _, after = raw_path[1:].partition("/")
    gateway, _, rest = after.partition("/")
    if not (stack and gateway):
        return NotFound()
    return _decode_segment(stack), _decode_segment(gateway), "/" + rest


def parse_query(raw: str, *, max_fields: int = MAX_QUERY_FIELDS) -> dict[str, str]:
    """The fields of an `application/x-www-form-urlencoded` query; of repeated ones the last. Raises `BadQuery`."""
    if not raw:
        return {}
    try:
        return dict(parse_qsl(raw, keep_blank_values=True, errors="strict", max_num_fields=max_fields))
    except UnicodeDecodeError:
        raise BadQuery("the query is not UTF-8") from None
    except ValueError:
        raise BadQuery(f"the query has more than {max_fields} fields") from None
