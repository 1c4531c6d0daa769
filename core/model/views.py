"""What clients see: the snapshot, the sequenced facts, and the conflated market frames.

Facts are never dropped and never reordered. Market frames are: each client gets the latest state at
its own frame rate, and only what changed. Prices in market frames are integer ticks and lots; the
client formats them with the instrument.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Literal, TypeAlias

import msgspec

from core.model.accounts import Balance, LimitUse, Position, RiskState
from core.model.executors import ExecutorView
from core.model.ids import InstrumentId, VenueName
from core.model.instruments import Instrument
from core.model.market import FeedStatus, FormingBar, Timeframe
from core.model.orders import Order, OrderFilled
from core.model.signals import ModelInfo, Prediction, Signal, StrategyInfo

Mode: TypeAlias = Literal["SIM", "PAPER", "LIVE"]
"""SIM: an emulated market. PAPER: a real market, orders filled here. LIVE: real money."""


class EngineStatus(msgspec.Struct, frozen=True, kw_only=True):
    """The engine in one line."""

    session: str
    version: str
    pid: int
    mode: Mode
    started_ns: int
    phase: str
    """``starting: what``, ``reconciling``, ``running``, ``stopping``."""
    risk_state: RiskState
    risk_reason: str = ""
    journal_ok: bool = True
    armed: dict[InstrumentId, int] = {}
    """Instrument to the UTC ns at which its arming ends."""
    clients: int = 0
    frames: int = 0
    events: int = 0
    rejected_frames: int = 0
    tape_dropped: int = 0


class FeedView(msgspec.Struct, frozen=True, kw_only=True):
    """One instrument's data, as far as it can be trusted."""

    instrument_id: InstrumentId
    status: FeedStatus
    reason: str
    last_event_ns: int
    gaps: int
    resyncs: int


class VenueView(msgspec.Struct, frozen=True, kw_only=True):
    """A venue's private side."""

    venue: VenueName
    connected: bool
    reason: str
    reconciled_ns: int
    differences: tuple[str, ...] = ()
    """What the last reconciliation found and did, in words."""
    asks: tuple[str, ...] = ()
    """Positions of which somebody must say whether to adopt, protect or flatten them; until then
    nothing is opened at the venue."""
    private: str = ""
    """How fills arrive: ``native stream``, ``ccxt stream``, ``polling`` or ``engine``."""
    dead_man: str = ""
    """What the venue does by itself when it no longer hears from us; empty: nothing is armed."""
    switch: str = ""
    """How its dead-man switch stands while nothing is armed; empty: it has none."""
    simulated: str = ""
    """Of a venue that only simulates one: its latency, fees and margin in words."""


class StrategyView(msgspec.Struct, frozen=True, kw_only=True):
    """A strategy and how it does."""

    info: StrategyInfo
    enabled: bool
    state: str
    """``off``, ``starting``, ``running`` or ``failed: why``."""
    signals: int = 0
    orders: int = 0
    realised_pnl: Decimal = Decimal(0)
    last_signal: Signal | None = None


class ModelView(msgspec.Struct, frozen=True, kw_only=True):
    """A model and what it says now."""

    info: ModelInfo
    last: Prediction | None = None
    predictions: int = 0
    hits: int = 0
    """Judged predictions whose direction was right."""
    judged: int = 0


class Alert(msgspec.Struct, frozen=True, kw_only=True):
    """Something a person should read; stays until read."""

    ts_ns: int
    level: Literal["info", "warning", "error"]
    source: str
    text: str


class WatchGroup(msgspec.Struct, frozen=True, kw_only=True):
    """A named list beside the watchlist; its data comes only while somebody looks at it."""

    name: str
    instruments: tuple[InstrumentId, ...] = ()


class EngineSnapshot(msgspec.Struct, frozen=True, kw_only=True):
    """Everything a client needs to start from."""

    seq: int
    """Sequence number of the last fact contained."""
    status: EngineStatus
    instruments: tuple[Instrument, ...]
    watchlist: tuple[InstrumentId, ...]
    groups: tuple[WatchGroup, ...] = ()
    orders: tuple[Order, ...]
    """All open orders and the newest ended ones (at most 500)."""
    fills: tuple[OrderFilled, ...]
    """The newest 500."""
    positions: tuple[Position, ...]
    balances: tuple[Balance, ...]
    equity: Decimal
    """Account value in the quote currency of the settings."""
    day_pnl: Decimal
    limits: tuple[LimitUse, ...]
    feeds: tuple[FeedView, ...]
    venues: tuple[VenueView, ...]
    strategies: tuple[StrategyView, ...]
    models: tuple[ModelView, ...]
    signals: tuple[Signal, ...]
    """The newest 200."""
    alerts: tuple[Alert, ...]
    """The newest 100."""
    executors: tuple[ExecutorView, ...] = ()
    """Those that run, and the newest that ended (at most 200)."""


