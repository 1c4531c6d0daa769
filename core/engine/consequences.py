"""What follows from market events beyond the state they change: found, closed, or to be fetched."""

from __future__ import annotations

from typing import TypeAlias

import msgspec

from core.engine.gate import ResyncNeeded
from core.model.ids import InstrumentId
from core.model.market import Bar, FeedNotice, FeedStatusChanged, Timeframe
from core.model.stores import TradeHole


class HistoryNeeded(msgspec.Struct, frozen=True):
    """A bar ended whose trades were not all seen: fetch these bars and give them to `seed_bars`."""

    instrument_id: InstrumentId
    timeframe: Timeframe
    start_ns: int
    end_ns: int
    """Bars with start_ns <= open time < end_ns are missing."""


class TradesNeeded(msgspec.Struct, frozen=True):
    """Trades never came: have the feed fetch them; they are taken as trades, late and once."""

    instrument_id: InstrumentId
    hole: TradeHole


class DataFault(msgspec.Struct, frozen=True):
    """Something was found wrong with an instrument's data, and counted."""

    instrument_id: InstrumentId
    ts_recv_ns: int
    kind: str
    """``trade hole``, ``trade ids``, ``off band`` or ``trade canceled``."""
    text: str


MarketOutput: TypeAlias = (
    Bar | FeedStatusChanged | ResyncNeeded | HistoryNeeded | TradesNeeded | DataFault | FeedNotice
)
