"""The watchlist, and strategies and models in the same form."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from decimal import Decimal

from msgspec import Struct

from core.model.ids import InstrumentId
from core.model.instruments import Instrument
from core.model.market import FeedStatus
from core.model.views import ModelView, QuoteLine, StrategyView
from core.model.wording import counted
from tui.draw import numbers
from tui.draw.tables import Column, Table


class Quoted(Struct, frozen=True):
    """An instrument of the watchlist with its newest quote, if any came yet."""

    instrument: Instrument
    line: QuoteLine | None
    spark: str = ""
    """A few columns of its recent prices."""
    name: str = ""
    """Its symbol, with the venue where another of the list has the same; empty: the symbol."""


def quoted(
    names: Sequence[InstrumentId],
    instruments: Mapping[InstrumentId, Instrument],
    quotes: Mapping[InstrumentId, QuoteLine],
    sparks: Mapping[InstrumentId, str],
) -> list[Quoted]:
    """Return the watchlist's lines in its order, unknown instruments left out."""
    known = [instruments[name] for name in names if name in instruments]
    alike = Counter(item.symbol for item in known)
    return [
        Quoted(
            item,
            quotes.get(item.id),
            sparks.get(item.id, ""),
            item.symbol if alike[item.symbol] == 1 else item.id,
        )
        for item in known
    ]


def _last(item: Quoted) -> str:
    line = item.line
    return "-" if line is None or not line.last_ticks else _price(item, line.last_ticks)


def _price(item: Quoted, ticks: int) -> str:
    return numbers.glance(item.instrument, item.instrument.price(ticks))


def _change(item: Quoted) -> float:
    line = item.line
    return math.nan if line is None else numbers.change(line.last_ticks, line.open_24h_ticks)


def _change_role(item: Quoted) -> str:
    change = _change(item)
    return "up" if change > 0 else "down" if change < 0 else "muted"


def _data(item: Quoted) -> str:
    line = item.line
    if line is None:
        return "waiting"
    status = FeedStatus(line.status)
    return numbers.age(line.age_ms) if status is FeedStatus.LIVE else status.name


def _data_role(item: Quoted) -> str:
    line = item.line
    return "muted" if line is not None and line.status == FeedStatus.LIVE else "warn"


def _spread(item: Quoted) -> str:
    spread = _spread_value(item)
    return numbers.NOTHING if spread is None else f"{spread:.1f}"


def _spread_value(item: Quoted) -> float | None:
    line = item.line
    if line is None or not line.bid_ticks or not line.ask_ticks:
        return None
    return (line.ask_ticks - line.bid_ticks) / line.ask_ticks * 1e4


def _volume(item: Quoted) -> str:
    line = item.line
    return numbers.NOTHING if line is None else numbers.turnover(item.instrument, line)


def _volume_value(item: Quoted) -> float | None:
    return None if item.line is None else item.line.turnover_24h


def _last_value(item: Quoted) -> Decimal | None:
    line = item.line
    if line is None or not line.last_ticks:
        return None
    return item.instrument.price(line.last_ticks)


def _age_value(item: Quoted) -> int | None:
    return None if item.line is None else item.line.age_ms


WATCHLIST: Table[Quoted] = Table(
    (
        Column("symbol", lambda q: q.name or q.instrument.symbol, value=lambda q: q.instrument.id),
        Column("last", _last, right=True, role=_change_role, value=_last_value),
        Column(
            "24 h",
            lambda q: numbers.percent(_change(q)),
            right=True,
            role=_change_role,
            value=_change,
            field="change_24h",
        ),
        Column("", lambda q: q.spark, role=_change_role, weight=3),
        Column("spread bp", _spread, right=True, weight=2, value=_spread_value, field="spread_bp"),
        Column(
            "volume", _volume, right=True, weight=1, value=_volume_value, field="volume_24h_quote"
        ),
        Column("data", _data, role=_data_role, value=_age_value, field="age_ms"),
    ),
    "the watchlist is empty; / finds an instrument and enter adds it",
)


def _signal(view: StrategyView) -> str:
    signal = view.last_signal
    if signal is None:
        return "no signal yet"
    when = numbers.clock(signal.ts_event_ns)
    return f"{signal.direction.value} {signal.confidence:.2f} at {when}: {signal.reason}"


def _state_role(state: str) -> str:
    return "up" if state == "running" else "warn" if state.startswith("failed") else "muted"


STRATEGIES: Table[StrategyView] = Table(
    (
        Column("strategy", lambda s: s.info.id),
        Column("state", lambda s: s.state, role=lambda s: _state_role(s.state)),
        Column("on", lambda s: " ".join(n.rpartition(".")[0] for n in s.info.instruments)),
        Column("bars", lambda s: s.info.timeframe.value, weight=2),
        Column(
            "signals", lambda s: str(s.signals), right=True, weight=1, value=lambda s: s.signals
        ),
        Column("orders", lambda s: str(s.orders), right=True, weight=1, value=lambda s: s.orders),
        Column(
            "realised",
            lambda s: numbers.signed(s.realised_pnl),
            right=True,
            value=lambda s: s.realised_pnl,
        ),
        Column("last signal", _signal, wide=True),
    ),
    "no strategies; add a [strategies.NAME] table to the settings",
)


def _says(view: ModelView) -> str:
    last = view.last
    if last is None or not last.valid:
        return "no prediction yet"
    low, high = numbers.percent(last.low_return, 2), numbers.percent(last.high_return, 2)
    name = last.instrument_id.rpartition(".")[0]
    return f"{name} up {last.p_up:.2f}  [{low} {high}] in {counted(last.horizon_bars, 'bar')}"


def _right(view: ModelView) -> str:
    return f"{view.hits / view.judged:.0%} of {view.judged}" if view.judged else "-"


MODELS: Table[ModelView] = Table(
    (
        Column("model", lambda m: m.info.id),
        Column("state", lambda m: m.info.state, role=lambda m: _model_role(m.info.state)),
        Column("bars", lambda m: m.info.timeframe.value, weight=2),
        Column(
            "right", _right, right=True, value=lambda m: m.hits / m.judged if m.judged else None
        ),
        Column("version", lambda m: m.info.version[:8], weight=3),
        Column("trained on", lambda m: m.info.trained_on, weight=4),
        Column("says", _says, wide=True),
    ),
    "no models; add a [models.NAME] table to the settings",
)


def _model_role(state: str) -> str:
    return "text" if state == "ready" else "warn" if state.startswith("refused") else "muted"
