"""One client's look at the market: at each frame, what changed since its last."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Final, Protocol

import msgspec
import numpy as np

from core.engine.banks import known_specs, run
from core.engine.demand import Series
from core.engine.forecasts import Forecasts
from core.engine.listing import Listing
from core.engine.market import MarketState
from core.engine.profile import EVERY_NS, MAX_ROWS, book_profile
from core.engine.quotes import QuoteBoard
from core.engine.series import Columns
from core.engine.wants import Wants
from core.indicators.bank import Bank
from core.model.ids import InstrumentId
from core.model.market import FormingBar, Trade
from core.model.ports import Clock
from core.model.views import (
    BarColumns,
    BookProfile,
    BookView,
    Chart,
    ChartTail,
    ChartWish,
    MarketFrame,
    QuoteLine,
    TapeRow,
    View,
)

MAX_TAPE_ROWS: Final = 100
MAX_BARS: Final = 5000
MAX_DEPTH: Final = 500
MAX_CHARTS: Final = 3
"""Charts beside the main one."""
_AGE_NS: Final = 1_000_000_000
"""A line that only grew older is sent again this seldom."""
_NO_BARS: Final = BarColumns(ts_open_ns=[], open=[], high=[], low=[], close=[], volume=[])


class Room(Protocol):
    """What a look at the market reads of the engine."""

    market: MarketState
    quotes: QuoteBoard
    forecasts: Forecasts
    clock: Clock
    listing: Listing
    wants: Wants


class ClientView:
    """What one client looks at, and how much of it it has seen."""

    def __init__(
        self,
        room: Room,
        wanted: Callable[[View | None], None],
        unlisted: Callable[[Collection[InstrumentId]], None] | None = None,
    ) -> None:
        """`wanted` is told each new view, and None at the end; `unlisted` what no venue lists."""
        self._room = room
        self._wanted = wanted
        self._unlisted = unlisted
        self._asked = View()
        self._listed = 0
        self._view = View()
        """What was asked for, as far as it is known."""
        self._lines: dict[InstrumentId, tuple[int, QuoteLine]] = {}
        self._chart: _ChartCursor | None = None
        self._more: dict[ChartWish, _ChartCursor] = {}
        self._book_id = -1
        self._profile: tuple[int, int] = (0, -1)
        """When the last profile was sent, and of which state of the book."""
        self._last_trade: Trade | None = None

    def watch(self, view: View) -> None:
        """Replace what is looked at; instruments not listed yet join as soon as they are."""
        self._asked, self._listed = view, len(self._room.listing.instruments)
        market = self._room.market
        if self._unlisted is not None:
            looked = (*view.quotes, *((view.focus,) if view.focus is not None else ()))
            self._unlisted([name for name in looked if name not in market])
        view = msgspec.structs.replace(
            view,
            focus=view.focus if view.focus is not None and view.focus in market else None,
            quotes=tuple(name for name in dict.fromkeys(view.quotes) if name in market),
            bars=min(MAX_BARS, max(1, view.bars)),
            depth=min(MAX_DEPTH, max(0, view.depth)),
            charts=_distinct(view),
            profile_rows=min(MAX_ROWS, max(0, view.profile_rows)),
        )
        if view.focus != self._view.focus or view.depth != self._view.depth:
            self._book_id = -1
        if view.focus != self._view.focus or view.tape != self._view.tape:
            self._last_trade = None
        self._lines.clear()
        self._wanted(view)
        charted = ("focus", "timeframe", "bars", "indicators")
        if any(getattr(view, name) != getattr(self._view, name) for name in charted):
            self._chart = None
        if view.focus != self._view.focus:
            self._more.clear()
        if _profiled(view) != _profiled(self._view):
            self._profile = (0, -1)
        self._view = view
        self._open_charts(view)

    def _open_charts(self, view: View) -> None:
        focus = view.focus
        if focus is None:
            self._more.clear()
            return
        if self._chart is None:
            series = (focus, view.timeframe)
            self._chart = _ChartCursor(self._room, series, view.bars, view.indicators)
        kept, self._more = self._more, {}
        for wish in view.charts:
            series = (focus, wish.timeframe)
            self._more[wish] = kept.get(wish) or _ChartCursor(
                self._room, series, wish.bars, wish.indicators
            )

    def close(self) -> None:
        """Look no longer."""
        self._view = View()
        self._chart = None
        self._more.clear()
        self._wanted(None)

    def next_frame(self) -> MarketFrame | None:
        """Return what changed since the last call, None when nothing did."""
        if len(self._room.listing.instruments) != self._listed:
            self.watch(self._asked)
        now_ns = self._room.clock.now_ns()
        quotes = self._changed_lines(now_ns)
        book = self._changed_book()
        rows, skipped = self._new_trades()
        chart, tail = self._chart.advance() if self._chart is not None else (None, None)
        more = [cursor.advance() for cursor in self._more.values()]
        charts = [whole for whole, _ in more if whole is not None]
        tails = [part for _, part in more if part is not None]
        profile = self._new_profile(now_ns)
        news = (quotes, rows, charts, tails, book, chart, tail, profile)
        if not any(news):
            return None
        return MarketFrame(
            ts_ns=now_ns,
            quotes=quotes,
            book=book,
            tape=rows,
            tape_skipped=skipped,
            chart=chart,
            tail=tail,
            charts=charts,
            tails=tails,
            profile=profile,
        )

    def _changed_lines(self, now_ns: int) -> list[QuoteLine]:
        names = self._view.quotes
        if self._view.focus is not None and self._view.focus not in names:
            names = (*names, self._view.focus)
        changed: list[QuoteLine] = []
        for name in names:
            line = self._room.quotes.line(name, now_ns)
            sent_ns, sent = self._lines.get(name, (0, None))
            if sent is None or now_ns - sent_ns >= _AGE_NS or not _same_market(line, sent):
                self._lines[name] = (now_ns, line)
                changed.append(line)
        return changed

    def _changed_book(self) -> BookView | None:
        focus, market = self._view.focus, self._room.market
        if focus is None or not self._view.depth or not market.trusted(focus):
            return None
        book = market.book(focus)
        if book.last_id == self._book_id:
            return None
        self._book_id = book.last_id
        return book_view(market, focus, self._view.depth)

    def _new_profile(self, now_ns: int) -> BookProfile | None:
        view, market = self._view, self._room.market
        if view.focus is None or not view.profile_rows or view.profile_step <= 0:
            return None
        sent_ns, sent_id = self._profile
        if now_ns - sent_ns < EVERY_NS or not market.trusted(view.focus):
            return None
        book_id = market.book(view.focus).last_id
        if book_id == sent_id and now_ns - sent_ns < _AGE_NS:
            return None
        self._profile = (now_ns, book_id)
        return book_profile(market, view.focus, view.profile_step, view.profile_rows, now_ns)

    def _new_trades(self) -> tuple[list[TapeRow], int]:
        if self._view.focus is None or not self._view.tape:
            return [], 0
        trades = self._room.market.trades(self._view.focus)
        rows: list[TapeRow] = []
        skipped = 0
        for trade in reversed(trades):
            if trade is self._last_trade:
                break
            if len(rows) < MAX_TAPE_ROWS:
                rows.append(
                    TapeRow(
                        trade.ts_event_ns, trade.price_ticks, trade.size_lots, trade.buyer_is_maker
                    )
                )
            else:
                skipped += 1
        first = self._last_trade is None
        if trades:
            self._last_trade = trades[-1]
        rows.reverse()
        return rows, 0 if first else skipped


class _ChartCursor:
    """A client's place in a chart, with a bank of its own that follows the closed bars."""

    def __init__(self, room: Room, series: Series, bars: int, indicators: tuple[str, ...]) -> None:
        self._room = room
        self._series = series
        self._bars = bars
        self._bank = Bank(known_specs(indicators))
        self._scale = room.listing.scale(series[0])
        self._version = -1
        self._loading = False
        self._newest_ns = -1
        self._predictions = 0
        self._forming: FormingBar | None = None

    def advance(self) -> tuple[Chart | None, ChartTail | None]:
        """Return the whole chart when it must be drawn anew, else what was added to it."""
        market = self._room.market
        version = market.bars_version(*self._series)
        loading = self._room.wants.loading(self._series)
        if self._version < 0 or loading != self._loading:
            return self._whole(version, loading), None
        columns = market.bars(*self._series)
        fresh = len(columns.ts_open_ns) - int(
            np.searchsorted(columns.ts_open_ns, self._newest_ns, side="right")
        )
        if version != self._version + fresh:
            # Something before the end changed: a repair, or a late trade.
            return self._whole(version, loading), None
        self._version = version
        return None, self._tail(columns, fresh)

    def _whole(self, version: int, loading: bool) -> Chart:
        columns = self._room.market.bars(*self._series)
        self._version, self._loading = version, loading
        self._newest_ns = int(columns.ts_open_ns[-1]) if len(columns.ts_open_ns) else -1
        self._forming = None
        self._predictions = self._room.forecasts.version.get(self._series, 0)
        self._bank, chart = make_chart(
            self._room, self._series, columns, self._bank.names, self._bars, loading=loading
        )
        return chart

    def _tail(self, columns: Columns, fresh: int) -> ChartTail | None:
        forming = self._room.market.forming(*self._series)
        made = self._room.forecasts.version.get(self._series, 0)
        if not fresh and forming == self._forming and made == self._predictions:
            return None
        predictions = self._room.forecasts.newest(self._series, made - self._predictions)
        self._predictions, self._forming = made, forming
        closed, outputs = _NO_BARS, dict[str, list[float]]()
        if fresh:
            newest = Columns(*(getattr(columns, name)[-fresh:] for name in _COLUMNS))
            self._newest_ns = int(newest.ts_open_ns[-1])
            values = run(self._bank, newest, self._scale).tolist()
            outputs = dict(zip(self._bank.names, values, strict=True))
            closed = bar_columns(newest)
        return ChartTail(
            instrument_id=self._series[0],
            timeframe=self._series[1],
            closed=closed,
            indicators=outputs,
            predictions=predictions,
            forming=forming,
        )


