"""Codes by which a venue says no in the body of an answer, whatever the HTTP status."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Final, Generic, TypeVar

from core.model.errors import DataError, TemporaryError

_Code = TypeVar("_Code", bound=int | str)
_LONGEST: Final = 20


class Refusals(Generic[_Code]):
    """What the codes of one venue mean to whoever has to act.

    Args:
        remedies: What to do about a code.
        patience: Codes that pass: busy, in maintenance, asked too often.
        good: The code of an answer that is none of these.
        otherwise: What to do about any other code.
    """

    def __init__(
        self,
        remedies: Mapping[_Code, str],
        *,
        patience: Collection[_Code],
        good: _Code,
        otherwise: str = "see the venue's list of error codes",
    ) -> None:
        self._remedies = remedies
        self._patience = patience
        self._good = good
        self._otherwise = otherwise

    def remedy(self, code: _Code) -> str:
        """Return what to do about a code."""
        return self._remedies.get(code, self._otherwise)

    def check(self, code: _Code, words: str, what: str) -> None:
        """Raise unless a code is the good one; `what` opens the error.

        Raises:
            TemporaryError: The venue asks for patience.
            DataError: A definite no.
        """
        if code == self._good:
            return
        text = (
            f"{what}: the venue answered code {str(code)[:_LONGEST]}: {words[:200]}; "
            f"{self.remedy(code)}"
        )
        raise TemporaryError(text) if code in self._patience else DataError(text)
