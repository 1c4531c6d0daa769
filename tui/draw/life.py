"""An order's life as rows: what happened, how long after its beginning, in whose words."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final

from core.model.accounts import LimitUse
from core.model.inspection import LifeStep, OrderLife
from core.model.orders import Order, OrderState
from tui.draw import numbers
from tui.draw.glyphs import BLOCK, Glyphs, spelled
from tui.draw.records import link_words, state_words, trigger_words, type_words
from tui.draw.runs import Row, clip, fitted, plain
from tui.draw.sums import NEARLY, limit_words

_WIRE: Final = frozenset({"sent", "answer", "pushed", "no answer"})
_TROUBLE: Final = frozenset(
    {"denied", "rejected", "unknown", "no answer", "amend refused", "cancel refused"}
)
_AFTER: Final = 12
_WHAT: Final = 9
_LIMITS: Final = 3
"""Those used most; all of them where everything is wanted."""
_BAR: Final = 8
_OTHERS: Final = 3
"""An executor may have hundreds of orders; a bracket has three."""


def draw_life(life: OrderLife, width: int, glyphs: Glyphs, *, whole: bool) -> list[Row]:
    """Draw a life; bytes take a line each unless they are wanted `whole`."""
    rows: list[Row] = []
    others = life.group if whole else life.group[:_OTHERS]
    for number, order in enumerate((life.order, *others)):
        words = _order_words(order)
        head = "" if number == 0 else "with " if number == 1 else "     "
        rows += _wrapped(f"{head}{words}", width, "title" if number == 0 else "muted", glyphs)
    if more := len(life.group) - len(others):
        rows += _wrapped(f"     and {more} more of the same group", width, "muted", glyphs)
    rows.append(fitted((), width))
    first = life.steps[0].ts_ns if life.steps else 0
    for step in life.steps:
        rows += _step(step, first, width, glyphs, whole)
    if not life.steps:
        rows += _wrapped("the journal has no record of it", width, "muted", glyphs)
    rows.append(fitted((), width))
    return rows + _wrapped(life.wire, width, "muted", glyphs)


def _order_words(order: Order) -> str:
    intent = order.intent
    price = f"@ {intent.price:f}" if intent.price is not None else "at market"
    trigger = trigger_words(order)
    words = [
        intent.side.value.upper(),
        f"{intent.size.normalize():f}",
        intent.instrument_id,
        type_words(order),
        price,
        f"trigger {trigger}" if trigger else "",
        link_words(order),
        f"is {state_words(order)}",
        _holder(order),
        f"({order.id})",
        "" if order.held_by else order.note,
    ]
    return "  ".join(word for word in words if word)


def _holder(order: Order) -> str:
    """Return who watches its trigger, or holds it back."""
    if not order.held_by:
        return ""
    return f"by the {order.held_by}" if order.state is OrderState.HELD else f"{order.held_by} holds"


def _step(step: LifeStep, first: int, width: int, glyphs: Glyphs, whole: bool) -> list[Row]:
    after = f"+{(step.ts_ns - first) / 1e6:,.1f} ms"
    if step.ts_ns == first:
        moment = datetime.fromtimestamp(step.ts_ns // 10**9, UTC)
        after = f"{moment:%H:%M:%S}.{step.ts_ns // 10**6 % 1000:03d}"
    wire = step.what in _WIRE
    role = "warn" if step.what in _TROUBLE else "muted" if wire else "text"
    indent = 1 + _AFTER + 2 + _WHAT + 1
    room = max(12, width - indent)
    text = spelled(plain(" ".join(step.text.split())), glyphs)
    lines = [clip(text, room, glyphs.ellipsis)] if wire and not whole else _cut(text, room)
    head = ((f" {after:>{_AFTER}}  ", "muted"), (f"{step.what:<{_WHAT}} ", _what_role(step.what)))
    out = [fitted((*head, (lines[0], role)), width)]
    out += [fitted(((" " * indent, ""), (line, role)), width) for line in lines[1:]]
    return out + _limits(step.limits, indent, width, glyphs, whole)


def _limits(
    limits: Sequence[LimitUse], indent: int, width: int, glyphs: Glyphs, whole: bool
) -> list[Row]:
    """Draw each limit as a bar with its figures, the one used most first."""
    used = sorted(limits, key=lambda use: use.share, reverse=True)
    shown = used if whole else used[:_LIMITS]
    out = []
    for use in shown:
        full = numbers.bar(use.share, _BAR, BLOCK.bars)
        role = "warn" if use.share >= NEARLY else "accent"
        name = use.rule.removeprefix("risk.").replace("_", " ")
        figures = f" {use.share:>4.0%}  {name}  {limit_words(use)}"
        room = max(12, width - indent - _BAR)
        parts = (
            (" " * indent, ""),
            (f"{full:<{_BAR}}", role),
            (clip(figures, room, glyphs.ellipsis), "text"),
        )
        out.append(fitted(parts, width))
    if more := len(used) - len(shown):
        words = f"and {more} more limit{'s' * (more > 1)}, used less: b shows all"
        out.append(fitted(((" " * indent, ""), (words, "muted")), width))
    return out


def _what_role(what: str) -> str:
    if what in _TROUBLE:
        return "warn"
    return "own" if what in {"fill", "accepted", "amended"} else "accent"


def _cut(text: str, room: int) -> list[str]:
    # Bytes have few blanks to break at, so words are broken too.
    return textwrap.wrap(text, room, break_on_hyphens=False) or [""]


def _wrapped(text: str, width: int, role: str, glyphs: Glyphs) -> list[Row]:
    lines = _cut(spelled(plain(text), glyphs), width - 2)
    return [fitted(((f" {line}", role),), width) for line in lines]
