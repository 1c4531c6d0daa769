"""What the lists of orders, fills, positions, balances, ledger, alerts and limits say, and how."""

from __future__ import annotations

from decimal import Decimal
from typing import Final

from core.model.accounts import Balance, LedgerEntry, Position
from core.model.orders import (
    UNPROTECTED,
    Order,
    OrderFilled,
    OrderType,
    PositionSide,
    TriggerBy,
)
from core.model.views import Alert
from core.model.wording import gain, money
from tui.draw import numbers
from tui.draw.tables import Column, Table

_TROUBLED: Final = frozenset({"unknown", "denied", "rejected"})


def _side_role(side: str) -> str:
    return "bid" if side == "buy" else "ask"


def pnl_role(value: Decimal) -> str:
    """Return the colour of a profit or loss; its sign says it too."""
    return "up" if value > 0 else "down" if value < 0 else "text"


def _symbol(name: str) -> str:
    return name.rpartition(".")[0]


def _state_role(order: Order) -> str:
    if order.state.value in _TROUBLED:
        return "warn"
    return "muted" if order.state.terminal else "own"


def _why_role(order: Order) -> str:
    return "warn" if order.note.startswith(UNPROTECTED) else "muted"


def state_words(order: Order) -> str:
    """Return an order's state: ``held``, ``accepted, amending``."""
    words = order.state.value.replace("_", " ")
    if order.triggered_ns and not order.state.terminal:
        words += ", triggered"
    return f"{words}, amending" if order.amending else words


def type_words(order: Order) -> str:
    """Return an order's type, and the price its trigger looks at where that is not the last."""
    intent = order.intent
    words = intent.type.value.replace("_", " ").replace("take profit", "tp")
    if intent.type is OrderType.TRAILING_STOP:
        words = "trail"
    if intent.type.conditional and intent.trigger_by is not TriggerBy.LAST:
        words += f" {intent.trigger_by.value}"
    return words


def trigger_words(order: Order) -> str:
    """Return a trigger: ``63,000.00``, ``63,710.00 (2%)`` of a trailing stop, blank for none."""
    intent = order.intent
    known = "" if intent.trigger_price is None else numbers.trimmed(intent.trigger_price, 2)
    if intent.type is not OrderType.TRAILING_STOP:
        return known
    distance = f"{intent.trail_pct:f}%" if intent.trail_pct is not None else f"{intent.trail:f}"
    return f"{known} ({distance})".strip()


def link_words(order: Order) -> str:
    """Return what an order is to its group: ``bracket stop a91f``, blank where it stands alone."""
    intent = order.intent
    if not intent.group_id and intent.replaces is None:
        return ""
    if not intent.group_id:
        return f"for {str(intent.replaces)[-4:]}"
    words = [intent.link.value or "group", intent.role.value, intent.group_id[-4:]]
    return " ".join(word for word in words if word)


def _who(order: Order) -> str:
    origin = order.intent.origin
    return "you" if origin == "tui" else origin


