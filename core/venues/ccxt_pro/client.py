"""One exchange of ccxt, and what its errors mean for an order.

::

    connect refused, no such host ─────────────► TemporaryError   nothing was sent
    429, wrong clock, banned ──────────────────► RateLimited      refused in front of the exchange
    no funds, bad order, not allowed ──────────► VenueError       refused, in the exchange's words
    timeout, reset, 5xx, unreadable, no reason ► OutcomeUnknown   it may have been done: ask
"""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Awaitable, Collection, Mapping
from contextvars import ContextVar
from decimal import Decimal
from types import ModuleType
from typing import Any, Final

from core.model.errors import (
    ClxError,
    ConfigError,
    OutcomeUnknown,
    RateLimited,
    TemporaryError,
    VenueError,
    did_you_mean,
)
from core.model.ids import VenueName
from core.model.instruments import Instrument, InstrumentKind
from core.model.ports import Clock
from core.model.settings import VenueSettings
from core.venues.ccxt_pro.overheard import overhear
from core.venues.ccxt_pro.ways import ways_of
from core.venues.kinds import check_both
from core.wire import ccxt_loader as loader
from core.wire.budget import Budgets
from core.wire.ccxt_connects import ConnectCounter
from core.wire.pace import Pace
from core.wire.troubles import never_connected
from core.wire.witness import Witness

_log = logging.getLogger(__name__)

_urgent: ContextVar[bool] = ContextVar("urgent", default=False)
"""Whether what is asked of ccxt now goes first; its own calls say nothing of it."""
_REST_S: Final = 1.0
"""Nobody asks for so long after the exchange said that it was too often."""
_QUERY: Final = re.compile(r"\?\S+")
_LONGEST: Final = 300
_TYPES: Final[Mapping[InstrumentKind, tuple[str, ...]]] = {
    InstrumentKind.SPOT: ("spot",),
    InstrumentKind.PERPETUAL: ("swap", "linear", "inverse"),
    InstrumentKind.FUTURE: ("future", "linear", "inverse"),
    InstrumentKind.OPTION: ("option",),
}
"""What ccxt may call the listings an instrument can be in."""


