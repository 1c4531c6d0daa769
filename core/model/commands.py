"""The one command table: everything a person or program can ask of the engine.

From it come the CLI verbs, the palette, the key help and, later, REST routes and MCP tools. A
command is a pydantic model, so one class gives validation, JSON schema and help.
"""

from __future__ import annotations

from decimal import Decimal
from enum import StrEnum
from typing import Any, ClassVar, Final, Literal

import msgspec
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from core.model.accounts import Balance, LedgerEntry, LimitUse, Position, RiskState
from core.model.errors import ConfigError, did_you_mean
from core.model.ids import ClientOrderId, InstrumentId, OriginKind, StrategyId, VenueName
from core.model.instruments import Instrument, InstrumentKind
from core.model.market import ActivityBar, Side, Timeframe
from core.model.orders import Order, OrderFilled, OrderType, TimeInForce
from core.model.signals import Prediction
from core.model.views import (
    Alert,
    BookView,
    Chart,
    EngineStatus,
    FeedView,
    ModelView,
    QualityView,
    QuoteLine,
    StrategyView,
    VenueView,
    WatchGroup,
)


class Tier(StrEnum):
    """How much harm a command can do."""

    READ = "read"
    MUTATE = "mutate"
    TRADE = "trade"
    DANGEROUS = "dangerous"


class Command(BaseModel):
    """Base of all commands; unknown fields are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: ClassVar[str]
    """Stable snake_case name, the key of the table."""
    title: ClassVar[str]
    """A few words, for the palette."""
    help: ClassVar[str]
    """One sentence, for help and docs."""
    tier: ClassVar[Tier]
    result: ClassVar[Any]
    """The type the engine answers with, for msgspec."""


class Done(msgspec.Struct, frozen=True, kw_only=True):
    """A command without a richer answer was carried out."""

    text: str = "done"


class StatusReport(msgspec.Struct, frozen=True, kw_only=True):
    """The engine, its feeds, venues and limits."""

    status: EngineStatus
    feeds: tuple[FeedView, ...]
    venues: tuple[VenueView, ...]
    equity: Decimal
    day_pnl: Decimal
    limits: tuple[LimitUse, ...]
    alerts: tuple[Alert, ...]


class OrderReport(msgspec.Struct, frozen=True, kw_only=True):
    """What became of a submit or cancel so far; ``DENIED`` orders carry the rule in `note`."""

    order: Order


class KillReport(msgspec.Struct, frozen=True, kw_only=True):
    """What the kill switch set in motion."""

    risk_state: RiskState
    cancels: int
    closing_orders: tuple[ClientOrderId, ...] = ()


class ListedSymbols(msgspec.Struct, frozen=True, kw_only=True):
    """Part of a venue's listing in little room: thousands of symbols cross a slow link once."""

    venue: VenueName
    kind: InstrumentKind
    trading: bool
    """False: listed but halted."""
    symbols: str
    """Our symbols without the venue, parted by blanks, sorted."""


class Spark(msgspec.Struct, frozen=True, kw_only=True):
    """The course of a price in a few points."""

    instrument_id: InstrumentId
    closes_ticks: tuple[int, ...]
    """Oldest first, evenly apart; empty while nothing is known."""


class WatchReport(msgspec.Struct, frozen=True, kw_only=True):
    """The watchlist and the groups beside it."""

    watchlist: tuple[InstrumentId, ...]
    groups: tuple[WatchGroup, ...]


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


class WatchInstrument(Command):
    """Add to the watchlist."""

    name = "watch_instrument"
    title = "Watch instrument"
    help = "Add an instrument to the watchlist and subscribe to its data, or to a group."
    tier = Tier.MUTATE
    result = Done
    instrument: InstrumentId
    group: str = Field("", description="a group's name; empty: the watchlist")


class UnwatchInstrument(Command):
    """Remove from the watchlist."""

    name = "unwatch_instrument"
    title = "Unwatch instrument"
    help = "Remove an instrument from the watchlist, or from a group."
    tier = Tier.MUTATE
    result = Done
    instrument: InstrumentId
    group: str = Field("", description="a group's name; empty: the watchlist")


class AddGroup(Command):
    """Make a group of instruments."""

    name = "add_group"
    title = "Add group"
    help = "Make an empty group of instruments beside the watchlist."
    tier = Tier.MUTATE
    result = Done
    group: str


class RenameGroup(Command):
    """Rename a group."""

    name = "rename_group"
    title = "Rename group"
    help = "Give a group of instruments another name."
    tier = Tier.MUTATE
    result = Done
    group: str
    to: str


class RemoveGroup(Command):
    """Remove a group."""

    name = "remove_group"
    title = "Remove group"
    help = "Remove a group of instruments; its instruments stay listed."
    tier = Tier.MUTATE
    result = Done
    group: str


class Arm(Command):
    """Let the keyboard trade an instrument for a while."""

    name = "arm"
    title = "Arm"
    help = "Let orders from the terminal through for one instrument, for a limited time."
    tier = Tier.TRADE
    result = Done
    instrument: InstrumentId
    seconds: int | None = Field(None, ge=5, le=3600)
    """None: as long as trading.arm_seconds says."""