class StatusChanged(msgspec.Struct, frozen=True, kw_only=True, tag="status"):
    """The engine's one line changed."""

    status: EngineStatus


class InstrumentsChanged(msgspec.Struct, frozen=True, kw_only=True, tag="instruments"):
    """The venue's listing or the watchlist changed."""

    instruments: tuple[Instrument, ...]
    watchlist: tuple[InstrumentId, ...]
    groups: tuple[WatchGroup, ...] = ()


class OrderChanged(msgspec.Struct, frozen=True, kw_only=True, tag="order"):
    """An order is now so."""

    order: Order


class FillAdded(msgspec.Struct, frozen=True, kw_only=True, tag="fill"):
    """An execution happened."""

    fill: OrderFilled


class PositionChanged(msgspec.Struct, frozen=True, kw_only=True, tag="position"):
    """A position is now so (its mark follows the market, at most once a second)."""

    position: Position


class AccountChanged(msgspec.Struct, frozen=True, kw_only=True, tag="account"):
    """Balances, equity or limits changed (at most once a second from the market alone)."""

    balances: tuple[Balance, ...]
    equity: Decimal
    day_pnl: Decimal
    limits: tuple[LimitUse, ...]


class FeedChanged(msgspec.Struct, frozen=True, kw_only=True, tag="feed"):
    """An instrument's data became trusted or not."""

    feed: FeedView


class VenueChanged(msgspec.Struct, frozen=True, kw_only=True, tag="venue"):
    """A venue's private side changed."""

    venue: VenueView


class StrategyChanged(msgspec.Struct, frozen=True, kw_only=True, tag="strategy"):
    """A strategy's state or figures changed."""

    strategy: StrategyView


class SignalRaised(msgspec.Struct, frozen=True, kw_only=True, tag="signal"):
    """A strategy said something."""

    signal: Signal


class ModelChanged(msgspec.Struct, frozen=True, kw_only=True, tag="model"):
    """A model predicted or changed state."""

    model: ModelView


class AlertRaised(msgspec.Struct, frozen=True, kw_only=True, tag="alert"):
    """Something a person should read."""

    alert: Alert


class ExecutorChanged(msgspec.Struct, frozen=True, kw_only=True, tag="executor"):
    """An executor is further, paused or at its end; told once a second at most."""

    executor: ExecutorView


Fact: TypeAlias = (
    StatusChanged
    | InstrumentsChanged
    | OrderChanged
    | FillAdded
    | PositionChanged
    | AccountChanged
    | FeedChanged
    | VenueChanged
    | StrategyChanged
    | SignalRaised
    | ModelChanged
    | AlertRaised
    | ExecutorChanged
)
"""What the engine tells every client, in order, each with a sequence number."""


class ChartWish(msgspec.Struct, frozen=True, kw_only=True):
    """A further chart of the focus; no two charts of a view have the same timeframe."""

    timeframe: Timeframe
    bars: int = 400
    indicators: tuple[str, ...] = ()


class View(msgspec.Struct, frozen=True, kw_only=True):
    """What market data a client looks at; sending a new one replaces the old."""

    focus: InstrumentId | None = None
    timeframe: Timeframe = Timeframe.M1
    bars: int = 400
    """Closed bars of history wanted with the first chart (1 to 5,000)."""
    depth: int = 20
    """Book levels a side (0: no book; at most 500)."""
    tape: bool = True
    quotes: tuple[InstrumentId, ...] = ()
    """Instruments whose quote line is wanted; empty with focus None means no market data."""
    indicators: tuple[str, ...] = ()
    """Expressions of the catalogue drawn on the chart, such as ``ema(20)``."""
    fps: float = 10.0
    """Frames per second wanted, 0.2 to 30."""
    charts: tuple[ChartWish, ...] = ()
    """Charts beside the main one, at most 3."""
    profile_step: int = 0
    """Ticks of a bucket of the book's profile (0: no profile)."""
    profile_rows: int = 0
    """Buckets wanted a side, at most 500."""


class ReferenceView(msgspec.Struct, frozen=True, kw_only=True):
    """What a venue says of an instrument beside its trades; None or 0: not stated."""

    mark: Decimal | None = None
    index: Decimal | None = None
    funding_rate: Decimal | None = None
    """A fraction of notional; positive: longs pay."""
    next_funding_ns: int = 0
    open_interest: Decimal | None = None
    """In the venue's unit of size."""
    last_liquidation: str = ""
    """Side, size, price and time of the newest one seen, in words; liquidations may be lossy."""


