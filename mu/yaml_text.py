"""Reads YAML that a person wrote, field by field, with errors that name the line and the field.

Values are read as they are written, never as YAML's numbers or dates: 0.10 stays `0.10`.
"""

from collections.abc import Callable
from typing import TypeVar

import yaml

from contract.errors import InvalidInput

T = TypeVar("T")


class YamlError(InvalidInput):
    """YAML that cannot be used: the field, and the line (from 1) where it stands."""

    def __init__(self, field: str, problem: str, line: int) -> None:
        super().__init__(field, problem)
        self.line = line

    def __str__(self) -> str:
        return f"line {self.line}: {self.field}: {self.problem}"


class YamlReader:
    """Walks the nodes of a document, and remembers on which line each field stands.

    `document` is what the document as a whole is called in errors, which are of `error_type`.
    """

    def __init__(self, document: str, error_type: type[YamlError]) -> None:
        self.lines: dict[str, int] = {}
        self._document = document
        self._error_type = error_type

    def compose(self, text: str, max_bytes: int) -> yaml.Node:
        """The document's root. There are no aliases in it: with them a few bytes could stand for many nodes."""
        if len(text.encode(errors="replace")) > max_bytes:
            raise self._error_type(self._document, f"must have at most {max_bytes} bytes", 1)
        try:
            for event in yaml.parse(text, Loader=yaml.SafeLoader):
                if isinstance(event, yaml.AliasEvent):
                    line = event.start_mark.line + 1 if event.start_mark else 1
                    raise self._error_type(self._document, "must not use YAML aliases", line)
            node = yaml.compose(text, Loader=yaml.SafeLoader)
        except yaml.MarkedYAMLError as error:
            line = error.problem_mark.line + 1 if error.problem_mark else 1
            raise self._no_yaml(error.problem or error.context or "it ends early", line) from None
        except (yaml.YAMLError, RecursionError) as error:
            problem = " ".join(str(error).split())
            raise self._no_yaml(problem or "it is nested too deeply", 1) from None
        if node is None:
            raise self._error_type(self._document, "must not be empty", 1)
        return node

    def error(self, field: str, problem: str, node: yaml.Node | None = None) -> YamlError:
        """An error at the line of `node`, or where it was remembered that `field` stands."""
        if node is not None:
            return self._error_type(field or self._document, problem, node.start_mark.line + 1)
        known = max((known for known in self.lines if field.startswith(known)), key=len, default="")
        return self._error_type(field, problem, self.lines.get(known, 1))

    def mapping(self, field: str, node: yaml.Node) -> dict[str, yaml.Node]:
        """The values of a mapping, by names of which none is given twice."""
        if not isinstance(node, yaml.MappingNode):
            raise self.error(field, "must be fields with values", node)
        self.lines.setdefault(field, node.start_mark.line + 1)
        result: dict[str, yaml.Node] = {}
        for key, value in node.value:
            name = self.text(field, key)
            if name in result:
                raise self.error(f"{field}.{name}".lstrip("."), "is given twice; remove one", key)
            result[name] = value
            self.lines[f"{field}[{name}]"] = key.start_mark.line + 1
        return result

    def fields(
        self,
        field: str,
        node: yaml.Node,
        required: tuple[str, ...],
        optional: tuple[str, ...] = (),
        *,
        if_missing: str = "",
    ) -> "YamlFields":
        """The fields of a mapping with these names; `if_missing` ends the sentence on one that is not there."""
        values = self.mapping(field, node)
        prefix = f"{field}." if field else ""
        for name, value in values.items():
            if name not in required + optional:
                known = ", ".join(required + optional)
                raise self.error(f"{prefix}{name}", f"is not a field here; these are: {known}", value)
            self.lines[f"{prefix}{name}"] = value.start_mark.line + 1
        for name in required:
            if name not in values:
                raise self.error(f"{prefix}{name}", f"is missing{if_missing}", node)
        return YamlFields(self, prefix, values)

    def sequence(self, field: str, node: yaml.Node) -> list[yaml.Node]:
        """The items of a list."""
        if not isinstance(node, yaml.SequenceNode):
            raise self.error(field, "must be a list", node)
        return node.value

    def text(self, field: str, node: yaml.Node) -> str:
        """A single value, as it is written."""
        if not isinstance(node, yaml.ScalarNode):
            raise self.error(field, "must be a single value", node)
        self.lines.setdefault(field, node.start_mark.line + 1)
        return node.value

    def _no_yaml(self, problem: str, line: int) -> YamlError:
        return self._error_type(self._document, f"is not YAML: {problem}", line)


class YamlFields:
    """The fields of one mapping, read by name."""

    def __init__(self, reader: YamlReader, prefix: str, values: dict[str, yaml.Node]) -> None:
        self.reader, self.values = reader, values
        self._prefix = prefix

    def path(self, name: str) -> str:
        """How errors call the field."""
        return self._prefix + name

    def text(self, name: str) -> str:
        """Its value, as it is written."""
        return self.reader.text(self.path(name), self.values[name])

    def error(self, name: str, problem: str) -> YamlError:
        """An error at the field's line."""
        return self.reader.error(self.path(name), problem, self.values[name])

    def parsed(self, name: str, parse: Callable[[str], T | None], problem: str) -> T:
        """What `parse` makes of its value; where that is None, an error that begins with `problem`."""
        text = self.text(name)
        value = parse(text)
        if value is None:
            raise self.error(name, f"{problem}, not {text!r}")
        return value

    def flag(self, name: str) -> bool:
        """Whether it is true; not if it is left out."""
        if name not in self.values:
            return False
        return self.parsed(name, {"true": True, "false": False}.get, "must be true or false")
