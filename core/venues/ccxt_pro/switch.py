"""Dead-man switches through ccxt: armed, and renewed three times within their time.

::

    one for the account ─── armed as long as we run ────────────────► the exchange cancels all
    one for each symbol ─── armed with the first order that lives ──► it cancels that symbol's
                            taken off after the last one

An exchange whose switch ccxt has no call for is asked by its own path (`WAYS`).
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final

import msgspec

from core.model.errors import ConfigError, TemporaryError, VenueError
from core.model.facts import DeadManSet
from core.model.ids import InstrumentId, VenueName
from core.model.ports import Clock, VenueSink
from core.venues.ccxt_pro.client import CcxtClient

_log = logging.getLogger(__name__)

_RENEWALS: Final = 3
_LONGEST_SLEEP_S: Final = 30.0
_RETRY_S: Final = 5.0
_UNIFIED: Final = "cancelAllOrdersAfter"
_NOT_OURS: Final = frozenset({"bybit"})
"""ccxt's call there guards a lost socket, not our silence."""


class Way(msgspec.Struct, frozen=True, kw_only=True):
    """How an exchange's switch is set."""

    set: Callable[[Any, float, str], Awaitable[Any]]
    """Takes ccxt's object, the seconds (0: take it off) and the exchange's name of a symbol."""
    by_symbol: bool = False


async def _unified(ccxt: Any, seconds: float, symbol: str) -> Any:
    return await ccxt.cancel_all_orders_after(int(seconds * 1000))


async def _binance_usdm(ccxt: Any, seconds: float, symbol: str) -> Any:
    """``{"symbol":"BTCUSDT","countdownTime":"60000"}``, https://developers.binance.com."""
    asked = {"symbol": symbol, "countdownTime": int(seconds * 1000)}
    return await ccxt.fapiPrivatePostCountdownCancelAll(asked)


async def _kucoin(ccxt: Any, seconds: float, symbol: str) -> Any:
    """``{"timeout":60}`` covers all symbols; -1 takes it off. Older accounts have none."""
    await ccxt.load_migration_status()
    if not ccxt.options.get("hf"):
        raise ConfigError("this account trades by KuCoin's older API, which has no such switch")
    return await ccxt.privatePostHfOrdersDeadCancelAll({"timeout": int(seconds) or -1})


WAYS: Final[Mapping[str, Way]] = {
    "binanceusdm": Way(set=_binance_usdm, by_symbol=True),
    "kucoin": Way(set=_kucoin),
}


def way_of(client: CcxtClient) -> Way | None:
    """Return how the switch of a loaded exchange is set, None where it has none."""
    if client.exchange in _NOT_OURS:
        return None
    unified = Way(set=_unified) if client.does(_UNIFIED) else None
    return WAYS.get(client.exchange, unified)


class Switch:
    """Keeps an exchange's switch wound up; what is armed when we die fires in its time."""

    def __init__(
        self,
        venue: VenueName,
        client: CcxtClient,
        way: Way,
        *,
        seconds: float,
        living: Callable[[], frozenset[InstrumentId]],
        symbol: Callable[[InstrumentId], str],
        clock: Clock,
        sink: VenueSink,
    ) -> None:
        """`living` are the instruments of orders that may rest, `symbol` is the exchange's name."""
        self._venue = venue
        self._client = client
        self._way = way
        self._seconds = seconds
        self._living = living
        self._symbol = symbol
        self._clock = clock
        self._sink = sink
        self._armed: dict[str, None] = {}
        self._told: str | None = None
        self._changed = asyncio.Event()

    def look(self) -> None:
        """Note that other orders may live now."""
        if self._way.by_symbol:
            self._changed.set()

    async def run(self) -> None:
        """Arm, renew and take off until cancelled."""
        while True:
            self._changed.clear()
            wanted = self._wanted()
            problems = [await self._set(name, self._seconds) for name in wanted]
            problems += [
                await self._set(name, 0) for name in list(self._armed) if name not in wanted
            ]
            problem = next((text for text in problems if text), "")
            self._tell(problem)
            await self._pause(wanted, failed=bool(problem))

    def _wanted(self) -> list[str]:
        if not self._way.by_symbol:
            return [""]
        return sorted(self._symbol(instrument_id) for instrument_id in self._living())

    async def _pause(self, wanted: list[str], *, failed: bool) -> None:
        """Wait until it is time to renew or to try again, or other orders live."""
        limit_s = min(self._seconds / _RENEWALS, _LONGEST_SLEEP_S)
        limit_s = min(limit_s, _RETRY_S) if failed else limit_s
        try:
            async with asyncio.timeout(limit_s if wanted or failed else None):
                while self._wanted() == wanted:
                    await self._changed.wait()
                    self._changed.clear()
        except TimeoutError:
            return

    async def _set(self, name: str, seconds: float) -> str:
        """Wind it up, or take it off; return what went wrong, if anything."""
        try:
            await self._client.read(
                "the dead-man switch", self._way.set(self._client.ccxt, seconds, name)
            )
        except (TemporaryError, VenueError, ConfigError) as error:
            _log.warning("%s: the dead-man switch is not set, %s", self._venue, error)
            return str(error)
        if seconds:
            self._armed[name] = None
        else:
            self._armed.pop(name, None)
        return ""

    def _tell(self, problem: str) -> None:
        state = ""
        if self._armed:
            what = ", ".join(sorted(self._armed)) if self._way.by_symbol else "all orders"
            state = f"cancels {what} {self._seconds:g} s after our last word"
        if problem:
            state = f"{state}; not set: {problem}" if state else f"not set: {problem}"
        if state != self._told:
            self._told = state
            self._sink(DeadManSet(venue=self._venue, state=state, ts_ns=self._clock.now_ns()))
