"""Lists as tables: fixed columns, decimals aligned, empty states that teach."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Any, Final, Generic, NamedTuple, TypeVar

from msgspec import Struct

from core.model.accounts import Balance, LimitUse, Position
from core.model.orders import Order, OrderFilled
from core.model.views import Alert
from tui.draw import numbers
from tui.draw.glyphs import BLOCK, Glyphs, spelled
from tui.draw.runs import Grid, Row, clip, plain

T = TypeVar("T")
_NEARLY: Final = 0.8
"""A limit used this far is warned of."""
_LEAST_WIDE: Final = 8
"""A column of words narrower than this says nothing."""


class Column(Struct, Generic[T], frozen=True):
    """One column: its name, what it says, and how it says it."""

    name: str
    text: Callable[[T], str]
    right: bool = False
    """Right-aligned; numbers on their point."""
    role: Callable[[T], str] | None = None
    weight: int = 0
    """Columns of higher weight are dropped first when there is no room."""
    wide: bool = False
    """Takes what is left of the row."""
    value: Callable[[T], Any] | None = None
    """What it is sorted by and exported as, where that is not the text; None: not known."""
    exported: bool = True
    """Whether an export has it."""
    field: str = ""
    """Its name in an export, with the unit; empty: as in the head."""


class Sorted(NamedTuple):
    """Which column a list is sorted by, as its head says it."""

    column: str
    down: bool


class Table(Struct, Generic[T], frozen=True):
    """Columns and the words for an empty list."""

    columns: tuple[Column[T], ...]
    empty: str


def draw_table(
    table: Table[T],
    items: Sequence[T],
    cursor: int | None,
    width: int,
    height: int,
    glyphs: Glyphs,
    order: Sorted | None = None,
    empty: str = "",
) -> list[Row]:
    """Draw a head row and as many items as fit, keeping the cursor in sight.

    `order` is marked in the head; `empty` is said instead of the table's own words.
    """
    grid = Grid(width, height)
    if not height:
        return grid.rows()
    if not items:
        words = clip(empty or table.empty, width - 1, glyphs.ellipsis)
        grid.put(1, min(1, height - 1), words, "muted")
        return grid.rows()
    room = height - 1
    first = window(len(items), cursor, room)
    shown = items[first : first + room]
    columns = [
        [spelled(plain(column.text(item)), glyphs) for item in shown] for column in table.columns
    ]
    for at, column in enumerate(table.columns):
        if column.right:
            columns[at] = numbers.aligned(columns[at])
    cells = list(zip(*columns, strict=True))
    names = [_head(column.name, order, glyphs) for column in table.columns]
    places = _places(table, names, cells, width)
    for at, (x, size) in places.items():
        name = clip(names[at], size, glyphs.ellipsis)
        role = "text" if order is not None and table.columns[at].name == order.column else "muted"
        grid.put(x + size - len(name) if table.columns[at].right else x, 0, name, role)
    for y, (item, row) in enumerate(zip(shown, cells, strict=True), 1):
        for at, (x, size) in places.items():
            column = table.columns[at]
            text = clip(row[at], size, glyphs.ellipsis)
            role = column.role(item) if column.role is not None else "text"
            grid.put(x + size - len(text) if column.right else x, y, text, role)
        if cursor is not None and first + y - 1 == cursor:
            grid.put(0, y, glyphs.pointer, "cursor")
            grid.fill(y, "cursor")
    return grid.rows()


def _head(name: str, order: Sorted | None, glyphs: Glyphs) -> str:
    if order is None or not name or name != order.column:
        return name
    return name + (glyphs.down if order.down else glyphs.up)


def window(count: int, cursor: int | None, room: int) -> int:
    """Return the first item shown so that the cursor is in sight."""
    if cursor is None or room <= 0:
        return max(0, count - room) if cursor is None else 0
    return max(0, min(cursor - room // 2, count - room))


def _places(
    table: Table[T], names: Sequence[str], cells: Sequence[Sequence[str]], width: int
) -> dict[int, tuple[int, int]]:
    columns = table.columns
    sizes = [
        max(len(name), max((len(row[at]) for row in cells), default=0))
        for at, name in enumerate(names)
    ]
    kept = list(range(len(columns)))
    while kept and sum(sizes[at] + 2 for at in kept if not columns[at].wide) > width:
        heaviest = max(kept, key=lambda at: (columns[at].weight, at))
        if columns[heaviest].weight == 0:
            break
        kept.remove(heaviest)
    used = sum(sizes[at] + 2 for at in kept if not columns[at].wide)
    places: dict[int, tuple[int, int]] = {}
    x = 1
    for at in kept:
        size = max(4, width - used - 2) if columns[at].wide else sizes[at]
        if columns[at].wide and places and width - x < _LEAST_WIDE:
            continue
        if x + size > width and places:
            size = width - x
        if size <= 0:
            break
        places[at] = (x, size)
        x += size + 2
    return places


def _side_role(side: str) -> str:
    return "bid" if side == "buy" else "ask"


def _pnl_role(value: Decimal) -> str:
    return "up" if value > 0 else "down" if value < 0 else "text"


def _symbol(name: str) -> str:
    return name.rpartition(".")[0]


def _state_role(order: Order) -> str:
    state = order.state.value
    if state in {"unknown", "denied", "rejected"}:
        return "warn"
    return "muted" if order.state.terminal else "own"


ORDERS: Table[Order] = Table(
    (
        Column(
            "id",
            lambda o: o.intent.client_order_id[-6:],
            role=lambda o: "muted",
            weight=4,
            value=lambda o: o.intent.client_order_id,
        ),
        Column(
            "time",
            lambda o: numbers.clock(o.ts_submitted_ns),
            weight=2,
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
        Column("type", lambda o: o.intent.type.value, weight=3),
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
            "filled",
            lambda o: numbers.trimmed(o.filled),
            right=True,
            weight=1,
            value=lambda o: o.filled,
        ),
        Column("state", lambda o: o.state.value.replace("_", " "), role=_state_role),
        Column("origin", lambda o: o.intent.strategy_id or _who(o), weight=5),
        Column("why", lambda o: o.note or o.intent.reason, role=lambda o: "muted", wide=True),
    ),
    "no orders; b opens a buy ticket, s a sell ticket (a arms this instrument first)",
)

POSITIONS: Table[Position] = Table(
    (
        Column("symbol", lambda p: _symbol(p.instrument_id), value=lambda p: p.instrument_id),
        Column("side", lambda p: "long" if p.size > 0 else "short" if p.size < 0 else "flat"),
        Column("size", lambda p: numbers.trimmed(abs(p.size)), right=True, value=lambda p: p.size),
        Column(
            "entry",
            lambda p: "-" if p.average_price is None else f"{p.average_price:,.4f}",
            right=True,
            value=lambda p: p.average_price,
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
            lambda p: numbers.signed(p.unrealised_pnl),
            right=True,
            role=lambda p: _pnl_role(p.unrealised_pnl),
            value=lambda p: p.unrealised_pnl,
        ),
        Column(
            "realised",
            lambda p: numbers.signed(p.realised_pnl),
            right=True,
            role=lambda p: _pnl_role(p.realised_pnl),
            value=lambda p: p.realised_pnl,
        ),
        Column("fees", lambda p: f"{p.fees:,.2f}", right=True, weight=1, value=lambda p: p.fees),
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
            lambda f: f"{numbers.trimmed(f.fee, 2)} {f.fee_asset}",
            right=True,
            weight=1,
            value=lambda f: f.fee,
        ),
        Column("maker", lambda f: "maker" if f.maker else "taker", weight=2),
        Column(
            "order",
            lambda f: f.client_order_id[-6:],
            role=lambda f: "muted",
            weight=3,
            value=lambda f: f.client_order_id,
        ),
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

LOG: Table[Alert] = Table(
    (
        Column("time", lambda a: numbers.clock(a.ts_ns), value=lambda a: a.ts_ns, field="time_ns"),
        Column("level", lambda a: a.level, role=lambda a: "muted" if a.level == "info" else "warn"),
        Column("from", lambda a: a.source, weight=1),
        Column("what", lambda a: a.text.replace("\n", " "), wide=True),
    ),
    "nothing happened yet; what does is kept here and in `clx status`",
)


def _used(limit: LimitUse) -> float:
    return float(limit.used / limit.allowed) if limit.allowed else 0.0


def _limit_role(limit: LimitUse) -> str:
    return "warn" if _used(limit) >= _NEARLY else "text"


LIMITS: Table[LimitUse] = Table(
    (
        Column(
            "limit",
            lambda u: u.rule.removeprefix("risk.").replace("_", " "),
            value=lambda u: u.rule,
        ),
        Column(
            "used",
            lambda u: numbers.bar(_used(u), 16, BLOCK.bars),
            role=lambda u: "warn" if _used(u) >= _NEARLY else "accent",
            weight=1,
            value=_used,
            field="used_fraction",
        ),
        Column("", lambda u: f"{_used(u):.0%}", right=True, role=_limit_role),
        Column(
            "now",
            lambda u: f"{u.used:,.2f}".removesuffix(".00"),
            right=True,
            role=_limit_role,
            value=lambda u: u.used,
        ),
        Column(
            "allowed",
            lambda u: f"{u.allowed:,.2f}".removesuffix(".00"),
            right=True,
            value=lambda u: u.allowed,
        ),
        Column("unit", lambda u: u.unit, role=lambda u: "muted", weight=2),
    ),
    "no limits known yet; they come with the engine ([risk] in the settings)",
)


def _who(order: Order) -> str:
    origin = order.intent.origin
    return "you" if origin == "tui" else origin