class CcxtClient:
    """Holds ccxt's object; everything asked of it goes through `ask`."""

    def __init__(
        self,
        name: VenueName,
        exchange: str,
        settings: VenueSettings,
        *,
        clock: Clock,
        paced: bool = True,
    ) -> None:
        """Import nothing yet.

        `paced`: requests are spread as the exchange wants, and counted with other programs'.

        Raises:
            ConfigError: ccxt is not installed or does not know the exchange, or a key is missing.
        """
        known = loader.exchanges()
        if exchange not in known:
            raise ConfigError(
                f"venues.{name}.kind: ccxt knows no exchange {exchange!r}"
                f"{did_you_mean(exchange, known)}"
            )
        for field in ("api_key", "api_secret"):
            if not getattr(settings, field).get_secret_value():
                raise ConfigError(
                    f"venues.{name}.{field} must be set to send orders, was empty; give the key "
                    'to `clx keys add` and name the account: account = "..."'
                )
        self.exchange = exchange
        self._name = name
        self._settings = settings
        self._ccxt: Any = None
        self._errors: ModuleType | None = None
        self._clock = clock
        self._paced = paced
        self.witness = Witness()
        """Sees what is sent and received."""
        self.off_time = asyncio.Event()
        """Set when the exchange refused something for its time stamp."""
        self._budgets: Budgets | None = None
        self._pace: Pace | None = None
        self._connects = ConnectCounter(exchange, clock)

    def __repr__(self) -> str:
        return f"CcxtClient({self.exchange!r}, api_key=***)"

    @property
    def ccxt(self) -> Any:
        """Ccxt's own object.

        Raises:
            TemporaryError: It is not loaded yet.
        """
        if self._ccxt is None:
            raise TemporaryError(f"{self._name}: ccxt's {self.exchange} is not loaded yet")
        return self._ccxt

    def load(self) -> None:
        """Import the exchange and make its object; blocks for a tenth of a second.

        Raises:
            ConfigError: The exchange has no such environment.
        """
        if self._ccxt is None:
            made = loader.load(self.exchange)
            self._errors = loader.errors()
            self._ccxt = self._point(made(self._config()))
            overhear(self._ccxt, self.witness, self._clock)
            self._connects.watch(self._ccxt)
            if self._paced:
                self._spread(self._ccxt)

    def share(self, budgets: Budgets) -> None:
        """Count requests and attempts to connect with all programs of the home that make some."""
        self._budgets = budgets
        self._connects.share(budgets)
        if self._pace is not None:
            self._pace.share(budgets, f"ccxt-{self.exchange}")

    async def open(self, instruments: Collection[Instrument]) -> None:
        """Fetch what the exchange lists, as far as the instruments are in it.

        Raises:
            TemporaryError: The exchange is away.
            VenueError: It refused to say.
        """
        await asyncio.to_thread(self.load)
        self._want(instruments)
        self.ccxt.open(True)
        # Whether a request is sent again is never a library's to decide.
        self.ccxt.session._retry_connection = False
        try:
            await self.ask("markets", self.ccxt.load_markets())
        except OutcomeUnknown as error:
            raise TemporaryError(str(error)) from None

    async def close(self) -> None:
        """Close the connections; the next question opens new ones."""
        if self._ccxt is not None:
            await self._ccxt.close()

    def market(self, instrument: Instrument) -> Mapping[str, Any]:
        """Return ccxt's market of an instrument.

        Raises:
            ConfigError: ccxt knows none, or one of another contract.
        """
        known = self.ccxt.markets or {}
        found = known.get(instrument.venue_symbol)
        if found is None:
            types = _TYPES.get(instrument.kind, ())
            rows = (self.ccxt.markets_by_id or {}).get(instrument.venue_symbol) or ()
            found = next((row for row in rows if row["type"] in types), None)
        if found is None:
            raise ConfigError(f"{self._name}: ccxt lists no {instrument.venue_symbol!r}")
        size = found.get("contractSize")
        told = size is not None and instrument.derivative
        if told and Decimal(str(size)) != instrument.contract_size:
            raise ConfigError(
                f"{self._name}: a contract of {instrument.id} is {size} to ccxt and "
                f"{instrument.contract_size} here: its sizes would be misread"
            )
        return dict(found)

    async def ask(self, what: str, question: Awaitable[Any]) -> Any:
        """Await something of ccxt and give its errors ours; see the module's table.

        Raises:
            TemporaryError: Certainly not sent.
            RateLimited: Refused for now.
            VenueError: Refused; the code is the name of ccxt's error.
            OutcomeUnknown: Anything else: it may have been carried out.
        """
        where = f"{what} of {self._name}"
        try:
            async with asyncio.timeout(self._settings.timeout_s * 4):
                return await question
        except TimeoutError:
            raise OutcomeUnknown(f"{where}: no answer") from None
        except Exception as error:
            # A library of a hundred exchanges can fail in any way, also after it has sent.
            raise self._ours(where, error) from None

    async def act(self, what: str, question: Awaitable[Any]) -> Any:
        """Await something about an order: as `ask`, before all that only wants to know."""
        told = _urgent.set(True)
        try:
            return await self.ask(what, question)
        finally:
            _urgent.reset(told)

    async def read(self, what: str, question: Awaitable[Any]) -> Any:
        """Await a question that changes nothing.

        Raises:
            TemporaryError: No usable answer; nothing is known.
            VenueError: The exchange's definite no.
        """
        try:
            return await self.ask(what, question)
        except (OutcomeUnknown, RateLimited) as error:
            raise TemporaryError(str(error)) from None

    def does(self, name: str) -> bool:
        """Return whether ccxt says that the exchange has something, not emulated."""
        return self.ccxt.has.get(name) is True

    def _ours(self, where: str, error: Exception) -> Exception:
        if isinstance(error, ClxError):
            return error
        errors, code, words = self._errors, type(error).__name__, plain(error)
        if errors is None or not isinstance(error, errors.BaseError):
            _log.warning("%s: ccxt failed with %s", where, words)
            return OutcomeUnknown(f"{where}: ccxt failed with {words}")
        if was_not_sent(error):
            return TemporaryError(f"{where}: not sent, {words}")
        if isinstance(error, errors.DuplicateOrderId):
            # An order of this very id is known: it lives, or lived.
            return OutcomeUnknown(f"{where}: {words}")
        if isinstance(
            error, errors.InvalidNonce | errors.DDoSProtection | errors.RateLimitExceeded
        ):
            if isinstance(error, errors.InvalidNonce):
                self.off_time.set()
            elif self._pace is not None:
                self._pace.block(_REST_S)
            return RateLimited(code, words, 0.0)
        # Unmapped codes of exchanges come as the bare class: some of them mean "not known".
        if type(error) is errors.ExchangeError or not isinstance(error, errors.ExchangeError):
            return OutcomeUnknown(f"{where}: {words}")
        return VenueError(code, words)

    def _config(self) -> dict[str, Any]:
        settings = self._settings
        keys = {
            "apiKey": settings.api_key.get_secret_value(),
            "secret": settings.api_secret.get_secret_value(),
            "password": settings.passphrase.get_secret_value(),
        }
        return {
            "enableRateLimit": self._paced,
            "newUpdates": True,
            # What ccxt reads stays the text the exchange wrote.
            "number": str,
            "timeout": int(settings.timeout_s * 1000),
            "options": {
                "maxRetriesOnFailure": 0,
                "adjustForTimeDifference": True,
                "recvWindow": settings.recv_window_ms,
                "fetchCurrencies": False,
                "fetchMargins": False,
                # Without a price it then refuses what it would take for an amount of money.
                "createMarketBuyOrderRequiresPrice": True,
                "warnOnFetchOpenOrdersWithoutSymbol": False,
                "fetchOrder": {"acknowledged": True},
                # Nobody reads what it would fetch beside the orders.
                "watchPositions": {
                    "fetchPositionsSnapshot": False,
                    "awaitPositionsSnapshot": False,
                },
                "watchBalance": {"fetchBalanceSnapshot": False, "awaitBalanceSnapshot": False},
                **ways_of(self.exchange).options,
            },
            **{name: value for name, value in keys.items() if value},
        }

    def _point(self, client: Any) -> Any:
        settings, errors = self._settings, self._errors
        check_both(self._name, settings)
        client.number = str
        try:
            if settings.environment == "testnet":
                client.set_sandbox_mode(True)
            elif settings.environment == "demo":
                client.enable_demo_trading(True)
        except Exception:
            raise ConfigError(
                f"venues.{self._name}.environment must be live: ccxt knows no "
                f"{settings.environment} of {self.exchange}"
            ) from None
        assert errors is not None
        bases = {"http": settings.rest_url, "ws": settings.ws_api_url}
        client.urls["api"] = loader.moved(client.urls["api"], bases)
        if settings.rest_url:
            client.hostname = re.sub(r"^https?://", "", settings.rest_url).partition("/")[0]
        return client

    def _spread(self, client: Any) -> None:
        """Put our count in the place of ccxt's, which others cannot see: a bucket of one request.

        An order that would wait for longer than an answer may take is refused instead.
        """
        rate = 1000.0 / float(client.rateLimit or 1000.0)
        pace = self._pace = Pace(clock=self._clock, rate=rate, burst=1.0)
        if self._budgets is not None:
            self.share(self._budgets)

        async def throttle(cost: float | None = None) -> None:
            weight = 1.0 if cost is None else float(cost)
            urgent = _urgent.get()
            try:
                async with asyncio.timeout(self._settings.timeout_s if urgent else None):
                    await pace.wait(weight, urgent=urgent)
            except TimeoutError:
                words = f"request budget of {self.exchange} is spent"
                raise RateLimited("local-limit", words, weight / rate) from None

        client.throttle = throttle

    def _want(self, instruments: Collection[Instrument]) -> None:
        """Let ccxt fetch only the kinds of listings that are traded, where it has a choice."""
        fetch = self.ccxt.options.get("fetchMarkets")
        types = fetch.get("types") if isinstance(fetch, dict) else None
        wanted = {name for item in instruments for name in _TYPES.get(item.kind, ())}
        if isinstance(types, list) and wanted.intersection(types):
            fetch["types"] = [name for name in types if name in wanted]


def was_not_sent(error: BaseException) -> bool:
    """Return whether a request failed before a connection was had."""
    return never_connected(error.__cause__)


def plain(error: BaseException) -> str:
    """Return an error on one line, without the queries of URLs: they hold signatures."""
    text = _QUERY.sub("?...", " ".join(str(error).split()))[:_LONGEST]
    name = type(error).__name__
    return f"{name}: {text}" if text else name
