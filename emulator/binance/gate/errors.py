"""The venue's error codes and words, as documented in its errors.md."""

from __future__ import annotations

from typing import Final

from emulator.wire.rest import Refusal


class ApiError(Refusal):
    """A refusal: HTTP status, the venue's code and message, and extra headers."""

    def __init__(
        self, code: int, msg: str, status: int = 400, headers: dict[str, str] | None = None
    ) -> None:
        super().__init__(status, {"code": code, "msg": msg}, headers)
        self.code = code
        self.msg = msg


TIMEOUT_UNKNOWN: Final = (
    "Timeout waiting for response from backend server. "
    "Send status unknown; execution status unknown."
)
NOT_SENT: Final = "Order does not exist."
UNKNOWN_ORDER: Final = "Unknown order sent."
DUPLICATE: Final = "Duplicate order sent."
NO_FUNDS: Final = "Account has insufficient balance for requested action."
WOULD_TAKE: Final = "Order would immediately match and take."
WOULD_TRIGGER: Final = "Order would trigger immediately."
BAD_PRICES: Final = "The relationship of the prices for the orders is not correct."


def missing(name: str) -> ApiError:
    """Return the error of a parameter that is mandatory and absent or empty."""
    return ApiError(
        -1102, f"Mandatory parameter '{name}' was not sent, was empty/null, or malformed."
    )


def illegal(name: str, legal: str) -> ApiError:
    """Return the error of a parameter with characters outside its legal range."""
    return ApiError(
        -1100, f"Illegal characters found in parameter '{name}'; legal range is '{legal}'."
    )


def filter_failure(name: str) -> ApiError:
    """Return the error of an order that breaks one of the symbol's filters."""
    return ApiError(-1013, f"Filter failure: {name}")


def bad_symbol() -> ApiError:
    """Return the error of a symbol that is not listed."""
    return ApiError(-1121, "Invalid symbol.")
