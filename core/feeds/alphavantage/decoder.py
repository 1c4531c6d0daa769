"""Alpha Vantage's answers to market events."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from decimal import Decimal
from typing import Final
from urllib.parse import parse_qs, urlsplit

import msgspec

from core.feeds.alphavantage.refusals import refuse
from core.feeds.alphavantage.rule import PollRule
from core.feeds.alphavantage.symbols import parse_listing
from core.feeds.decimals import Decimals
from core.feeds.decoder import FeedDecoder
from core.feeds.stamps import Stamps
from core.model.errors import DataError, TemporaryError
from core.model.ids import VenueName
from core.model.instruments import Instrument
from core.model.market import DayTicker, MarketEvent, Quote
from core.model.ports import FrameKind

ALPHAVANTAGE: Final = VenueName("alphavantage")

QUOTE: Final = "GLOBAL_QUOTE"
RATE: Final = "CURRENCY_EXCHANGE_RATE"
LISTING: Final = "/listing"
"""End of the URL of the three lists in one answer, as only our own tapes have it."""

_UNSAID: Final = frozenset({"", "-", "None", "null"})


class Lists(msgspec.Struct):
    """The three lists of what there is."""

    stocks: str
    coins: str
    currencies: str


class _Quote(msgspec.Struct):
    symbol: str = msgspec.field(name="01. symbol")
    price: str = msgspec.field(name="05. price")
    open: str = msgspec.field(default="", name="02. open")
    high: str = msgspec.field(default="", name="03. high")
    low: str = msgspec.field(default="", name="04. low")
    volume: str = msgspec.field(default="", name="06. volume")


class _Rate(msgspec.Struct):
    base: str = msgspec.field(name="1. From_Currency Code")
    quote: str = msgspec.field(name="3. To_Currency Code")
    rate: str = msgspec.field(name="5. Exchange Rate")
    at: str = msgspec.field(name="6. Last Refreshed")
    zone: str = msgspec.field(name="7. Time Zone")
    bid: str = msgspec.field(default="", name="8. Bid Price")
    ask: str = msgspec.field(default="", name="9. Ask Price")


class _Answer(msgspec.Struct):
    quote: msgspec.Raw = msgspec.field(default=msgspec.Raw(), name="Global Quote")
    rate: msgspec.Raw = msgspec.field(default=msgspec.Raw(), name="Realtime Currency Exchange Rate")


class _Request(msgspec.Struct):
    action: str = ""
    symbols: list[str] = []


class AlphaVantageDecoder(FeedDecoder):
    """Decodes quotes of stocks and rates of currencies; series are history, which reads them.

    Args:
        venue: The name events carry.
        instruments: Steps; lists on the tape teach more.
    """

    def __init__(
        self, venue: VenueName = ALPHAVANTAGE, instruments: Collection[Instrument] = ()
    ) -> None:
        super().__init__(venue, PollRule(), instruments)
        self._decimals = Decimals(f"{venue} value")
        self._stamps = Stamps()

    def message(self, conn: int, ts_recv_ns: int, data: bytes) -> Sequence[MarketEvent]:
        """Refuse a message: there is no stream."""
        raise DataError(f"{self.venue} has no stream")

    def answer(self, ts_recv_ns: int, url: str, data: bytes) -> Sequence[MarketEvent]:
        """Read an answer by the function its URL asked for."""
        parts = urlsplit(url)
        if parts.path.endswith(LISTING):
            lists = msgspec.json.decode(data, type=Lists)
            self.add_instruments(
                parse_listing(
                    lists.stocks.encode(), lists.coins.encode(), lists.currencies.encode(),
                    self.venue,
                )
            )  # fmt: skip
            return ()
        asked = parse_qs(parts.query).get("function", [""])[0]
        if asked not in {QUOTE, RATE}:
            return ()
        try:
            refuse(data, f"{asked} of {self.venue}")
        except TemporaryError as error:
            raise DataError(str(error)) from None
        found = msgspec.json.decode(data, type=_Answer)
        return self._quote(found, ts_recv_ns) if asked == QUOTE else self._rate(found, ts_recv_ns)

    def sent(self, conn: int, ts_recv_ns: int, data: bytes) -> Sequence[MarketEvent]:
        """Read what is asked for from now on, or no longer."""
        request = msgspec.json.decode(data, type=_Request)
        named = [(symbol, "quote") for symbol in request.symbols]
        change = self.carry if request.action == "subscribe" else self.release
        return change(conn, ts_recv_ns, named)

    def label(
        self, kind: FrameKind, url: str, data: bytes, events: Sequence[MarketEvent]
    ) -> Sequence[str]:
        """Return the function that was asked."""
        return parse_qs(urlsplit(url).query).get("function", []) if kind == "http" else ()

    def _quote(self, found: _Answer, ts_recv_ns: int) -> Sequence[MarketEvent]:
        """Read a stock's quote; it names the day, not the time.

        ::

            {"Global Quote":{"01. symbol":"MSFT","02. open":"112.6300","03. high":"113.1700",
             "04. low":"110.6400","05. price":"112.1300","06. volume":"29062853",
             "07. latest trading day":"2018-10-05","08. previous close":"112.7900", ...}}
        """
        if not found.quote or bytes(found.quote) == b"{}":
            raise DataError("there is no quote of this symbol; check the symbol")
        quote = msgspec.json.decode(found.quote, type=_Quote)
        known = self.of(quote.symbol)
        return (
            DayTicker(
                instrument_id=known.id, ts_event_ns=0, ts_recv_ns=ts_recv_ns,
                last=self._price(quote.price, "price"), open=self._value(quote.open),
                high=self._value(quote.high), low=self._value(quote.low),
                volume=self._value(quote.volume),
            ),
        )  # fmt: skip

    def _rate(self, found: _Answer, ts_recv_ns: int) -> Sequence[MarketEvent]:
        """Read a rate of exchange, with bid and ask where it has them.

        ::

            {"Realtime Currency Exchange Rate":{"1. From_Currency Code":"USD", ...,
             "3. To_Currency Code":"JPY","5. Exchange Rate":"106.89000000",
             "6. Last Refreshed":"2020-05-03 20:50:48","7. Time Zone":"UTC",
             "8. Bid Price":"-","9. Ask Price":"-"}}
        """
        if not found.rate:
            raise DataError("there is no rate of this pair; check the symbol")
        rate = msgspec.json.decode(found.rate, type=_Rate)
        if rate.zone != "UTC":
            raise DataError(f"time zone of a rate must be UTC, was {rate.zone[:40]!r}")
        known = self.of(f"{rate.base}/{rate.quote}")
        ts_event_ns = self._stamps.ns(f"{rate.at.replace(' ', 'T')}Z")
        day = DayTicker(
            instrument_id=known.id,
            ts_event_ns=ts_event_ns,
            ts_recv_ns=ts_recv_ns,
            last=self._price(rate.rate, "rate"),
        )
        if rate.bid in _UNSAID or rate.ask in _UNSAID:
            return (day,)
        bid, ask = known.prices[rate.bid], known.prices[rate.ask]
        if not bid or not ask:
            return (day,)
        return day, Quote(known.id, ts_event_ns, ts_recv_ns, bid, 0, ask, 0, 0)

    def _price(self, text: str, what: str) -> Decimal:
        value = self._decimals.stated(text, what)
        if value <= 0:
            raise DataError(f"{what} must be above 0, was {text[:40]!r}")
        return value

    def _value(self, text: str) -> Decimal | None:
        return None if text in _UNSAID else self._decimals[text]