class Disarm(Command):
    """End arming."""

    name = "disarm"
    title = "Disarm"
    help = "Refuse orders from the terminal again, for one instrument or all."
    tier = Tier.MUTATE
    result = Done
    instrument: InstrumentId | None = None


class SubmitOrder(Command):
    """Place an order."""

    name = "submit_order"
    title = "Submit order"
    help = "Place a market or limit order; the same client order id never sends twice."
    tier = Tier.TRADE
    result = OrderReport
    client_order_id: ClientOrderId
    instrument: InstrumentId
    side: Side
    type: OrderType = OrderType.LIMIT
    size: Decimal = Field(gt=0, description="in the base asset")
    price: Decimal | None = Field(None, gt=0, description="needed for a limit order")
    time_in_force: TimeInForce = TimeInForce.GTC
    post_only: bool = False
    reduce_only: bool = False
    dry_run: bool = Field(False, description="check everything, send nothing")
    reason: str = Field("", max_length=200)


class CancelOrder(Command):
    """Cancel one order."""

    name = "cancel_order"
    title = "Cancel order"
    help = "Cancel an order by its client order id."
    tier = Tier.TRADE
    result = OrderReport
    client_order_id: ClientOrderId


class CancelAll(Command):
    """Cancel all orders."""

    name = "cancel_all"
    title = "Cancel all"
    help = "Cancel all open orders of clx, or those of one instrument."
    tier = Tier.TRADE
    result = KillReport
    instrument: InstrumentId | None = None


class ClosePosition(Command):
    """Close a position at market."""

    name = "close_position"
    title = "Close position"
    help = "Close a position with a reduce-only market order."
    tier = Tier.TRADE
    result = OrderReport
    client_order_id: ClientOrderId
    instrument: InstrumentId


class EnableStrategy(Command):
    """Start a strategy."""

    name = "enable_strategy"
    title = "Enable strategy"
    help = "Start a strategy in its own process and let its orders through."
    tier = Tier.TRADE
    result = StrategyView
    strategy: StrategyId


class DisableStrategy(Command):
    """Stop a strategy."""

    name = "disable_strategy"
    title = "Disable strategy"
    help = "Stop a strategy; its open orders stay unless asked otherwise."
    tier = Tier.MUTATE
    result = StrategyView
    strategy: StrategyId
    cancel_orders: bool = False


class Kill(Command):
    """The kill switch."""

    name = "kill"
    title = "Kill switch"
    help = "Block entries; on the higher steps also cancel all orders and flatten positions."
    tier = Tier.DANGEROUS
    result = KillReport
    level: Literal["reduce", "cancel", "flatten"] = Field(
        "cancel",
        description="reduce: block entries; cancel: also cancel all; flatten: also close positions",
    )
    reason: str = Field("", max_length=200)


class Resume(Command):
    """Open the gate again."""

    name = "resume"
    title = "Resume trading"
    help = "Let entries through again after a kill or a halt."
    tier = Tier.DANGEROUS
    result = Done


class Reconcile(Command):
    """Compare with the venue now."""

    name = "reconcile"
    title = "Reconcile"
    help = "Compare orders, fills and balances with the venue now."
    tier = Tier.MUTATE
    result = Done


class StopEngine(Command):
    """Stop the engine."""

    name = "stop_engine"
    title = "Stop engine"
    help = "Stop the engine process; open orders stay at the venue."
    tier = Tier.DANGEROUS
    result = Done


COMMANDS: Final[dict[str, type[Command]]] = {
    command.name: command
    for command in (
        GetStatus,
        GetInstruments,
        GetListing,
        GetGroups,
        GetSparks,
        GetQuotes,
        GetBook,
        GetQuality,
        GetChart,
        GetActivityBars,
        GetOrders,
        GetFills,
        GetPositions,
        GetBalances,
        GetLedger,
        GetStrategies,
        GetModels,
        GetPredictions,
        WatchInstrument,
        UnwatchInstrument,
        AddGroup,
        RenameGroup,
        RemoveGroup,
        Arm,
        Disarm,
        SubmitOrder,
        CancelOrder,
        CancelAll,
        ClosePosition,
        EnableStrategy,
        DisableStrategy,
        Kill,
        Resume,
        Reconcile,
        StopEngine,
    )
}
"""Every command, by name."""


class Request(msgspec.Struct, frozen=True, kw_only=True):
    """A command as handed to the engine: the parsed command and who asked."""

    command: Command
    origin: OriginKind


def parse_command(name: str, args: dict[str, Any]) -> Command:
    """Build a command from its name and plain arguments.

    Raises:
        ConfigError: The name is unknown, or an argument is; the nearest known one is named.
    """
    kind = COMMANDS.get(name)
    if kind is None:
        raise ConfigError(f"unknown command {name!r}{did_you_mean(name, COMMANDS)}")
    try:
        return kind.model_validate(args)
    except ValidationError as error:
        first = min(error.errors(), key=lambda found: found["type"] != "extra_forbidden")
        where = ".".join(str(part) for part in first["loc"]) or name
        hint = did_you_mean(where, kind.model_fields) if first["type"] == "extra_forbidden" else ""
        was = "" if first["type"] == "missing" else f", was {first['input']!r}"
        raise ConfigError(f"{name}.{where}: {first['msg'].lower()}{was}{hint}") from None
