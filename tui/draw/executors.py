"""What the list of executors says: how far each is, what comes next, and why it stands."""

from __future__ import annotations

from decimal import Decimal
from typing import Final

from core.model.executors import ExecutorKind, ExecutorView
from core.model.wording import counted
from tui.draw import numbers
from tui.draw.glyphs import BLOCK, Glyphs, spelled
from tui.draw.runs import Row, clip, fitted, plain
from tui.draw.tables import Column, Table

_BAR: Final = 10


def share(view: ExecutorView) -> float:
    """Return how much of it is filled, 1: all."""
    return float(view.filled / view.plan.size)


def price_words(view: ExecutorView) -> str:
    """Return its prices: ``market``, ``64,500.00`` at worst, ``82.00 to 80.00``."""
    plan = view.plan
    if plan.price is None:
        return "market"
    first = numbers.trimmed(plan.price, 2)
    if plan.kind is not ExecutorKind.SCALED or plan.last_price is None:
        return first
    return f"{first} to {numbers.trimmed(plan.last_price, 2)}"


def draw_executor(view: ExecutorView | None, width: int, glyphs: Glyphs) -> list[Row]:
    """Say all of one executor in two rows: what it is to do, and how it stands."""
    if view is None:
        return [fitted((), width)] * 2
    plan = view.plan
    where = {"market": "at market"}.get(price_words(view), f"at {price_words(view)}")
    if plan.kind is ExecutorKind.TWAP and plan.price is not None:
        where += " or better"
    wish = [
        f"{plan.kind} {plan.id[-6:]}: {plan.side.upper()} {_plain(plan.size)} "
        f"{plan.instrument_id} {where} in {counted(plan.orders, 'order')}",
        "reduce only" if plan.reduce_only else "",
        "post only" if plan.post_only else "",
        f"by {plan.strategy_id or plan.origin}",
    ]
    since = f" since {numbers.clock(view.paused_ns)}" if view.paused_ns else ""
    stands = [
        f"{view.state}{since}, {_plain(plan.size - view.filled)} left",
        f"next {numbers.clock(view.next_ns)}" if view.next_ns else "",
        f"ends {ends}" if (ends := _ends(view)) else "",
        f"{_plain(view.open_size)} resting" if view.open_size else "",
        _why(view),
    ]
    role = _state_role(view)
    return [
        fitted(
            ((f" {clip(spelled(plain(text), glyphs), width - 2, glyphs.ellipsis)}", shade),), width
        )
        for text, shade in (
            ("   ".join(word for word in wish if word), "text"),
            ("   ".join(word for word in stands if word), "text" if role == "own" else role),
        )
    ]


def _plain(size: Decimal) -> str:
    return f"{size.normalize():,f}"


def _next_words(view: ExecutorView) -> str:
    return numbers.clock(view.next_ns) if view.next_ns else ""


def _why(view: ExecutorView) -> str:
    if view.ended and view.ended != "done":
        return view.ended
    if view.waits:
        return f"waits: {view.waits}"
    return f"{view.refused} refused: {view.note}" if view.refused else view.plan.reason


def _state_role(view: ExecutorView) -> str:
    if view.ended:
        return "muted" if view.ended == "done" else "warn"
    return "warn" if view.paused_ns or view.refused or view.waits else "own"


def _ends(view: ExecutorView) -> str:
    """Return when the last part is to go, as planned: pauses move it back."""
    if view.ended or view.paused_ns or view.plan.kind is ExecutorKind.SCALED:
        return ""
    return numbers.clock(view.plan.end_ns)


EXECUTORS: Table[ExecutorView] = Table(
    (
        Column(
            "id",
            lambda v: v.plan.id[-6:],
            role=lambda v: "muted",
            weight=4,
            value=lambda v: v.plan.id,
        ),
        Column("kind", lambda v: v.plan.kind.value, weight=1),
        Column(
            "symbol",
            lambda v: v.plan.instrument_id.rpartition(".")[0],
            value=lambda v: v.plan.instrument_id,
        ),
        Column(
            "side",
            lambda v: v.plan.side.value.upper(),
            role=lambda v: "bid" if v.plan.side == "buy" else "ask",
        ),
        Column(
            "size",
            lambda v: numbers.trimmed(v.plan.size),
            right=True,
            value=lambda v: v.plan.size,
        ),
        Column("price", price_words, weight=6, value=lambda v: v.plan.price),
        Column(
            "filled",
            lambda v: numbers.trimmed(v.filled),
            right=True,
            value=lambda v: v.filled,
        ),
        Column(
            "",
            lambda v: numbers.bar(share(v), _BAR, BLOCK.bars),
            role=lambda v: "accent",
            exported=False,
        ),
        Column("", lambda v: f"{share(v):.0%}", right=True, value=share, field="filled_fraction"),
        Column(
            "left",
            lambda v: numbers.trimmed(v.plan.size - v.filled),
            right=True,
            weight=3,
            value=lambda v: v.plan.size - v.filled,
        ),
        Column(
            "average",
            lambda v: numbers.amount(v.average_price, 2) if v.average_price is not None else "",
            right=True,
            weight=7,
            value=lambda v: v.average_price,
        ),
        Column(
            "resting",
            lambda v: numbers.trimmed(v.open_size) if v.open_size else "",
            right=True,
            weight=8,
            value=lambda v: v.open_size,
        ),
        Column(
            "orders",
            lambda v: f"{v.sent}/{v.plan.orders}",
            right=True,
            weight=2,
            value=lambda v: v.sent,
            field="orders_sent",
        ),
        Column("next", _next_words, value=lambda v: v.next_ns or None, field="next_ns"),
        Column("state", lambda v: v.state, role=_state_role),
        Column("ends", _ends, weight=9, value=lambda v: v.plan.end_ns, field="end_ns"),
        Column("why", _why, role=lambda v: "muted", wide=True),
    ),
    "no TWAP and no scaled entry; n starts one, as do `clx twap` and `clx scale`",
)