ORDERS: Table[Order] = Table(
    (
        Column(
            "id",
            lambda o: o.intent.client_order_id[-6:],
            role=lambda o: "muted",
            weight=2,
            value=lambda o: o.intent.client_order_id,
        ),
        Column(
            "time",
            lambda o: numbers.clock(o.ts_submitted_ns),
            weight=5,
            value=lambda o: o.ts_submitted_ns,
            field="submitted_ns",
        ),
        Column(
            "symbol",
            lambda o: _symbol(o.intent.instrument_id),
            value=lambda o: o.intent.instrument_id,
        ),
        Column(
            "side", lambda o: o.intent.side.value.upper(), role=lambda o: _side_role(o.intent.side)
        ),
        Column("type", type_words, weight=1, value=lambda o: o.intent.type.value),
        Column(
            "size",
            lambda o: numbers.trimmed(o.intent.size),
            right=True,
            value=lambda o: o.intent.size,
        ),
        Column(
            "price",
            lambda o: "market" if o.intent.price is None else numbers.trimmed(o.intent.price, 2),
            right=True,
            value=lambda o: o.intent.price,
        ),
        Column(
            "trigger",
            trigger_words,
            right=True,
            weight=1,
            sparse=True,
            value=lambda o: o.intent.trigger_price,
        ),
        Column(
            "filled",
            lambda o: numbers.trimmed(o.filled),
            right=True,
            weight=3,
            value=lambda o: o.filled,
        ),
        Column("state", state_words, role=_state_role),
        Column("held by", lambda o: o.watched_by, weight=4, sparse=True, field="held_by"),
        Column("group", link_words, weight=6, sparse=True, role=lambda o: "muted"),
        Column("origin", lambda o: o.intent.strategy_id or _who(o), weight=8),
        Column("why", lambda o: o.note or o.intent.reason, role=_why_role, wide=True),
    ),
    "no orders; b opens a buy ticket, s a sell ticket (a arms this instrument first)",
)


def side_words(position: Position) -> str:
    """Return which way a position goes; held apart from the other side where that is so."""
    if position.side is not PositionSide.NET:
        return f"{position.side.value} hedged"
    return "long" if position.size > 0 else "short" if position.size < 0 else "flat"


def position_words(position: Position) -> str:
    """Return a position in words: ``long 0.5 BTC-USDT.binance``."""
    way = "long" if position.size > 0 else "short"
    return f"{way} {abs(position.size).normalize():f} {position.instrument_id}"


POSITIONS: Table[Position] = Table(
    (
        Column("symbol", lambda p: _symbol(p.instrument_id), value=lambda p: p.instrument_id),
        Column("side", side_words),
        Column("size", lambda p: numbers.trimmed(abs(p.size)), right=True, value=lambda p: p.size),
        Column(
            "entry",
            lambda p: numbers.amount(p.average_price, 4),
            right=True,
            value=lambda p: p.average_price,
            field="average_price",
        ),
        Column(
            "mark",
            lambda p: numbers.amount(p.mark_price, 4),
            right=True,
            weight=2,
            value=lambda p: p.mark_price,
        ),
        Column(
            "unrealised",
            lambda p: gain(p.unrealised_pnl, p.pays_in),
            right=True,
            role=lambda p: pnl_role(p.unrealised_pnl),
            value=lambda p: p.unrealised_pnl,
        ),
        Column(
            "realised",
            lambda p: gain(p.realised_pnl, p.pays_in),
            right=True,
            role=lambda p: pnl_role(p.realised_pnl),
            value=lambda p: p.realised_pnl,
            field="realised_average",
        ),
        Column(
            "fees",
            lambda p: money(p.fees, p.pays_in),
            right=True,
            weight=1,
            value=lambda p: p.fees,
        ),
        Column(
            "liq.",
            lambda p: "" if p.liquidation_price is None else f"{p.liquidation_price:,.2f}",
            right=True,
            weight=3,
            sparse=True,
            role=lambda p: "warn",
            value=lambda p: p.liquidation_price,
            field="liquidation_price",
        ),
        Column(
            "funding",
            lambda p: gain(p.funding, p.pays_in) if p.funding else "",
            right=True,
            weight=4,
            sparse=True,
            value=lambda p: p.funding,
        ),
        Column(
            "UNPROTECTED",
            lambda p: numbers.trimmed(p.unprotected) if p.unprotected else "",
            right=True,
            sparse=True,
            role=lambda p: "warn",
            value=lambda p: p.unprotected,
            field="unprotected",
        ),
        Column("account", lambda p: p.venue or "-", weight=5, value=lambda p: p.venue),
        Column(
            "fifo entry",
            lambda p: numbers.amount(p.oldest_price, 4),
            right=True,
            weight=6,
            value=lambda p: p.oldest_price,
            field="oldest_price",
        ),
        Column(
            "fifo realised",
            lambda p: gain(p.realised_fifo, p.pays_in),
            right=True,
            weight=7,
            role=lambda p: pnl_role(p.realised_fifo),
            value=lambda p: p.realised_fifo,
            field="realised_fifo",
        ),
        Column(
            "leverage",
            lambda p: "" if p.leverage is None else f"{p.leverage.normalize():f}x",
            right=True,
            weight=8,
            sparse=True,
            value=lambda p: p.leverage,
        ),
        Column("in", lambda p: p.pays_in, weight=9, value=lambda p: p.pays_in, field="pays_in"),
    ),
    "no positions yet; a fill makes one",
)