_COLUMNS: Final = Columns.__struct_fields__


def make_chart(
    room: Room,
    series: Series,
    columns: Columns,
    specs: tuple[str, ...],
    limit: int,
    *,
    loading: bool,
) -> tuple[Bank, Chart]:
    """Return a chart of the newest `limit` bars and the bank that has seen all of them.

    Raises:
        ConfigError: An expression is not the catalogue's.
    """
    bank = Bank(specs)
    values = run(bank, columns, room.listing.scale(series[0]))[:, -limit:]
    shown = Columns(*(getattr(columns, name)[-limit:] for name in _COLUMNS))
    since_ns = int(shown.ts_open_ns[0]) if len(shown.ts_open_ns) else 0
    chart = Chart(
        instrument_id=series[0],
        timeframe=series[1],
        bars=bar_columns(shown),
        indicators=dict(zip(bank.names, values.tolist(), strict=True)),
        predictions=room.forecasts.recent(series, since_ns),
        loading=loading,
    )
    return bank, chart


def bar_columns(columns: Columns) -> BarColumns:
    """Return bars as clients get them."""
    return BarColumns(
        ts_open_ns=columns.ts_open_ns.tolist(),
        open=columns.open.tolist(),
        high=columns.high.tolist(),
        low=columns.low.tolist(),
        close=columns.close.tolist(),
        volume=columns.volume.tolist(),
    )


def book_view(market: MarketState, instrument_id: InstrumentId, depth: int) -> BookView:
    """Return the top of a book as clients get it."""
    book = market.book(instrument_id)
    bids, asks = book.top(depth)
    return BookView(
        instrument_id=instrument_id,
        bids=[(ticks, lots) for ticks, lots in bids.tolist()],
        asks=[(ticks, lots) for ticks, lots in asks.tolist()],
        last_id=book.last_id,
    )


def _distinct(view: View) -> tuple[ChartWish, ...]:
    """Return the charts wanted beside the main one, each of a timeframe of its own."""
    by_frame = {wish.timeframe: wish for wish in view.charts if wish.timeframe != view.timeframe}
    return tuple(
        msgspec.structs.replace(wish, bars=min(MAX_BARS, max(1, wish.bars)))
        for wish in list(by_frame.values())[:MAX_CHARTS]
    )


def _profiled(view: View) -> tuple[InstrumentId | None, int, int]:
    return view.focus, view.profile_step, view.profile_rows


def _same_market(line: QuoteLine, other: QuoteLine) -> bool:
    return msgspec.structs.replace(line, age_ms=other.age_ms) == other
