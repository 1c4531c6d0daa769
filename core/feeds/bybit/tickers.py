"""Tickers of Bybit: whole ones of spot and options, changes of all other derivatives."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Final

from core.feeds.bybit.frames import Ticker
from core.feeds.bybit.told import ID, SEQ
from core.feeds.decimals import Decimals, fraction
from core.feeds.decoder import Known
from core.feeds.slips import OwnedKnown
from core.model.errors import DataError
from core.model.ids import VenueName
from core.model.instruments import Instrument, InstrumentKind
from core.model.market import (
    DayTicker,
    MarketEvent,
    MarkPrice,
    OpenInterest,
    OptionGreeks,
    Quote,
)

_MS: Final = 1_000_000


class BybitKnown(OwnedKnown):
    """What decoding needs of one instrument, and what its frames told.

    Its book's owner is a connection and the hash of a topic.
    """

    __slots__ = (
        "ask", "bid", "day", "funding", "index", "interest", "mark", "quoted_ns", "settles_ns",
        "value",
    )  # fmt: skip

    def __init__(self, instrument: Instrument, key: str) -> None:
        super().__init__(instrument, key)
        self.quoted_ns = 0
        self.bid: tuple[int, int] | None = None
        self.ask: tuple[int, int] | None = None
        """Best prices as ticks and lots, of the book of one level."""
        self.forget()

    @property
    def numbers(self) -> tuple[int, int]:
        """Numbers of the newest book message, the first common to all depths."""
        return self.slip[SEQ], self.slip[ID]

    @numbers.setter
    def numbers(self, numbers: tuple[int, int]) -> None:
        self.slip[SEQ], self.slip[ID] = numbers

    def forget(self) -> None:
        """Start the statistics anew: a whole ticker comes."""
        self.day: list[Decimal | None] = [None] * 6
        self.mark: Decimal | None = None
        self.index: Decimal | None = None
        self.funding: Decimal | None = None
        self.settles_ns = 0
        self.interest: Decimal | None = None
        self.value: Decimal | None = None


class TickerReader:
    """Makes events of what a ticker changed, with what did not change beside it.

    Args:
        venue: For messages.
        resting: Reads the sizes of a best bid and ask.
    """

    def __init__(
        self, venue: VenueName, resting: Callable[[Known, str, str], tuple[int, int]]
    ) -> None:
        self._decimals = Decimals(f"value of {venue}")
        self._resting = resting

    def read(
        self, known: BybitKnown, row: Ticker, whole: bool, ts_ns: int, ts_recv_ns: int
    ) -> Sequence[MarketEvent]:
        """Return the events of a ticker.

        Raises:
            DataError: A value is no number.
        """
        if whole:
            known.forget()
        out: list[MarketEvent] = []
        if known.instrument.kind is InstrumentKind.OPTION:
            self._option(known, row, ts_ns, ts_recv_ns, out)
        if self._day(known, row):
            last, opened, high, low, volume, turnover = known.day
            out.append(
                DayTicker(
                    instrument_id=known.id,
                    ts_event_ns=ts_ns,
                    ts_recv_ns=ts_recv_ns,
                    last=last,
                    open=opened,
                    high=high,
                    low=low,
                    volume=volume,
                    # Of inverse contracts the turnover is in the base.
                    quote_volume=None if known.instrument.inverse else turnover,
                )
            )
        if self._marks(known, row):
            out.append(
                MarkPrice(
                    instrument_id=known.id,
                    ts_event_ns=ts_ns,
                    ts_recv_ns=ts_recv_ns,
                    mark=known.mark,
                    index=known.index,
                    funding_rate=known.funding,
                    next_funding_ns=known.settles_ns,
                )
            )
        if row.openInterest:
            known.interest = self._decimals[row.openInterest]
        if row.openInterestValue:
            known.value = self._decimals[row.openInterestValue]
        if (row.openInterest or row.openInterestValue) and known.interest is not None:
            out.append(
                OpenInterest(
                    instrument_id=known.id,
                    ts_event_ns=ts_ns,
                    ts_recv_ns=ts_recv_ns,
                    size=known.interest,
                    value=known.value,
                )
            )
        return out

    def _day(self, known: BybitKnown, row: Ticker) -> bool:
        """Take up what changed of the day and return whether anything did."""
        day, values = known.day, self._decimals
        changed = False
        if row.lastPrice is not None:
            day[0] = values[row.lastPrice]
            changed = True
        if row.prevPrice24h is not None:
            day[1] = values[row.prevPrice24h]
            changed = True
        if row.highPrice24h is not None:
            day[2] = values[row.highPrice24h]
            changed = True
        if row.lowPrice24h is not None:
            day[3] = values[row.lowPrice24h]
            changed = True
        if row.volume24h is not None:
            day[4] = values[row.volume24h]
            changed = True
        if row.turnover24h is not None:
            day[5] = values[row.turnover24h]
            changed = True
        return changed

    def _marks(self, known: BybitKnown, row: Ticker) -> bool:
        values = self._decimals
        changed = False
        if row.markPrice is not None:
            known.mark = values[row.markPrice]
            changed = True
        if row.indexPrice is not None:
            known.index = values[row.indexPrice]
            changed = True
        if row.fundingRate is not None:
            known.funding = values[row.fundingRate]
            changed = True
        if row.nextFundingTime is not None:
            known.settles_ns = _ms(row.nextFundingTime) * _MS
            changed = True
        return changed

    def _option(
        self, known: BybitKnown, row: Ticker, ts_ns: int, ts_recv_ns: int, out: list[MarketEvent]
    ) -> None:
        """Options have no book of one level; their ticker has the best prices."""
        if row.bidPrice and row.bidSize and row.askPrice and row.askSize:
            prices = known.prices
            bid, ask = prices[row.bidPrice], prices[row.askPrice]
            bid_lots, ask_lots = self._resting(known, row.bidSize, row.askSize)
            # Where nothing rests both are written as 0.
            if bid and ask and bid_lots and ask_lots:
                out.append(
                    Quote(known.id, ts_ns, ts_recv_ns, bid, bid_lots, ask, ask_lots, 0)
                )  # fmt: skip
        if row.markPriceIv is None:
            return
        out.append(
            OptionGreeks(
                instrument_id=known.id,
                ts_event_ns=ts_ns,
                ts_recv_ns=ts_recv_ns,
                mark_iv=fraction(row.markPriceIv),
                bid_iv=fraction(row.bidIv or ""),
                ask_iv=fraction(row.askIv or ""),
                delta=fraction(row.delta or ""),
                gamma=fraction(row.gamma or ""),
                vega=fraction(row.vega or ""),
                theta=fraction(row.theta or ""),
                rho=float("nan"),
                underlying=fraction(row.underlyingPrice or ""),
            )
        )


def _ms(text: str) -> int:
    if not text:
        return 0
    if not (text.isdigit() and text.isascii() and len(text) < 14):
        raise DataError(f"nextFundingTime must be milliseconds, was {text[:40]!r}")
    return int(text)
