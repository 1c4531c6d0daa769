"""The emulator's control endpoint: faults, the crowd, and the truth."""

from __future__ import annotations

from decimal import Decimal
from typing import Final, TypeVar

import msgspec

from core.model.errors import DataError
from core.model.market import Side
from core.model.ports import Clock
from core.venues.conformance.truth import AccountTruth, Book, Oracle
from core.wire.http import HttpSession

_TIMEOUT_S: Final = 10.0
_T = TypeVar("_T")
_Value = str | int | float | bool


class Control:
    """One venue of a running emulator, and one instrument of it."""

    def __init__(
        self,
        url: str,
        token: str,
        *,
        venue: str,
        symbol: str,
        clock: Clock,
        accounts: int = 1,
    ) -> None:
        """`url` is that of ``/_ctl``, `venue` and `symbol` are spelled as the emulator does.

        Of several accounts the first is the one that is traded.
        """
        self._accounts = accounts
        self.venue = venue
        self.symbol = symbol
        self._headers = {"X-Clx-Control": token, "Content-Type": "application/json"}
        self._http = HttpSession(url, clock=clock, timeout_s=_TIMEOUT_S)

    async def close(self) -> None:
        """Close the connections."""
        await self._http.close()

    async def arm(self, kind: str, **more: _Value) -> None:
        """Arm a fault, or let it happen at once if it is of that kind."""
        await self._post("faults", {"kind": kind, "venue": self.venue, **more})

    async def mend(self) -> None:
        """Disarm every fault and undo what lasts."""
        await self._ask("DELETE", f"faults?venue={self.venue}", dict[str, object])

    async def trade(self, side: Side, size: Decimal, price: Decimal | None = None) -> Decimal:
        """Let the crowd take from the book, up to a price; return what it got."""
        body: dict[str, _Value] = {
            "venue": self.venue,
            "symbol": self.symbol,
            "side": side.value.upper(),
            "qty": f"{size:f}",
        }
        if price is not None:
            body["price"] = f"{price:f}"
        answer = await self._post("trade", body)
        return Decimal(str(answer["executed"]))

    async def book(self) -> Book:
        """Return the true book."""
        where = f"book?venue={self.venue}&symbol={self.symbol}"
        return await self._ask("GET", where, Book)

    async def last(self) -> Decimal | None:
        """Return the price of the newest trade, None before the first."""
        where = f"trades?venue={self.venue}&symbol={self.symbol}"
        rows = await self._ask("GET", where, list[dict[str, object]])
        return Decimal(str(rows[-1]["price"])) if rows else None

    async def account(self) -> AccountTruth:
        """Return everything of the account.

        Raises:
            DataError: The venue has another number of accounts.
        """
        told = await self._ask("GET", f"oracle?venue={self.venue}", Oracle)
        if len(told.accounts) != self._accounts:
            raise DataError(
                f"{self.venue} must have {self._accounts} accounts, has {len(told.accounts)}"
            )
        return told.accounts[0]

    async def struck(self) -> list[str]:
        """Return the kinds of faults that struck, oldest first."""
        where = f"faults?venue={self.venue}"
        log = (await self._ask("GET", where, dict[str, object]))["log"]
        return [row["kind"] for row in msgspec.convert(log, list[dict[str, str | int]])]  # type: ignore[misc]  # kinds are text

    async def _post(self, path: str, body: dict[str, _Value]) -> dict[str, object]:
        return await self._ask("POST", path, dict[str, object], msgspec.json.encode(body))

    async def _ask(self, method: str, path: str, into: type[_T], body: bytes = b"") -> _T:
        path, _, query = path.partition("?")
        reply = await self._http.request(
            method, f"/{path}", params=query, headers=self._headers, body=body
        )
        if reply.status != 200:
            raise DataError(f"{reply.url}: status {reply.status}: {reply.body[:200]!r}")
        return msgspec.json.decode(reply.body, type=into)
