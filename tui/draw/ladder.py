"""The ladder: the best levels of the book, own orders among them, and where the cursor stands.

::

         price  depth          size       sum
     64,222.00  ▏             0.412     3.912   asks, best at the bottom
     64,220.00  █▎            2.400     2.400
    ──────────────── spread 1.51 ────────────
     64,218.49  █             1.950     1.950   bids, best at the top
   B 64,215.50  ▌     0.500   0.300     3.050   own order of 0.500 at this price
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from core.model.instruments import Instrument
from core.model.market import Side
from core.model.orders import Order
from core.model.views import BookView
from tui.draw import numbers
from tui.draw.glyphs import Glyphs
from tui.draw.runs import Grid, Row

Own = Mapping[int, tuple[Side, Decimal]]
"""Price ticks of an own order to its side and what is left of it."""

_BAR: Final = 6


@dataclass(frozen=True, slots=True)
class LadderView:
    """What a ladder is drawn from."""

    instrument: Instrument
    book: BookView | None
    own: Own
    last_ticks: int
    cursor: int | None = None
    """Price ticks of the cursor."""
    frozen: tuple[int, ...] | None = None
    """Prices of the rows while the cursor is in use: rows must not move under a hand."""
    trusted: bool = True
    why: str = ""


def own_orders(orders: Sequence[Order], instrument: Instrument) -> dict[int, tuple[Side, Decimal]]:
    """Return the open limit orders of an instrument by price."""
    out: dict[int, tuple[Side, Decimal]] = {}
    for order in orders:
        intent = order.intent
        if intent.price is None or order.state.terminal or intent.instrument_id != instrument.id:
            continue
        ticks = instrument.nearest_ticks(intent.price)
        side, size = out.get(ticks, (intent.side, Decimal(0)))
        out[ticks] = (side, size + order.remaining)
    return out


def row_prices(view: LadderView, height: int) -> tuple[int, ...]:
    """Return the price of each row, top down; 0 is the spread row. As many as `height` - 1."""
    if view.frozen is not None and len(view.frozen) == height - 1:
        return view.frozen
    room = max(0, height - 2)
    below = room // 2
    above = room - below
    book = view.book
    asks = {ticks for ticks, _ in book.asks} if book else set()
    bids = {ticks for ticks, _ in book.bids} if book else set()
    for ticks, (side, _) in view.own.items():
        (bids if side is Side.BUY else asks).add(ticks)
    if view.cursor is not None and view.cursor not in asks | bids:
        (asks if view.cursor >= view.last_ticks else bids).add(view.cursor)
    top = sorted(asks)[:above]
    bottom = sorted(bids, reverse=True)[:below]
    rows = [*([-1] * (above - len(top))), *reversed(top), 0, *bottom]
    return tuple(rows + [-1] * (below - len(bottom)))


def draw_ladder(view: LadderView, width: int, height: int, glyphs: Glyphs) -> list[Row]:
    """Draw the ladder; the first row names the columns."""
    grid = Grid(width, height)
    prices = row_prices(view, height)
    decimals = numbers.size_decimals(view.instrument, max(1, view.last_ticks))
    columns = _columns(view, prices, width, decimals)
    _head(grid, columns)
    sums = _sums(view.book)
    top = _largest(view.book, prices)
    for y, ticks in enumerate(prices, 1):
        if ticks == 0:
            _spread(view, grid, y, glyphs)
        elif ticks > 0:
            _level(view, grid, y, ticks, columns, sums, top, decimals, glyphs)
    return grid.rows()


@dataclass(frozen=True, slots=True)
class _Columns:
    price: int
    """Cell after the price."""
    bar: int
    size: int
    total: int
    """Cell after the sum; 0 leaves the sum out."""


def _columns(view: LadderView, prices: Sequence[int], width: int, decimals: int) -> _Columns:
    longest = max((len(numbers.price(view.instrument, p)) for p in prices if p > 0), default=8)
    price = 2 + longest
    total = width - 1 if width >= price + _BAR + 20 else 0
    size = (total - 9) if total else width - 1
    return _Columns(price, price + 1, size, total)


def _head(grid: Grid, columns: _Columns) -> None:
    grid.put_right(columns.price, 0, "price", "muted")
    grid.put_right(columns.size, 0, "size", "muted")
    if columns.total:
        grid.put_right(columns.total, 0, "sum", "muted")


def _sums(book: BookView | None) -> dict[int, int]:
    out: dict[int, int] = {}
    for side in (book.asks, book.bids) if book else ():
        total = 0
        for ticks, lots in side:
            total += lots
            out[ticks] = total
    return out


def _largest(book: BookView | None, prices: Sequence[int]) -> int:
    shown = set(prices)
    levels = [*book.asks, *book.bids] if book else []
    return max((lots for ticks, lots in levels if ticks in shown), default=1)


def _spread(view: LadderView, grid: Grid, y: int, glyphs: Glyphs) -> None:
    book = view.book
    if not view.trusted or book is None or not book.asks or not book.bids:
        words = f" {view.why or 'no book yet'} "
        role = "warn" if not view.trusted else "muted"
    else:
        spread = book.asks[0][0] - book.bids[0][0]
        words = f" spread {numbers.price(view.instrument, spread)}  {_imbalance(book)} "
        role = "muted"
    grid.put(1, y, glyphs.line * (grid.width - 2), "grid")
    grid.put(max(0, (grid.width - len(words)) // 2), y, words[: grid.width], role)


def _imbalance(book: BookView) -> str:
    """Return (bid size - ask size) / both over the five best levels, and say its name."""
    bids = sum(lots for _, lots in book.bids[:5])
    asks = sum(lots for _, lots in book.asks[:5])
    return f"imb {(bids - asks) / (bids + asks):+.2f}" if bids + asks else ""


def _level(
    view: LadderView,
    grid: Grid,
    y: int,
    ticks: int,
    columns: _Columns,
    sums: Mapping[int, int],
    top: int,
    decimals: int,
    glyphs: Glyphs,
) -> None:
    book, instrument = view.book, view.instrument
    asks = dict(book.asks) if book else {}
    bids = dict(book.bids) if book else {}
    is_ask = ticks in asks or (ticks not in bids and ticks > view.last_ticks)
    lots = asks.get(ticks) or bids.get(ticks) or 0
    role = "ask" if is_ask else "bid"
    grid.put_right(columns.price, y, numbers.price(instrument, ticks), role)
    if lots:
        bar = numbers.bar(lots / top, min(_BAR, columns.size - columns.bar - 8), glyphs.bars)
        grid.put(columns.bar, y, bar, role)
        grid.put_right(columns.size, y, numbers.size(instrument, lots, decimals), "text")
        if columns.total:
            total = numbers.size(instrument, sums.get(ticks, 0), decimals)
            grid.put_right(columns.total, y, total, "muted")
    own = view.own.get(ticks)
    if own is not None:
        side, size = own
        grid.put(0, y, "B" if side is Side.BUY else "S", "own")
        text = f"{numbers.trimmed(size)} "
        grid.put(columns.bar, y, text[: columns.size - columns.bar - 8], "own")
    if ticks == view.cursor:
        grid.put(1, y, glyphs.pointer, "cursor")
        grid.fill(y, "cursor")