FILLS: Table[OrderFilled] = Table(
    (
        Column(
            "time",
            lambda f: numbers.clock(f.ts_event_ns or f.ts_ns),
            value=lambda f: f.ts_event_ns or f.ts_ns,
            field="time_ns",
        ),
        Column("symbol", lambda f: _symbol(f.instrument_id), value=lambda f: f.instrument_id),
        Column("side", lambda f: f.side.value.upper(), role=lambda f: _side_role(f.side)),
        Column("size", lambda f: numbers.trimmed(f.size), right=True, value=lambda f: f.size),
        Column("price", lambda f: numbers.trimmed(f.price, 2), right=True, value=lambda f: f.price),
        Column(
            "fee",
            lambda f: numbers.trimmed(f.fee, 2),
            right=True,
            weight=1,
            value=lambda f: f.fee,
        ),
        Column("asset", lambda f: f.fee_asset, weight=1, field="fee_asset"),
        Column("maker", lambda f: "maker" if f.maker else "taker", weight=2),
        Column("from", lambda f: "worked out" if f.inferred else "venue", weight=5),
        Column("account", lambda f: f.venue, weight=6),
        Column(
            "order",
            lambda f: f.client_order_id[-6:],
            role=lambda f: "muted",
            weight=3,
            value=lambda f: f.client_order_id,
        ),
        Column("execution", lambda f: f.execution_id, role=lambda f: "muted", weight=4, wide=True),
    ),
    "no fills yet",
)

BALANCES: Table[Balance] = Table(
    (
        Column("venue", lambda b: b.venue, weight=1),
        Column("asset", lambda b: b.asset),
        Column("total", lambda b: numbers.trimmed(b.total, 2), right=True, value=lambda b: b.total),
        Column("held", lambda b: numbers.trimmed(b.held, 2), right=True, value=lambda b: b.held),
        Column("free", lambda b: numbers.trimmed(b.free, 2), right=True, value=lambda b: b.free),
    ),
    "no balances yet; they come with the first reconciliation",
)

LEDGER: Table[LedgerEntry] = Table(
    (
        Column("tx", lambda e: str(e.transaction), right=True, value=lambda e: e.transaction),
        Column("time", lambda e: numbers.moment(e.ts_ns), value=lambda e: e.ts_ns, field="time_ns"),
        Column("kind", lambda e: e.kind.value),
        Column("account", lambda e: e.account),
        Column("asset", lambda e: e.asset),
        Column(
            "amount",
            lambda e: numbers.trimmed(e.amount, 2),
            right=True,
            role=lambda e: pnl_role(e.amount),
            value=lambda e: e.amount,
        ),
        Column("ref", lambda e: e.ref, role=lambda e: "muted", wide=True),
    ),
    "the ledger is empty; the first balance or fill makes its first lines",
)

LOG: Table[Alert] = Table(
    (
        Column("time", lambda a: numbers.clock(a.ts_ns), value=lambda a: a.ts_ns, field="time_ns"),
        Column("level", lambda a: a.level, role=lambda a: "muted" if a.level == "info" else "warn"),
        Column("from", lambda a: a.source, weight=1),
        Column("what", lambda a: a.text.replace("\n", " "), wide=True),
    ),
    "nothing happened yet; what does is kept here and in `clx status`",
)
