"""A client's copy of the engine's state, fed by snapshot, sequenced facts and market frames."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from decimal import Decimal
from typing import Final, TypeAlias, assert_never

from core.model.accounts import Balance, LimitUse, Position, PositionKey
from core.model.errors import InvariantError
from core.model.executors import ExecutorView
from core.model.ids import ClientOrderId, InstrumentId, ModelId, StrategyId, VenueName
from core.model.instruments import Instrument
from core.model.market import FormingBar, Timeframe
from core.model.orders import Order, OrderFilled
from core.model.signals import Prediction, Signal
from core.model.views import (
    AccountChanged,
    Alert,
    AlertRaised,
    BookProfile,
    BookView,
    Chart,
    ChartTail,
    EngineSnapshot,
    EngineStatus,
    ExecutorChanged,
    Fact,
    FeedChanged,
    FeedView,
    FillAdded,
    InstrumentsChanged,
    MarketFrame,
    ModelChanged,
    ModelView,
    OrderChanged,
    PositionChanged,
    QuoteLine,
    SignalRaised,
    StatusChanged,
    StrategyChanged,
    StrategyView,
    TapeRow,
    VenueChanged,
    VenueView,
    WatchGroup,
)

Topic: TypeAlias = str
"""The name of something that changed; one of `ALL_TOPICS`."""

FACT_TOPICS: Final = (
    "status orders fills positions account feeds venues "
    "strategies signals models alerts instruments executors"
)
MARKET_TOPICS: Final = "quotes book tape chart forming charts formings profile"
ALL_TOPICS: Final[frozenset[Topic]] = frozenset(f"{FACT_TOPICS} {MARKET_TOPICS}".split())
MAX_ENDED_ORDERS: Final = 500
MAX_FILLS: Final = 500
MAX_SIGNALS: Final = 200
MAX_ALERTS: Final = 100
MAX_EXECUTORS: Final = 200
MAX_TAPE: Final = 500
MAX_BARS: Final = 5000


class Replica:
    """Plain state; readers never change it. `take_dirty` tells what to repaint."""

    def __init__(self) -> None:
        self.seq = 0
        self.status: EngineStatus | None = None
        self.instruments: dict[InstrumentId, Instrument] = {}
        self.watchlist: tuple[InstrumentId, ...] = ()
        self.groups: tuple[WatchGroup, ...] = ()
        self.orders: dict[ClientOrderId, Order] = {}
        """Oldest first."""
        self.fills: deque[OrderFilled] = deque(maxlen=MAX_FILLS)
        self.positions: dict[PositionKey, Position] = {}
        """By instrument, side and account; see `position_in`."""
        self.balances: tuple[Balance, ...] = ()
        self.equity = Decimal(0)
        self.day_pnl = Decimal(0)
        self.limits: tuple[LimitUse, ...] = ()
        self.feeds: dict[InstrumentId, FeedView] = {}
        self.venues: dict[VenueName, VenueView] = {}
        self.strategies: dict[StrategyId, StrategyView] = {}
        self.models: dict[ModelId, ModelView] = {}
        self.signals: deque[Signal] = deque(maxlen=MAX_SIGNALS)
        self.alerts: deque[Alert] = deque(maxlen=MAX_ALERTS)
        self.executors: dict[str, ExecutorView] = {}
        """Oldest first."""
        self.quotes: dict[InstrumentId, QuoteLine] = {}
        self.book: BookView | None = None
        self.tape: deque[TapeRow] = deque(maxlen=MAX_TAPE)
        self.tape_skipped = 0
        self.chart: Chart | None = None
        self.forming: FormingBar | None = None
        self.charts: dict[Timeframe, Chart] = {}
        """The charts beside the main one, of the same instrument."""
        self.formings: dict[Timeframe, FormingBar] = {}
        self.profile: BookProfile | None = None
        self.frame_ts_ns = 0
        """Engine time of the newest market frame."""
        self._dirty: set[Topic] = set()
        self._chart_told: Callable[[], object] | None = None

    def take_dirty(self) -> set[Topic]:
        """Return the topics changed since the last call, and forget them."""
        dirty, self._dirty = self._dirty, set()
        return dirty

    def when_charted(self, tell: Callable[[], object]) -> None:
        """Call once when there is a chart that was not taken yet; the newest who asked is told."""
        if "chart" in self._dirty:
            tell()
        else:
            self._chart_told = tell

    def position_in(self, instrument_id: InstrumentId | None) -> Position | None:
        """Return the open position in an instrument, the first where there are several."""
        found = [item for item in self.positions.values() if item.instrument_id == instrument_id]
        return next((item for item in found if item.size), found[0] if found else None)

    def apply_snapshot(self, snapshot: EngineSnapshot) -> None:
        """Start anew from a snapshot; market data is kept until new frames replace it."""
        self.seq = snapshot.seq
        self.status = snapshot.status
        self.instruments = {item.id: item for item in snapshot.instruments}
        self.watchlist = snapshot.watchlist
        self.groups = snapshot.groups
        self.orders = {order.id: order for order in snapshot.orders}
        self.fills = deque(snapshot.fills, MAX_FILLS)
        self.positions = {item.key: item for item in snapshot.positions}
        self.balances = snapshot.balances
        self.equity = snapshot.equity
        self.day_pnl = snapshot.day_pnl
        self.limits = snapshot.limits
        self.feeds = {item.instrument_id: item for item in snapshot.feeds}
        self.venues = {item.venue: item for item in snapshot.venues}
        self.strategies = {item.info.id: item for item in snapshot.strategies}
        self.models = {item.info.id: item for item in snapshot.models}
        self.signals = deque(snapshot.signals, MAX_SIGNALS)
        self.alerts = deque(snapshot.alerts, MAX_ALERTS)
        self.executors = {item.plan.id: item for item in snapshot.executors}
        self._dirty |= ALL_TOPICS

    def apply_fact(self, seq: int, fact: Fact) -> None:  # noqa: C901  one case per fact
        """Apply the next fact.

        Raises:
            InvariantError: `seq` is not the next one; the link must ask for a snapshot.
        """
        if seq != self.seq + 1:
            raise InvariantError(f"fact {seq} does not follow {self.seq}")
        self.seq = seq
        match fact:
            case StatusChanged():
                self.status = fact.status
                self._dirty.add("status")
            case InstrumentsChanged():
                self.instruments = {item.id: item for item in fact.instruments}
                self.watchlist = fact.watchlist
                self.groups = fact.groups
                self._dirty.add("instruments")
            case OrderChanged():
                self._keep_order(fact.order)
            case FillAdded():
                self.fills.append(fact.fill)
                self._dirty.add("fills")
            case PositionChanged():
                self.positions[fact.position.key] = fact.position
                self._dirty.add("positions")
            case AccountChanged():
                self.balances, self.limits = fact.balances, fact.limits
                self.equity, self.day_pnl = fact.equity, fact.day_pnl
                self._dirty.add("account")
            case FeedChanged():
                self.feeds[fact.feed.instrument_id] = fact.feed
                self._dirty.add("feeds")
            case VenueChanged():
                self.venues[fact.venue.venue] = fact.venue
                self._dirty.add("venues")
            case StrategyChanged():
                self.strategies[fact.strategy.info.id] = fact.strategy
                self._dirty.add("strategies")
            case SignalRaised():
                self.signals.append(fact.signal)
                self._dirty.add("signals")
            case ModelChanged():
                self.models[fact.model.info.id] = fact.model
                self._dirty.add("models")
            case AlertRaised():
                self.alerts.append(fact.alert)
                self._dirty.add("alerts")
            case ExecutorChanged():
                self._keep_executor(fact.executor)
            case _:
                assert_never(fact)

    def apply_frame(self, frame: MarketFrame) -> None:
        """Apply what changed in the market since the last frame."""
        self.frame_ts_ns = frame.ts_ns
        # The chart first: one of another instrument clears the old book and tape.
        if frame.chart is not None:
            self._new_chart(frame.chart)
        if frame.quotes:
            for line in frame.quotes:
                self.quotes[line.instrument_id] = line
            self._dirty.add("quotes")
        if frame.book is not None:
            self.book = frame.book
            self._dirty.add("book")
        if frame.tape:
            self.tape.extend(frame.tape)
            self.tape_skipped += frame.tape_skipped
            self._dirty.add("tape")
        if frame.tail is not None and self.chart is not None:
            if self._extend(self.chart, frame.tail):
                self._dirty.add("chart")
            if _of(self.chart, frame.tail):
                self.forming = frame.tail.forming
                self._dirty.add("forming")
        if frame.charts or frame.tails:
            self._more_charts(frame)
        if frame.profile is not None:
            self.profile = frame.profile
            self._dirty.add("profile")

    def _keep_order(self, order: Order) -> None:
        self.orders[order.id] = order
        ended = [key for key, known in self.orders.items() if known.state.terminal]
        for key in ended[: max(0, len(ended) - MAX_ENDED_ORDERS)]:
            del self.orders[key]
        self._dirty.add("orders")

    def _keep_executor(self, view: ExecutorView) -> None:
        self.executors[view.plan.id] = view
        if len(self.executors) > MAX_EXECUTORS:
            gone = next((key for key, item in self.executors.items() if item.ended), None)
            if gone is not None:
                del self.executors[gone]
        self._dirty.add("executors")

    def _new_chart(self, chart: Chart) -> None:
        if self.chart is None or self.chart.instrument_id != chart.instrument_id:
            self.tape.clear()
            self.book = self.profile = None
            self.charts.clear()
            self.formings.clear()
            self._dirty |= {"tape", "book", "charts", "formings", "profile"}
        self.chart = chart
        self.forming = None
        self._dirty |= {"chart", "forming"}
        tell, self._chart_told = self._chart_told, None
        if tell is not None:
            tell()

    def _more_charts(self, frame: MarketFrame) -> None:
        for chart in frame.charts:
            self.charts[chart.timeframe] = chart
            self.formings.pop(chart.timeframe, None)
            self._dirty |= {"charts", "formings"}
        for tail in frame.tails:
            known = self.charts.get(tail.timeframe)
            if known is None or not _of(known, tail):
                continue
            if self._extend(known, tail):
                self._dirty.add("charts")
            if tail.forming is not None:
                self.formings[tail.timeframe] = tail.forming
            else:
                self.formings.pop(tail.timeframe, None)
            self._dirty.add("formings")

    def _extend(self, chart: Chart, tail: ChartTail) -> bool:
        """Add what closed since to a chart; return whether anything did."""
        if not _of(chart, tail) or not (tail.closed.ts_open_ns or tail.predictions):
            return False
        bars, more = chart.bars, tail.closed
        for name in ("ts_open_ns", "open", "high", "low", "close", "volume"):
            column: list[int] = getattr(bars, name)
            column.extend(getattr(more, name))
            del column[: max(0, len(column) - MAX_BARS)]
        for output, values in chart.indicators.items():
            values.extend(tail.indicators.get(output, ()))
            del values[: max(0, len(values) - MAX_BARS)]
        self._keep_predictions(chart.predictions, tail.predictions)
        return True

    @staticmethod
    def _keep_predictions(known: list[Prediction], more: list[Prediction]) -> None:
        known.extend(more)
        del known[: max(0, len(known) - MAX_BARS)]


def _of(chart: Chart, tail: ChartTail) -> bool:
    return (tail.instrument_id, tail.timeframe) == (chart.instrument_id, chart.timeframe)
