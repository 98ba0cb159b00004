"""The small hierarchy under every error that mu raises on purpose."""


class MuError(Exception):
    """Base of every error mu raises on purpose; its text is one sentence for a person."""


class InvalidInput(MuError):
    """What a person wrote cannot be used; names the field and the fix.

    The command line shows it without a traceback and exits with code 2.
    """

    def __init__(self, field: str, problem: str) -> None:
        super().__init__(f"{field}: {problem}")
        self.field = field
        self.problem = problem


class DecodeError(MuError):
    """Foreign bytes do not follow their format: truncated, out of range, or followed by others."""
