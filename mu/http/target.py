"""Splits a request target (RFC 9112 section 3.2) into its raw path and its raw query."""

import re

from mu.http.errors import ProtocolError

_VISIBLE = re.compile(rb'[!"$-~]+')
"""Printable ASCII without `#`: a fragment is never sent."""

_ABSOLUTE = re.compile(r"https?://(?P<authority>[^/?]+)(?P<path>/[^?]*)?(?:\?(?P<query>.*))?", re.IGNORECASE)
_AUTHORITY = re.compile(r"[A-Za-z0-9\-._~%!$&'()*+,;=:\[\]]*")


def valid_host(value: str) -> bool:
    """Whether `value` may stand in a Host header (RFC 9110 section 7.2); empty where the target has no authority."""
    return _AUTHORITY.fullmatch(value) is not None


def split_request_target(method: str, target: bytes) -> tuple[str, str]:
    """The raw path and the raw query of an origin-form, absolute-form or (OPTIONS only) asterisk-form target.

    Raises `ProtocolError` 400 for any other target.
    """
    if _VISIBLE.fullmatch(target) is None:
        raise ProtocolError(400, "the target holds a character that must be percent-encoded")
    text = target.decode("ascii")
    if text[0] == "/":
        path, _, query = text.partition("?")
        return path, query
    if text == "*":
        if method != "OPTIONS":
            raise ProtocolError(400, "the target * is for OPTIONS only")
        return text, ""
    absolute = _ABSOLUTE.fullmatch(text)
    if absolute is None or not valid_host(absolute["authority"]):
        raise ProtocolError(400, "the target is neither a path nor an http URL")
    return absolute["path"] or "/", absolute["query"] or ""
