"""YAML that a person wrote: what is read of it, and what is said of what cannot be used."""

from contextlib import suppress

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from mu.yaml_text import YamlError, YamlFields, YamlReader

MAX_BYTES = 10_000
TEXT = """\
name: 0.10
switch: true
inner:
  a: [x, 'no', 2026-01-01]
"""


class NoteError(YamlError):
    """A note that cannot be used."""


def read(text: str) -> YamlFields:
    reader = YamlReader("note", NoteError)
    return reader.fields("", reader.compose(text, MAX_BYTES), ("name", "inner"), ("switch",))


def read_all(text: str) -> tuple[str, bool, list[str]]:
    fields = read(text)
    return fields.text("name"), fields.flag("switch"), items(fields)


def items(fields: YamlFields) -> list[str]:
    inner = fields.reader.fields("inner", fields.values["inner"], ("a",))
    listed = inner.reader.sequence(inner.path("a"), inner.values["a"])
    return [inner.reader.text("inner.a", item) for item in listed]


def test_values_are_read_as_they_are_written():
    fields = read(TEXT)
    assert fields.text("name") == "0.10"
    assert items(fields) == ["x", "no", "2026-01-01"]
    assert fields.parsed("name", float, "must be a number") == 0.1
    assert fields.flag("switch")
    assert not read(TEXT.replace("switch: true\n", "")).flag("switch")


@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [
        (TEXT, "", "line 1: note: must not be empty"),
        (TEXT, "- a", "line 1: note: must be fields with values"),
        ("name: 0.10\n", "", "line 1: name: is missing"),
        ("name: 0.10\n", "name: 0.10\nname: 1\n", "line 2: name: is given twice; remove one"),
        ("  a:", "  a: 1\n  a:", "line 5: inner.a: is given twice; remove one"),
        ("switch", "switches", "line 2: switches: is not a field here; these are: name, inner, switch"),
        ("switch: true", "switch: yes", "line 2: switch: must be true or false, not 'yes'"),
        ("[x, 'no', 2026-01-01]", "x", "line 4: inner.a: must be a list"),
        ("[x, 'no', 2026-01-01]", "\n  - x\n  - [y]", "line 6: inner.a: must be a single value"),
        ("0.10", "{}", "line 1: name: must be a single value"),
        ("0.10", "&a x\nswitch: *a", "line 2: note: must not use YAML aliases"),
        (TEXT, "name: 'x\n", "line 2: note: is not YAML: found unexpected end of stream"),
        (TEXT, "name: [" * 5_000, "line 1: note: must have at most 10000 bytes"),
        (TEXT, "[" * 5_000, "line 1: note: is not YAML: "),
        (TEXT, "\0", "line 1: note: is not YAML: unacceptable character"),
    ],
)
def test_what_cannot_be_used(old: str, new: str, sentence: str):
    assert old in TEXT
    with pytest.raises(NoteError) as raised:
        read_all(TEXT.replace(old, new))
    assert str(raised.value).startswith(sentence)


def test_an_error_found_later_names_the_line_of_the_nearest_field():
    fields = read(TEXT)
    items(fields)
    lines = {field: fields.reader.error(field, "is bad").line for field in ("inner.a[1]", "switch", "other")}
    assert lines == {"inner.a[1]": 4, "switch": 2, "other": 1}


@given(st.integers(0, len(TEXT)), st.integers(0, len(TEXT)), st.text(max_size=5))
def test_altered_text_is_read_or_refused(start: int, end: int, inserted: str):
    with suppress(NoteError):
        read_all(TEXT[:start] + inserted + TEXT[end:])


@given(st.text())
def test_any_text_is_composed_or_refused(text: str):
    with suppress(NoteError):
        assert isinstance(YamlReader("note", NoteError).compose(text, MAX_BYTES), yaml.Node)
