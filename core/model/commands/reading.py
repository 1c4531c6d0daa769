"""Questions: they change nothing."""

from __future__ import annotations

from pydantic import Field

from core.model.accounts import Balance, LedgerEntry, Position
from core.model.commands.base import Command, Tier
from core.model.commands.reports import ListedSymbols, Spark, StatusReport, WatchReport
from core.model.executors import ExecutorView
from core.model.ids import InstrumentId
from core.model.instruments import Instrument
from core.model.market import ActivityBar, Timeframe
from core.model.orders import Order, OrderFilled
from core.model.signals import Prediction
from core.model.views import (
    BookView,
    Chart,
    ModelView,
    QualityView,
    QuoteLine,
    StrategyView,
)


class GetStatus(Command):
    """Engine state."""

    name = "get_status"
    title = "Engine status"
    help = "Show the engine's mode, phase, risk state, feeds, venues and limits."
    tier = Tier.READ
    result = StatusReport


class GetInstruments(Command):
    """Listed instruments."""

    name = "get_instruments"
    title = "Instruments"
    help = "List instruments whose id contains a text."
    tier = Tier.READ
    result = tuple[Instrument, ...]
    contains: str = Field("", description="part of the id, any case")
    names: tuple[InstrumentId, ...] = Field((), description="these only; empty: all")


class GetListing(Command):
    """All symbols of all venues."""

    name = "get_listing"
    title = "Listing"
    help = "List the symbols of every venue in little room, by venue and kind."
    tier = Tier.READ
    result = tuple[ListedSymbols, ...]


class GetGroups(Command):
    """The watchlist and the groups."""

    name = "get_groups"
    title = "Groups"
    help = "List the watchlist and the groups of instruments beside it."
    tier = Tier.READ
    result = WatchReport


class GetSparks(Command):
    """Recent prices in a few points."""

    name = "get_sparks"
    title = "Sparklines"
    help = "Show the last 24 hours of instruments in a few points each."
    tier = Tier.READ
    result = tuple[Spark, ...]
    instruments: tuple[InstrumentId, ...] = Field((), description="empty: the watchlist")
    points: int = Field(24, ge=2, le=96)


class GetQuotes(Command):
    """Watchlist lines."""

    name = "get_quotes"
    title = "Quotes"
    help = "Show bid, ask, last, 24 h change and feed age of instruments."
    tier = Tier.READ
    result = tuple[QuoteLine, ...]
    instruments: tuple[InstrumentId, ...] = Field((), description="empty: the watchlist")


class GetBook(Command):
    """Top of a book."""

    name = "get_book"
    title = "Order book"
    help = "Show the best levels of an instrument's book."
    tier = Tier.READ
    result = BookView
    instrument: InstrumentId
    depth: int = Field(20, ge=1, le=500, description="levels a side")


class GetQuality(Command):
    """How good the data is and was."""

    name = "get_quality"
    title = "Data quality"
    help = "Show gaps, silences, checks and clocks of each instrument's data, by UTC day."
    tier = Tier.READ
    result = tuple[QualityView, ...]
    instruments: tuple[InstrumentId, ...] = Field((), description="empty: all followed")
    days: int = Field(1, ge=1, le=400, description="days back, today included")


class GetChart(Command):
    """Closed bars with indicators and predictions."""

    name = "get_chart"
    title = "Bars"
    help = "Show closed bars of an instrument, with indicators and predictions."
    tier = Tier.READ
    result = Chart
    instrument: InstrumentId
    timeframe: Timeframe = Timeframe.M1
    bars: int = Field(200, ge=1, le=5000, description="number of closed bars")
    indicators: tuple[str, ...] = Field((), description="such as ema(20)")


class GetActivityBars(Command):
    """Closed bars by trades, volume or money."""

    name = "get_activity_bars"
    title = "Bars by activity"
    help = "Show closed bars of so many trades, so much volume or so much money each."
    tier = Tier.READ
    result = tuple[ActivityBar, ...]
    instrument: InstrumentId
    rule: str = Field(description="tick:100, volume:5 or dollar:1000000")
    bars: int = Field(200, ge=1, le=2000, description="number of closed bars")


class GetOrders(Command):
    """Orders."""

    name = "get_orders"
    title = "Orders"
    help = "List open orders, or all known ones."
    tier = Tier.READ
    result = tuple[Order, ...]
    all: bool = Field(False, description="include ended orders")
    instrument: InstrumentId | None = None


class GetExecutors(Command):
    """Executors."""

    name = "get_executors"
    title = "Executors"
    help = "List TWAPs and scaled entries, and how far each is."
    tier = Tier.READ
    result = tuple[ExecutorView, ...]


class GetFills(Command):
    """Fills."""

    name = "get_fills"
    title = "Fills"
    help = "List executions, newest last."
    tier = Tier.READ
    result = tuple[OrderFilled, ...]
    limit: int = Field(100, ge=1, le=10_000)


class GetPositions(Command):
    """Positions."""

    name = "get_positions"
    title = "Positions"
    help = "List positions with average price, realised and unrealised profit and fees."
    tier = Tier.READ
    result = tuple[Position, ...]


class GetBalances(Command):
    """Balances."""

    name = "get_balances"
    title = "Balances"
    help = "List what the account holds, by asset."
    tier = Tier.READ
    result = tuple[Balance, ...]


class GetLedger(Command):
    """Ledger entries."""

    name = "get_ledger"
    title = "Ledger"
    help = "List double-entry ledger lines, newest last."
    tier = Tier.READ
    result = tuple[LedgerEntry, ...]
    limit: int = Field(100, ge=1, le=10_000)


class GetStrategies(Command):
    """Strategies."""

    name = "get_strategies"
    title = "Strategies"
    help = "List strategies with their state, parameters and figures."
    tier = Tier.READ
    result = tuple[StrategyView, ...]


class GetModels(Command):
    """Models."""

    name = "get_models"
    title = "Models"
    help = "List models with their card in short and their latest prediction."
    tier = Tier.READ
    result = tuple[ModelView, ...]


class GetPredictions(Command):
    """Stored predictions."""

    name = "get_predictions"
    title = "Predictions"
    help = "List stored predictions of a model for an instrument, newest last."
    tier = Tier.READ
    result = tuple[Prediction, ...]
    model: str
    instrument: InstrumentId
    limit: int = Field(100, ge=1, le=10_000)
