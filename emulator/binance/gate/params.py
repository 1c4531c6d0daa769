"""Request parameters: parsed as sent, counted as read, refused in the venue's words."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final, TypeVar
from urllib.parse import parse_qsl

import orjson

from emulator.binance.gate.errors import ApiError, illegal, missing

T = TypeVar("T")

_INTEGER: Final = r"^[0-9]{1,20}$"
_DECIMAL: Final = r"^([0-9]{1,20})(\.[0-9]{1,20})?$"
_CLIENT_ID: Final = r"^[a-zA-Z0-9-_]{1,36}$"
_SYMBOL: Final = r"^[A-Z0-9-_.]{1,20}$"
_SYMBOLS: Final = (
    r"\[(\"[A-Z0-9-_.]{1,20}\"(,\"[A-Z0-9-_.]{1,20}\"){0,}){0,1}\]"  # the venue's own wording
)
_MOST_DECIMALS: Final = 8
_LARGEST: Final = (1 << 62) - 1


class Params:
    """The parameters of one request; what is never read is an error at the end."""

    def __init__(self, values: dict[str, str]) -> None:
        self._values = values
        self._read: set[str] = set()

    @classmethod
    def of_query(cls, query: str, body: str) -> Params:
        """Parse a query string and a form body.

        Raises:
            ApiError: -1101 when a parameter comes twice in one of them.
        """
        values: dict[str, str] = {}
        for text in (body, query):
            found = parse_qsl(text, keep_blank_values=True)
            if len({name for name, _ in found}) != len(found):
                raise ApiError(-1101, "Duplicate values for a parameter detected.")
            values.update(found)
        return cls(values)

    @classmethod
    def of_json(cls, params: object) -> Params:
        """Take the ``params`` object of a WebSocket request.

        Raises:
            ApiError: -1135 when it is not an object.
        """
        if params is None:
            return cls({})
        if not isinstance(params, dict):
            raise ApiError(-1135, "Invalid JSON Request")
        return cls({str(name): _as_text(value) for name, value in params.items()})

    def signed_payload(self) -> str:
        """Return what a WebSocket request signs: sorted ``name=value`` without the signature."""
        return "&".join(
            f"{name}={value}" for name, value in sorted(self._values.items()) if name != "signature"
        )

    def text(self, name: str) -> str | None:
        """Return a parameter, None when it was not sent.

        Raises:
            ApiError: -1105 when it was sent empty.
        """
        self._read.add(name)
        value = self._values.get(name)
        if value == "":
            raise ApiError(-1105, f"Parameter '{name}' was empty.")
        return value

    def left(self) -> dict[str, str]:
        """Return what was not read yet."""
        return {name: value for name, value in self._values.items() if name not in self._read}

    def peek(self, name: str) -> str:
        """Return a parameter, empty when it was not sent; it does not count as read."""
        return self._values.get(name, "")

    def need(self, name: str) -> str:
        """Return a mandatory parameter.

        Raises:
            ApiError: -1102 when it is absent or empty.
        """
        self._read.add(name)
        value = self._values.get(name)
        if not value:
            raise missing(name)
        return value

    def integer(self, name: str) -> int | None:
        """Return a non-negative whole number, None when it was not sent."""
        value = self.text(name)
        if value is None:
            return None
        if not re.fullmatch(_INTEGER, value):
            raise illegal(name, _INTEGER)
        if int(value) > _LARGEST:
            raise ApiError(-1108, f"Parameter '{name}' overflowed.")
        return int(value)

    def between(self, name: str, default: int, least: int, most: int) -> int:
        """Return a whole number within bounds, `default` when it was not sent."""
        value = self.integer(name)
        if value is None:
            return default
        if value < least:
            raise ApiError(-1130, f"Data sent for parameter '{name}' is not valid.")
        return min(value, most)

    def decimal_e8(self, name: str) -> int | None:
        """Return a decimal in units of 1e-8, None when it was not sent.

        Raises:
            ApiError: -1100 for anything but digits and a point, -1111 beyond 8 decimals.
        """
        value = self.text(name)
        if value is None:
            return None
        if not re.fullmatch(_DECIMAL, value):
            raise illegal(name, _DECIMAL)
        whole, _, fraction = value.partition(".")
        fraction = fraction.rstrip("0")
        if len(fraction) > _MOST_DECIMALS:
            raise ApiError(-1111, f"Parameter '{name}' has too much precision.")
        return int(whole + fraction.ljust(_MOST_DECIMALS, "0"))

    def client_id(self, name: str) -> str | None:
        """Return a client order id, None when it was not sent."""
        value = self.text(name)
        if value is not None and not re.fullmatch(_CLIENT_ID, value):
            raise illegal(name, _CLIENT_ID)
        return value

    def symbol(self, name: str = "symbol") -> str:
        """Return a mandatory, well-formed symbol."""
        value = self.need(name)
        if not re.fullmatch(_SYMBOL, value):
            raise illegal(name, _SYMBOL)
        return value

    def symbols(self) -> list[str] | None:
        """Return ``symbol`` or ``symbols``, None when neither was sent."""
        if self.text("symbol") is not None:
            if self.text("symbols") is not None:
                raise ApiError(-1128, "Combination of optional parameters invalid.")
            return [self.symbol()]
        value = self.text("symbols")
        if value is None:
            return None
        try:
            names = orjson.loads(value)
        except orjson.JSONDecodeError:
            raise illegal("symbols", _SYMBOLS) from None
        if not isinstance(names, list) or not all(
            isinstance(name, str) and re.fullmatch(_SYMBOL, name) for name in names
        ):
            raise illegal("symbols", _SYMBOLS)
        return names

    def choice(self, name: str, parse: Callable[[str], T], refusal: ApiError) -> T:
        """Return a mandatory parameter turned into a value, or raise the refusal."""
        value = self.need(name)
        try:
            return parse(value)
        except (KeyError, ValueError):
            raise refusal from None

    def flag(self, name: str, *, default: bool) -> bool:
        """Return a true/false parameter."""
        value = self.text(name)
        if value is None:
            return default
        if value.lower() not in ("true", "false"):
            raise ApiError(-1130, f"Data sent for parameter '{name}' is not valid.")
        return value.lower() == "true"

    def skip(self, *names: str) -> None:
        """Count parameters as read that change nothing here."""
        self._read.update(names)

    def finish(self) -> None:
        """Refuse what nobody read.

        Raises:
            ApiError: -1104 with the counts.
        """
        unread = [name for name in self._values if name not in self._read]
        if unread:
            sent = len(self._values)
            raise ApiError(
                -1104,
                "Not all sent parameters were read; "
                f"read '{sent - len(unread)}' parameter(s) but was sent '{sent}'.",
            )


def _as_text(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (list, dict)):
        return orjson.dumps(value).decode()
    return "" if value is None else str(value)
