"""Tickers of Bybit: whole ones of spot and options, changes of all other derivatives."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from decimal import Decimal
from typing import Final

from core.feeds.bybit.forms import (
    HIGH,
    INDEX,
    INTEREST,
    LAST,
    LOW,
    MARK,
    OPENED,
    RATE,
    STATED,
    TURNOVER,
    VOLUME,
    WORTH,
)
from core.feeds.bybit.frames import Ticker
from core.feeds.bybit.told import ID, INVERSE, LIST, SEQ, SETTLES_NS
from core.feeds.decimals import Decimals, fraction
from core.feeds.decoder import Known
from core.feeds.slips import OwnedKnown
from core.model.errors import DataError
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

    __slots__ = ("ask", "bid", "quoted_ns", "stated")

    def __init__(self, instrument: Instrument, key: str) -> None:
        super().__init__(instrument, key)
        self.quoted_ns = 0
        self.bid: tuple[int, int] | None = None
        self.ask: tuple[int, int] | None = None
        """Best prices as ticks and lots, of the book of one level."""
        self.stated: list[Decimal | None] = [None] * len(STATED)
        """What tickers stated; always the same list, for the kernel holds on to it."""
        # Those of options tell more.
        self.slip[LIST] = 0 if instrument.kind is InstrumentKind.OPTION else id(self.stated)
        self.slip[INVERSE] = instrument.inverse

    @property
    def numbers(self) -> tuple[int, int]:
        """Numbers of the newest book message, the first common to all depths."""
        return self.slip[SEQ], self.slip[ID]

    @numbers.setter
    def numbers(self, numbers: tuple[int, int]) -> None:
        self.slip[SEQ], self.slip[ID] = numbers

    @property
    def settles_ns(self) -> int:
        """When funding is due next, 0 where that was not said."""
        return self.slip[SETTLES_NS]

    @settles_ns.setter
    def settles_ns(self, settles_ns: int) -> None:
        self.slip[SETTLES_NS] = settles_ns

    def forget(self) -> None:
        """Start the statistics anew: a whole ticker comes."""
        self.stated[:] = [None] * len(STATED)
        self.settles_ns = 0


class TickerReader:
    """Makes events of what a ticker changed, with what did not change beside it.

    Args:
        values: Has the values of texts.
        resting: Reads the sizes of a best bid and ask.
    """

    def __init__(
        self, values: Decimals, resting: Callable[[Known, str, str], tuple[int, int]]
    ) -> None:
        self._decimals = values
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
        stated = known.stated
        if self._day(known, row):
            out.append(
                DayTicker(
                    instrument_id=known.id,
                    ts_event_ns=ts_ns,
                    ts_recv_ns=ts_recv_ns,
                    last=stated[LAST],
                    open=stated[OPENED],
                    high=stated[HIGH],
                    low=stated[LOW],
                    volume=stated[VOLUME],
                    # Of inverse contracts the turnover is in the base.
                    quote_volume=None if known.instrument.inverse else stated[TURNOVER],
                )
            )
        if self._marks(known, row):
            out.append(
                MarkPrice(
                    instrument_id=known.id,
                    ts_event_ns=ts_ns,
                    ts_recv_ns=ts_recv_ns,
                    mark=stated[MARK],
                    index=stated[INDEX],
                    funding_rate=stated[RATE],
                    next_funding_ns=known.settles_ns,
                )
            )
        if row.openInterest:
            stated[INTEREST] = self._decimals[row.openInterest]
        if row.openInterestValue:
            stated[WORTH] = self._decimals[row.openInterestValue]
        size = stated[INTEREST]
        if (row.openInterest or row.openInterestValue) and size is not None:
            out.append(
                OpenInterest(
                    instrument_id=known.id,
                    ts_event_ns=ts_ns,
                    ts_recv_ns=ts_recv_ns,
                    size=size,
                    value=stated[WORTH],
                )
            )
        return out

    def _day(self, known: BybitKnown, row: Ticker) -> bool:
        """Take up what changed of the day and return whether anything did."""
        day = (
            (LAST, row.lastPrice), (OPENED, row.prevPrice24h), (HIGH, row.highPrice24h),
            (LOW, row.lowPrice24h), (VOLUME, row.volume24h), (TURNOVER, row.turnover24h),
        )  # fmt: skip
        return self._changed(known, day)

    def _marks(self, known: BybitKnown, row: Ticker) -> bool:
        marks = (MARK, row.markPrice), (INDEX, row.indexPrice), (RATE, row.fundingRate)
        changed = self._changed(known, marks)
        if row.nextFundingTime is None:
            return changed
        known.settles_ns = _ms(row.nextFundingTime) * _MS
        return True

    def _changed(self, known: BybitKnown, texts: Iterable[tuple[int, str | None]]) -> bool:
        changed = False
        for place, text in texts:
            if text is not None:
                known.stated[place] = self._decimals[text]
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
