"""Path templates such as `/greet/{name}`: what a manifest's endpoints are declared with."""

import re
from functools import lru_cache

import msgspec

from contract.errors import InvalidInput

MAX_TEMPLATE_CHARACTERS = 256
MAX_TEMPLATE_SEGMENTS = 32
MAX_REMEMBERED_TEMPLATES = 4096
"""A new revision of a stack mostly has the paths of the one before."""

_LITERAL = re.compile(r"[A-Za-z0-9._~!$&'()*+,;=:@-]+")
_PARAMETER = re.compile(r"\{([A-Za-z_][A-Za-z0-9_]*)\}")


class Literal(msgspec.Struct, frozen=True):
    """A segment that matches itself alone."""

    text: str


class Parameter(msgspec.Struct, frozen=True):
    """A segment that matches any one non-empty segment, and names it."""

    name: str


class Template(msgspec.Struct, frozen=True):
    """A compiled path template. A path that ends with `/` has a last, empty literal segment.

    `shape` has the literal segments, with None for each parameter: equal for templates that match the same paths.
    """

    text: str
    segments: tuple[Literal | Parameter, ...]
    shape: tuple[str | None, ...]


@lru_cache(maxsize=MAX_REMEMBERED_TEMPLATES)
def compile_template(text: str) -> Template:
    """Parse a template. Segments are separated by `/`; each is wholly literal or wholly `{parameter}`.

    Raises `InvalidInput` that names the problem.
    """
    if not text.startswith("/"):
        raise InvalidInput("path", f"must start with `/`, not {text[:1]!r}")
    if len(text) > MAX_TEMPLATE_CHARACTERS:
        raise InvalidInput("path", f"is longer than {MAX_TEMPLATE_CHARACTERS} characters")
    parts = text[1:].split("/")
    if len(parts) > MAX_TEMPLATE_SEGMENTS:
        raise InvalidInput("path", f"has more than {MAX_TEMPLATE_SEGMENTS} segments")
    segments: list[Literal | Parameter] = []
    names: set[str] = set()
    for index, part in enumerate(parts):
        if part == "" and index == len(parts) - 1:
            segments.append(Literal(""))
        elif parameter := _PARAMETER.fullmatch(part):
            name = parameter.group(1)
            if name in names:
                raise InvalidInput("path", f"names the parameter {name!r} twice")
            names.add(name)
            segments.append(Parameter(name))
        elif part == "":
            raise InvalidInput("path", "has an empty segment")
        elif part in (".", ".."):
            raise InvalidInput("path", f"has a segment {part!r}, which no request path can have")
        elif "{" in part or "}" in part:
            raise InvalidInput(
                "path", f"segment {part!r} must be wholly literal, or wholly a {{name}} in braces"
            )
        elif _LITERAL.fullmatch(part):
            segments.append(Literal(part))
        else:
            raise InvalidInput("path", f"segment {part!r} holds a character that a path segment cannot have")
    shape = tuple(segment.text if isinstance(segment, Literal) else None for segment in segments)
    return Template(text, tuple(segments), shape)
