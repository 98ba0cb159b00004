"""The classes of the program's errors and the IDL agree."""

import pytest

from contract.errors import MuError
from contract.program_errors import ProgramError, StackIsDeleted, error_of
from tests.contract.idl_values import IDL


def test_there_is_a_class_for_each_error() -> None:
    classes = {kind.code: kind.__name__ for kind in ProgramError.__subclasses__()}
    assert classes == {error["code"]: error["name"] for error in IDL["errors"]}
    assert len(classes) == len(ProgramError.__subclasses__())
    assert list(classes) == list(range(6000, 6000 + len(classes)))


@pytest.mark.parametrize("described", IDL["errors"], ids=lambda error: error["name"])
def test_an_error_by_its_code(described: dict) -> None:
    error = error_of(described["code"])
    assert type(error).__name__ == described["name"]
    assert (error.code, str(error)) == (described["code"], described["msg"])


def test_one_error_in_full() -> None:
    error = error_of(6030)
    assert isinstance(error, StackIsDeleted)
    assert isinstance(error, MuError)
    assert str(error) == "The stack is deleted."


@pytest.mark.parametrize("code", [-1, 0, 5999, 6000 + len(IDL["errors"])])
def test_a_code_that_is_not_the_programs(code: int) -> None:
    assert error_of(code) is None
