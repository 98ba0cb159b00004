import pytest

from contract.errors import InvalidInput
from events.template import Literal, Parameter, compile_template


def test_segments_and_shape():
    template = compile_template("/files/{name}/raw")
    assert template.segments == (Literal("files"), Parameter("name"), Literal("raw"))
    assert template.shape == compile_template("/files/{other}/raw").shape
    assert template.shape != compile_template("/files/{name}/raw/").shape
    assert compile_template("/").segments == (Literal(""),)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "start with"),
        ("a/b", "start with"),
        ("/a//b", "empty segment"),
        ("//", "empty segment"),
        ("/{a}/{a}", "twice"),
        ("/{1a}", "wholly"),
        ("/{a", "wholly"),
        ("/a}", "wholly"),
        ("/x{a}", "wholly"),
        ("/{}", "wholly"),
        ("/a?b", "character"),
        ("/a#b", "character"),
        ("/a b", "character"),
        ("/ä", "character"),
        ("/..", "no request path"),
        ("/a/./b", "no request path"),
        ("/" + "a" * 256, "longer than 256"),
        ("/a" * 33, "more than 32 segments"),
    ],
)
def test_what_is_no_template(text: str, problem: str):
    with pytest.raises(InvalidInput, match=problem):
        compile_template(text)