class QualityView(msgspec.Struct, frozen=True, kw_only=True):
    """How good an instrument's data was on one UTC day; counts since its midnight."""

    instrument_id: InstrumentId
    day: str
    """Such as ``2026-11-21``, UTC."""
    status: FeedStatus = FeedStatus.UNSUBSCRIBED
    reason: str = ""
    unchecked: bool = False
    """Nothing proves the venue's sequence."""
    live_s: float = 0.0
    stale_s: float = 0.0
    frames: int = 0
    """Trades, quotes and book messages."""
    trades: int = 0
    gaps: int = 0
    resyncs: int = 0
    crossed: int = 0
    outages: int = 0
    """Times the connection was lost."""
    rejected: int = 0
    checksum_ok: int = 0
    checksum_bad: int = 0
    late_trades: int = 0
    trade_holes: int = 0
    """Trades the venue numbered that never came."""
    trades_refilled: int = 0
    """Those of them that its history gave after all."""
    duplicates: int = 0
    off_band: int = 0
    """Trades and quotes at prices no market moves to at once."""
    resubscribed: int = 0
    """Times it did not speak, so that its channels were left and joined."""
    rate_per_s: float = 0.0
    """Learned rate of messages."""
    silence_s: float = 0.0
    """Silence after which it counts as stale, learned from the rate."""
    clock_offset_ms: float = 0.0
    """The venue's clock minus ours, the median of the day's samples."""
    delay_ms: float = 0.0
    """Smoothed time from the venue's stamp to us, the clock offset taken out."""


class QuoteLine(msgspec.Struct, frozen=True, kw_only=True):
    """One watchlist line."""

    instrument_id: InstrumentId
    bid_ticks: int
    ask_ticks: int
    last_ticks: int
    open_24h_ticks: int
    high_24h_ticks: int
    low_24h_ticks: int
    volume_24h_lots: int
    turnover_24h: float = 0.0
    """What was traded in 24 hours in the quote currency, each bar at the middle of its prices."""
    status: FeedStatus
    ts_event_ns: int
    """The venue's time of the newest event; its distance to the frame's time is the feed age."""
    age_ms: int
    """Milliseconds since anything arrived for this instrument, by the engine's clock."""
    reference: ReferenceView | None = None


class BookView(msgspec.Struct, frozen=True, kw_only=True):
    """The top of the focused book; absent when it is not to be trusted."""

    instrument_id: InstrumentId
    bids: list[tuple[int, int]]
    """(price ticks, size lots), best first."""
    asks: list[tuple[int, int]]
    last_id: int


class BookProfile(msgspec.Struct, frozen=True, kw_only=True):
    """The whole book in buckets of equal width; sent a few times a second, only when trusted.

    The bucket of a price is ``ticks // step_ticks``.
    """

    instrument_id: InstrumentId
    ts_ns: int
    step_ticks: int
    bid_ticks: int
    """The best bid; its bucket is that of ``bids[0]``."""
    ask_ticks: int
    bids: list[int]
    """Lots by bucket, downwards; ends where the known book ends or after the buckets wanted."""
    asks: list[int]
    """Lots by bucket, upwards."""


class TapeRow(msgspec.Struct, frozen=True, array_like=True):
    """One public trade."""

    ts_event_ns: int
    price_ticks: int
    size_lots: int
    buyer_is_maker: bool


class BarColumns(msgspec.Struct, frozen=True, kw_only=True):
    """Closed bars as columns of equal length, oldest first; ticks and lots."""

    ts_open_ns: list[int]
    open: list[int]
    high: list[int]
    low: list[int]
    close: list[int]
    volume: list[int]


class Chart(msgspec.Struct, frozen=True, kw_only=True):
    """A whole chart: sent when the view changes and after a revision."""

    instrument_id: InstrumentId
    timeframe: Timeframe
    bars: BarColumns
    indicators: dict[str, list[float]]
    """Output name (``ema(20)``, ``bb(20,2).upper``) to values aligned with the bars, NaN first."""
    predictions: list[Prediction]
    loading: bool = False
    """True while history is still being fetched."""


class ChartTail(msgspec.Struct, frozen=True, kw_only=True):
    """Bars that closed since the last frame, with their indicator values, and the forming bar."""

    instrument_id: InstrumentId
    timeframe: Timeframe
    closed: BarColumns
    indicators: dict[str, list[float]]
    predictions: list[Prediction]
    forming: FormingBar | None


class MarketFrame(msgspec.Struct, frozen=True, kw_only=True):
    """What changed in a client's view since its last frame; None or empty means unchanged."""

    ts_ns: int
    quotes: list[QuoteLine] = []
    book: BookView | None = None
    tape: list[TapeRow] = []
    tape_skipped: int = 0
    """Trades conflated away because more than 100 came between two frames."""
    chart: Chart | None = None
    tail: ChartTail | None = None
    charts: list[Chart] = []
    """Charts beside the main one, told apart by their timeframe."""
    tails: list[ChartTail] = []
    profile: BookProfile | None = None
