"""How Alpha Vantage is spoken to: https://www.alphavantage.co/documentation/."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final
from urllib.parse import urlencode

import msgspec

from core.feeds.alphavantage.budget import DailyBudget
from core.feeds.alphavantage.cache import AnswerCache
from core.feeds.alphavantage.decoder import (
    ALPHAVANTAGE,
    LISTING,
    QUOTE,
    RATE,
    AlphaVantageDecoder,
    Lists,
)
from core.feeds.alphavantage.history import TableHistory
from core.feeds.alphavantage.refusals import AskedTooOften, refuse
from core.feeds.alphavantage.symbols import listing_rows, parse_listing
from core.feeds.answers import ask
from core.feeds.dialect import Answer, LineLimits, Poll, RestDialect
from core.model.errors import ConfigError, did_you_mean
from core.model.ids import InstrumentId, VenueName
from core.model.instruments import Instrument, InstrumentKind
from core.model.ports import Clock
from core.model.settings import FeedSettings
from core.wire.http import HttpSession
from core.wire.limits import WeightLimiter

HOST: Final = "https://www.alphavantage.co"

PLANS: Final = {"free": (5, 25), "premium": (75, 0)}
"""Questions a minute, and a day (0: no limit)."""

_POLLED_SHARE: Final = 0.8
"""Part of the budget that quotes may take; the rest is left to listing and history."""

_DAY_S: Final = 86_400.0
_HOUR_NS: Final = 3_600 * 1_000_000_000
_WEEK_NS: Final = 7 * 24 * _HOUR_NS
_POLL_S: Final = 15.0
_TIMEOUT_S: Final = 20.0
_PATIENCE_S: Final = 120.0
_INSTRUMENTS: Final = 100


class AlphaVantageDialect(RestDialect):
    """Questions and limits of Alpha Vantage; it has no stream.

    Args:
        settings: Key, plan and limits.
        clock: Says what a day is, and when the next quote may be asked for.
        data: Folder in which the budget and lasting answers are kept.
        venue: The name events carry.
    """

    streams = False
    images_by_rest = False
    polls = (Poll("quote", _POLL_S),)

    def __init__(
        self,
        settings: FeedSettings,
        *,
        clock: Clock,
        data: Path,
        venue: VenueName = ALPHAVANTAGE,
    ) -> None:
        """Open nothing yet.

        Raises:
            ConfigError: The plan is none of the provider's.
        """
        plan = settings.plan or "free"
        if plan not in PLANS:
            raise ConfigError(
                f"feeds.{venue}.plan must be one of {', '.join(PLANS)}, was {plan!r}"
                f"{did_you_mean(plan, PLANS)}; requests_per_minute says how large it is"
            )
        if settings.environment != "live":
            raise ConfigError(
                f"feeds.{venue}.environment must be live: {venue} has no other, "
                f"was {settings.environment!r}"
            )
        self.venue = venue
        self.decoder = AlphaVantageDecoder(venue)
        self.limits = LineLimits(instruments=_INSTRUMENTS, batch=_INSTRUMENTS, pace_s=0.0)
        self._settings = settings
        self._clock = clock
        self._base = settings.rest_url or HOST
        per_minute, per_day = PLANS[plan]
        per_minute = settings.requests_per_minute or per_minute
        per_day = settings.requests_per_day or per_day
        self.budget = (
            DailyBudget(data / f"{venue}-budget.json", clock, per_day) if per_day else None
        )
        """What may still be asked today; None: the plan has no such limit."""
        often = per_day / _DAY_S if per_day else per_minute / 60
        self._spacing_ns = int(1e9 / (often * _POLLED_SHARE))
        self._polled_ns = 0
        self._asked_ns: dict[InstrumentId, int] = {}
        self._limiter = WeightLimiter(clock=clock, capacity=per_minute)
        self._http = HttpSession(
            self._base, clock=clock, timeout_s=_TIMEOUT_S, limiter=self._limiter
        )
        self._cache = AnswerCache(data / str(venue), clock)
        self._history = TableHistory(self._ask, clock, self._cache)

    # -- connections -------------------------------------------------------------------------

    async def address(self, route: str) -> str:
        """Refuse: there is no stream.

        Raises:
            ConfigError: Always.
        """
        raise ConfigError(f"{self.venue} has no stream")

    def subscribe(self, route: str, instruments: Sequence[Instrument]) -> Sequence[str]:
        """Return what a tape shows of what is asked for from now on."""
        self._asked_ns.update((item.id, self._asked_ns.get(item.id, 0)) for item in instruments)
        return (_request("subscribe", instruments),)

    def unsubscribe(self, route: str, instruments: Sequence[Instrument]) -> Sequence[str]:
        """Return what a tape shows of what is asked for no longer."""
        for item in instruments:
            self._asked_ns.pop(item.id, None)
        return (_request("unsubscribe", instruments),)

    # -- REST --------------------------------------------------------------------------------

    async def listing(self) -> Sequence[Instrument]:
        """Read what the provider knows; asked for once a week, for it costs a question.

        Raises:
            TemporaryError: The provider is away or the budget is spent.
            DataError: Its answer is not what it documents.
            ConfigError: There is no key.
        """
        stocks = await self._kept("listing", [("function", "LISTING_STATUS")])
        coins = await self._kept_page("/digital_currency_list/")
        currencies = await self._kept_page("/physical_currency_list/")
        instruments = parse_listing(stocks, coins, currencies, self.venue)
        self.decoder.add_instruments(instruments)
        return instruments

    def listing_of(self, instruments: Sequence[Instrument]) -> Answer | None:
        """Return the lists, with some instruments alone."""
        lists = Lists(*(body.decode() for body in listing_rows(instruments)))
        return Answer(f"{self._base}{LISTING}", msgspec.json.encode(lists))

    async def poll(self, name: str, instrument: Instrument) -> Answer | None:
        """Ask for a quote, unless it is not yet this instrument's turn.

        The day's questions are spread over the day, each to the instrument asked the longest ago.

        Raises:
            TemporaryError: The provider is away or the budget is spent.
            DataError: A definite no.
            ConfigError: There is no key.
        """
        now_ns = self._clock.now_ns()
        mine_ns = self._asked_ns.setdefault(instrument.id, 0)
        if now_ns - self._polled_ns < self._spacing_ns or mine_ns > min(self._asked_ns.values()):
            return None
        self._polled_ns = self._asked_ns[instrument.id] = now_ns
        params = (
            [("function", QUOTE), ("symbol", instrument.venue_symbol)]
            if instrument.kind is InstrumentKind.STOCK
            else [
                ("function", RATE), ("from_currency", instrument.base),
                ("to_currency", instrument.quote),
            ]
        )  # fmt: skip
        body = await self._ask(params, f"quote of {instrument.id}")
        return Answer(f"{self._base}/query?{urlencode(params)}", body)

    async def _kept(self, name: str, params: list[tuple[str, str]]) -> bytes:
        body = self._cache.get(name, _WEEK_NS)
        if body is None:
            body = await self._ask(params, f"{name} of {self.venue}")
            self._cache.put(name, body)
        return body

    async def _kept_page(self, path: str) -> bytes:
        """Return a page that needs no key and counts as no question."""
        body = self._cache.get(path, _WEEK_NS)
        if body is None:
            what = f"{path} of {self.venue}"
            body = (await ask(self._http, path, what=what, patience_s=_PATIENCE_S)).body
            self._cache.put(path, body)
        return body

    async def _ask(self, params: list[tuple[str, str]], what: str) -> bytes:
        key = self._key()
        if self.budget is not None:
            self.budget.spend(what)
        try:
            reply = await ask(
                self._http, "/query", what=what, params=[*params, ("apikey", key)],
                judge=lambda body, what: refuse(body, what, key), patience_s=_PATIENCE_S,
            )  # fmt: skip
        except AskedTooOften as error:
            if error.day and self.budget is not None:
                self.budget.block(_HOUR_NS)
            self._limiter.block(60.0)
            raise
        return reply.body

    def _key(self) -> str:
        key = self._settings.api_key.get_secret_value()
        if not key:
            raise ConfigError(
                f"feeds.{self.venue}.api_key must be set: {self.venue} gives no data without one; "
                "a free one is at https://www.alphavantage.co/support/#api-key"
            )
        return key


def _request(action: str, instruments: Sequence[Instrument]) -> str:
    symbols = [item.venue_symbol for item in instruments]
    return msgspec.json.encode({"action": action, "symbols": symbols}).decode()


make_dialect: Final = AlphaVantageDialect
"""How `core.feeds.registry` makes the dialect of a table of settings."""
