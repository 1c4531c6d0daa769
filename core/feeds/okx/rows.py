"""Everything but books: the rows of OKX channels to market events."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final

from core.feeds.decimals import Decimals, fraction
from core.feeds.decoder import Known
from core.feeds.okx import frames
from core.feeds.okx.told import QUOTED_NS, SINGLE
from core.feeds.slips import OwnedKnown
from core.feeds.steps import OffStep
from core.model.errors import DataError
from core.model.ids import InstrumentId
from core.model.market import (
    DayTicker,
    Liquidation,
    MarketEvent,
    MarkPrice,
    OpenInterest,
    OptionGreeks,
    Quote,
    Side,
    Trade,
    TradesAbsent,
    VenueBar,
)

MS: Final = 1_000_000

BARS: Final = {
    "1s": "1s", "1m": "1m", "3m": "3m", "5m": "5m", "15m": "15m", "30m": "30m", "1H": "1h",
    "2H": "2h", "4H": "4h", "6Hutc": "6h", "12Hutc": "12h", "1Dutc": "1d", "1Wutc": "1w",
}  # fmt: skip
"""The venue's bars that are aligned to UTC; others keep the venue's name, such as ``1D``."""


class OkxKnown(OwnedKnown):
    """What decoding needs of one instrument, and what its frames told.

    Its book's owner is a connection and the place of a channel in `BOOKS`.
    """

    __slots__ = ()

    @property
    def quoted_ns(self) -> int:
        """Venue time of the newest quote: tickers lag behind the best prices."""
        return self.slip[QUOTED_NS]

    @quoted_ns.setter
    def quoted_ns(self, quoted_ns: int) -> None:
        self.slip[QUOTED_NS] = quoted_ns

    @property
    def single(self) -> bool:
        """Whether single fills come in, so the joined trades of the same fills do not count."""
        return self.slip[SINGLE] == 1

    @single.setter
    def single(self, single: bool) -> None:
        self.slip[SINGLE] = single

    def left(self, source: tuple[int, int]) -> None:
        """Note that a channel was left: if it brought the book, nothing does now."""
        if self.owner == source:
            self.owner = None


class Rows:
    """Turns rows into events.

    Args:
        values: Has the values of texts.
        of: Finds an instrument by the venue's symbol.
        index_id: Names the index of a pair such as ``BTC-USD``.
        followers: Names what we follow that hangs on an index.
        followed: Finds an instrument if we follow it, of channels that carry a whole kind.
        resting: Reads the sizes of a best bid and ask.
    """

    def __init__(
        self,
        values: Decimals,
        of: Callable[[str], OkxKnown],
        index_id: Callable[[str], InstrumentId],
        followers: Callable[[str], Iterable[InstrumentId]],
        followed: Callable[[str], OkxKnown | None],
        resting: Callable[[Known, str, str], tuple[int, int]],
    ) -> None:
        self.resting = resting
        self.of = of
        self.followed = followed
        self.index_id = index_id
        self.followers = followers
        self.decimals = values

    def top(self, rows: list[frames.Top], ts_recv_ns: int, arg: frames.Arg) -> list[MarketEvent]:
        """Return best prices; none while a side is empty, for half a quote is none."""
        known = self.of(arg.instId)
        out: list[MarketEvent] = []
        for row in rows:
            if not row.bids or not row.asks:
                continue
            bid, ask = row.bids[0], row.asks[0]
            known.quoted_ns = ts_ns = row.ts * MS
            prices = known.prices
            bid_lots, ask_lots = self.resting(known, bid.size, ask.size)
            out.append(
                Quote(
                    known.id, ts_ns, ts_recv_ns, prices[bid.price], bid_lots,
                    prices[ask.price], ask_lots, row.seqId,
                )
            )  # fmt: skip
        return out

    def trade(
        self, rows: list[frames.Trade], ts_recv_ns: int, arg: frames.Arg
    ) -> list[MarketEvent]:
        """Return trades, each of which may join fills of one taker at one price."""
        out: list[MarketEvent] = []
        for row in rows:
            known = self.of(row.instId)
            if not 0 < row.count <= row.tradeId:
                raise DataError(f"count of trade {row.tradeId} must be 1 or more, was {row.count}")
            if not known.single:
                out.append(self._made(row, known, ts_recv_ns, row.tradeId - row.count + 1))
        return out

    def fill(self, rows: list[frames.Trade], ts_recv_ns: int, arg: frames.Arg) -> list[MarketEvent]:
        """Return single fills, in whose stead joined ones no longer count."""
        out: list[MarketEvent] = []
        for row in rows:
            known = self.of(row.instId)
            known.single = True
            out.append(self._made(row, known, ts_recv_ns, 0))
        return out

    def missed(
        self, rows: list[frames.Trade], ts_recv_ns: int, known: OkxKnown, first: int, last: int
    ) -> list[MarketEvent]:
        """Return the fills that were asked for because they never came, oldest first."""
        out: list[MarketEvent] = [
            self._made(row, known, ts_recv_ns, 0 if known.single else row.tradeId)
            for row in reversed(rows)
            if first <= row.tradeId <= last
        ]
        return out or [
            TradesAbsent(
                instrument_id=known.id, ts_recv_ns=ts_recv_ns, first_id=first, last_id=last
            )
        ]

    def _made(self, row: frames.Trade, known: OkxKnown, ts_recv_ns: int, first: int) -> Trade:
        price, size = known.prices[row.px], known.sizes[row.sz]
        if not price or not size:
            raise DataError(f"trade {row.tradeId} must have a price and a size above 0")
        return Trade(
            known.id, row.ts * MS, ts_recv_ns, price, size, _side(row.side) is Side.SELL,
            row.tradeId, first,
        )  # fmt: skip

    def ticker(
        self, rows: list[frames.Ticker], ts_recv_ns: int, arg: frames.Arg
    ) -> list[MarketEvent]:
        """Return statistics of the day, and the best prices unless newer ones are known."""
        out: list[MarketEvent] = []
        values = self.decimals
        for row in rows:
            known = self.of(row.instId)
            ts_ns = row.ts * MS
            if ts_ns > known.quoted_ns and row.bidPx and row.askPx:
                known.quoted_ns = ts_ns
                prices = known.prices
                bid_lots, ask_lots = self.resting(known, row.bidSz, row.askSz)
                out.append(
                    Quote(
                        known.id, ts_ns, ts_recv_ns, prices[row.bidPx], bid_lots,
                        prices[row.askPx], ask_lots, 0,
                    )
                )  # fmt: skip
            spot = row.instType in ("SPOT", "MARGIN")
            out.append(
                DayTicker(
                    instrument_id=known.id,
                    ts_event_ns=ts_ns,
                    ts_recv_ns=ts_recv_ns,
                    last=values[row.last],
                    open=values[row.open24h],
                    high=values[row.high24h],
                    low=values[row.low24h],
                    volume=values[row.vol24h],
                    # Of derivatives this figure is in the base, which is no turnover.
                    quote_volume=values[row.volCcy24h] if spot else None,
                )
            )
        return out

    def mark(
        self, rows: list[frames.Mark], ts_recv_ns: int, arg: frames.Arg | None = None
    ) -> list[MarketEvent]:
        """Return mark prices."""
        return [
            MarkPrice(
                instrument_id=self.of(row.instId).id,
                ts_event_ns=row.ts * MS,
                ts_recv_ns=ts_recv_ns,
                mark=self.decimals.stated(row.markPx, "markPx"),
            )
            for row in rows
        ]

    def index(
        self, rows: list[frames.Index], ts_recv_ns: int, arg: frames.Arg | None = None
    ) -> list[MarketEvent]:
        """Return the price of an index, and that of all we follow that hangs on it."""
        out: list[MarketEvent] = []
        for row in rows:
            price = self.decimals.stated(row.idxPx, "idxPx")
            name, ts_ns = self.index_id(row.instId), row.ts * MS
            out += [
                MarkPrice(instrument_id=each, ts_event_ns=ts_ns, ts_recv_ns=ts_recv_ns, index=price)
                for each in (name, *self.followers(row.instId))
            ]
            out.append(
                DayTicker(
                    instrument_id=name,
                    ts_event_ns=ts_ns,
                    ts_recv_ns=ts_recv_ns,
                    last=price,
                    open=self.decimals[row.open24h],
                    high=self.decimals[row.high24h],
                    low=self.decimals[row.low24h],
                )
            )
        return out

    def funding(
        self, rows: list[frames.Funding], ts_recv_ns: int, arg: frames.Arg | None = None
    ) -> list[MarketEvent]:
        """Return funding rates."""
        return [
            MarkPrice(
                instrument_id=self.of(row.instId).id,
                ts_event_ns=row.ts * MS,
                ts_recv_ns=ts_recv_ns,
                funding_rate=self.decimals[row.fundingRate],
                next_funding_ns=row.fundingTime * MS,
            )
            for row in rows
        ]

    def interest(
        self, rows: list[frames.Interest], ts_recv_ns: int, arg: frames.Arg | None = None
    ) -> list[MarketEvent]:
        """Return open interests."""
        return [
            OpenInterest(
                instrument_id=self.of(row.instId).id,
                ts_event_ns=row.ts * MS,
                ts_recv_ns=ts_recv_ns,
                size=self.decimals.stated(row.oi, "oi"),
                value=self.decimals[row.oiUsd],
            )
            for row in rows
        ]

    def liquidation(
        self, rows: list[frames.Liquidation], ts_recv_ns: int, arg: frames.Arg
    ) -> list[MarketEvent]:
        """Return forced orders; the channel is of all contracts of a kind."""
        out: list[MarketEvent] = []
        for row in rows:
            known = self.followed(row.instId)
            if known is None:
                continue
            out += [
                Liquidation(
                    instrument_id=known.id,
                    ts_event_ns=one.ts * MS,
                    ts_recv_ns=ts_recv_ns,
                    side=_side(one.side),
                    price_ticks=_nearest(known, one.bkPx),
                    size_lots=known.sizes[one.sz],
                    lossy=True,
                )
                for one in row.details
            ]
        return out

    def summary(
        self, rows: list[frames.Summary], ts_recv_ns: int, arg: frames.Arg | None = None
    ) -> list[MarketEvent]:
        """Return greeks by Black and Scholes, in USD."""
        return [
            OptionGreeks(
                instrument_id=known.id,
                ts_event_ns=row.ts * MS,
                ts_recv_ns=ts_recv_ns,
                mark_iv=fraction(row.markVol),
                bid_iv=fraction(row.bidVol),
                ask_iv=fraction(row.askVol),
                delta=fraction(row.deltaBS),
                gamma=fraction(row.gammaBS),
                vega=fraction(row.vegaBS),
                theta=fraction(row.thetaBS),
                rho=float("nan"),
                underlying=fraction(row.fwdPx),
            )
            for row in rows
            if (known := self.followed(row.instId)) is not None
        ]

    def candle(
        self, rows: list[frames.Candle], ts_recv_ns: int, arg: frames.Arg
    ) -> list[MarketEvent]:
        """Return candles; old frames do not say whether one is closed."""
        known = self.of(arg.instId)
        bar = arg.channel.removeprefix("candle")
        out: list[MarketEvent] = []
        for row in rows:
            if len(row) < 6 or not (row[0].isdigit() and row[0].isascii() and len(row[0]) < 15):
                raise DataError(
                    f"candle must be [ms, o, h, l, c, volume, ...], was {str(row)[:80]}"
                )
            prices = known.prices
            out.append(
                VenueBar(
                    known.id, BARS.get(bar, bar), int(row[0]) * MS, ts_recv_ns, prices[row[1]],
                    prices[row[2]], prices[row[3]], prices[row[4]], known.sizes[row[5]],
                    len(row) > 8 and row[8] == "1",
                )
            )  # fmt: skip
        return out


def _side(text: str) -> Side:
    if text == "buy":
        return Side.BUY
    if text == "sell":
        return Side.SELL
    raise DataError(f"side must be buy or sell, was {text[:40]!r}")


def _nearest(known: OkxKnown, text: str) -> int:
    """Return a bankruptcy price, which is computed and need not be a whole number of ticks."""
    try:
        return known.prices[text]
    except OffStep:
        return known.prices.nearest(text)
