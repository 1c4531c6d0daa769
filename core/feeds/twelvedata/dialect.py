"""How Twelve Data is spoken to: https://twelvedata.com/docs."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Final
from urllib.parse import quote

import msgspec

from core.feeds.answers import ask
from core.feeds.dialect import Answer, Heartbeat, LineLimits, RestDialect
from core.feeds.hosts import hosts
from core.feeds.twelvedata.acks import TwelveDataAcks
from core.feeds.twelvedata.decoder import LISTED, TWELVEDATA, TwelveDataDecoder
from core.feeds.twelvedata.history import SeriesHistory
from core.feeds.twelvedata.refusals import CreditsSpent, refuse
from core.feeds.twelvedata.symbols import FUNDS, LISTINGS, STOCKS, parse_listings
from core.model.errors import ConfigError, TemporaryError, did_you_mean
from core.model.ids import InstrumentId, VenueName, instrument_id
from core.model.instruments import Instrument
from core.model.ports import Clock
from core.model.settings import FeedSettings
from core.wire.http import HttpReply, HttpSession
from core.wire.limits import WeightLimiter

HOSTS: Final = {"live": ("https://api.twelvedata.com", "wss://ws.twelvedata.com")}

PLANS: Final = {"basic": (8, 800, 8), "grow": (55, 0, 8), "pro": (610, 0, 500)}
"""Credits a minute, credits a day (0: no limit), instruments of the stream."""

_TIMEOUT_S: Final = 15.0
_PATIENCE_S: Final = 600.0
_MINUTE_S: Final = 60.0
_DAY_S: Final = 86_400.0
_SILENCE_S: Final = 300.0
_BATCH: Final = 100


class TwelveDataDialect(RestDialect):
    """Addresses, words and limits of Twelve Data."""

    images_by_rest = False
    heartbeat = Heartbeat(10.0, '{"action":"heartbeat"}')

    def __init__(
        self, settings: FeedSettings, *, clock: Clock, venue: VenueName = TWELVEDATA
    ) -> None:
        """Open nothing yet.

        Raises:
            ConfigError: The plan or the environment is none of the provider's.
        """
        plan = settings.plan or "basic"
        if plan not in PLANS:
            raise ConfigError(
                f"feeds.{venue}.plan must be one of {', '.join(PLANS)}, was {plan!r}"
                f"{did_you_mean(plan, PLANS)}; requests_per_minute says how large it is"
            )
        self.venue = venue
        self.decoder = TwelveDataDecoder(venue)
        self.acks = TwelveDataAcks()
        self._rest_url, self._stream_url = hosts(settings, HOSTS, venue)
        self._settings = settings
        self._clock = clock
        minute, day, streams = PLANS[plan]
        self._per_minute = settings.requests_per_minute or minute
        self._minute = WeightLimiter(clock=clock, capacity=self._per_minute)
        per_day = settings.requests_per_day or day
        self._day = (
            WeightLimiter(clock=clock, capacity=per_day, window_s=_DAY_S) if per_day else None
        )
        self._http = HttpSession(
            self._rest_url, clock=clock, timeout_s=_TIMEOUT_S, limiter=self._minute
        )
        self.limits = LineLimits(
            instruments=streams,
            batch=_BATCH,
            pace_s=0.1,
            # Three are allowed, and a fourth closes the oldest: one, and one to take over.
            connections=1,
            max_age_s=7 * _DAY_S,
            silence_s=_SILENCE_S,
        )
        self._history = SeriesHistory(self._series, clock)
        self._raws: dict[InstrumentId, tuple[str, msgspec.Raw]] = {}

    # -- connections -------------------------------------------------------------------------

    async def address(self, route: str) -> str:
        """Return the price stream; the key stands in its query, which is never shown or taped.

        Raises:
            ConfigError: There is no key.
        """
        return f"{self._stream_url}/v1/quotes/price?apikey={quote(self._key(), safe='')}"

    def subscribe(self, route: str, instruments: Sequence[Instrument]) -> Sequence[str]:
        """Return the message that joins the prices."""
        return (_request("subscribe", instruments),)

    def unsubscribe(self, route: str, instruments: Sequence[Instrument]) -> Sequence[str]:
        """Return the message that leaves the prices."""
        return (_request("unsubscribe", instruments),)

    # -- REST --------------------------------------------------------------------------------

    async def listing(self) -> Sequence[Instrument]:
        """Fetch US stocks and funds, crypto and currency pairs.

        Raises:
            TemporaryError: The provider is away or the plan's credits are spent.
            DataError: Its answer is not what it documents.
            ConfigError: There is no key.
        """
        bodies = {}
        for path in LISTINGS:
            here = [("country", "United States")] if path in {STOCKS, FUNDS} else []
            bodies[path] = await self._ask(path, here, f"{path} of {self.venue}")
        # Tens of thousands of entries: the loop must not stand still for them.
        listed = await asyncio.to_thread(parse_listings, bodies, self.venue)
        self._raws = {item.id: (path, raw) for path, item, raw in listed}
        instruments = [item for _, item, _ in listed]
        self.decoder.add_instruments(instruments)
        return instruments

    def listing_of(self, instruments: Sequence[Instrument]) -> Answer | None:
        """Return the entries of some instruments, and of the pairs whose names theirs yield to."""
        wanted = dict.fromkeys(item.id for item in instruments)
        wanted.update(
            dict.fromkeys(
                instrument_id(f"{item.base}-{item.quote}", self.venue) for item in instruments
            )
        )
        parts: dict[str, dict[str, list[msgspec.Raw]]] = {}
        for name in wanted:
            if name in self._raws:
                path, raw = self._raws[name]
                parts.setdefault(path, {"data": []})["data"].append(raw)
        return Answer(f"{self._rest_url}{LISTED}", msgspec.json.encode(parts)) if parts else None

    async def _series(self, params: list[tuple[str, str]], what: str) -> bytes:
        return await self._ask("/time_series", params, what)

    async def _ask(self, path: str, params: list[tuple[str, str]], what: str) -> bytes:
        if self._day is not None:
            wait_s = self._day.delay_s(1)
            if wait_s:
                raise TemporaryError(
                    f"{what}: the day's credits of {self.venue} are spent; more in {wait_s:.0f} s"
                )
            self._day.spend(1)
        try:
            reply = await ask(
                self._http, path, what=what, params=params,
                headers={"Authorization": f"apikey {self._key()}"},
                observe=self._observe, judge=refuse, patience_s=_PATIENCE_S,
            )  # fmt: skip
        except CreditsSpent as spent:
            now_s = self._clock.now_ns() / 1e9
            if spent.day and self._day is not None:
                self._day.block(_DAY_S - now_s % _DAY_S)
            self._minute.block(_MINUTE_S - now_s % _MINUTE_S)
            raise
        return reply.body

    def _observe(self, reply: HttpReply) -> None:
        """Adopt the provider's own count: other programs may use the key."""
        used = reply.headers.get("api-credits-used", "")
        left = reply.headers.get("api-credits-left", "")
        if left.isdigit() and int(left) == 0:
            self._minute.observe(self._per_minute)
        elif used.isdigit():
            self._minute.observe(int(used))

    def _key(self) -> str:
        key = self._settings.api_key.get_secret_value()
        if not key:
            raise ConfigError(
                f"feeds.{self.venue}.api_key must be set: {self.venue} gives no data without one; "
                "a free account has one"
            )
        return key


def _request(action: str, instruments: Sequence[Instrument]) -> str:
    symbols = ",".join(item.venue_symbol for item in instruments)
    return msgspec.json.encode({"action": action, "params": {"symbols": symbols}}).decode()


make_dialect: Final = TwelveDataDialect
"""How `core.feeds.registry` makes the dialect of a table of settings."""
