"""The ladder: the best levels of the book, own orders among them, and where the cursor stands.

::

         price  depth          size       sum
     64,222.00  ▏             0.412     3.912   asks, best at the bottom
     64,220.00  █▎            2.400     2.400
     64,218.50 ▲ ── spread 1.51 ─────────────   the last price
     64,218.49  █             1.950     1.950   bids, best at the top
   B 64,215.50  0.500         0.300     3.050   own order of 0.500 at this price
     imbalance +0.31   micro 64,218.531
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Final, TypeAlias

from msgspec import Struct

from core.model.instruments import Instrument
from core.model.market import Side
from core.model.orders import Order
from core.model.views import BookView
from tui.draw import numbers
from tui.draw.chart.scale import nice_top
from tui.draw.glyphs import Glyphs
from tui.draw.runs import Grid, Row, clip, plain

Levels: TypeAlias = list[tuple[int, int]]
"""(price ticks, size lots), best first."""

Own = Mapping[int, tuple[Side, Decimal]]
"""Price ticks of an own order to its side and what is left of it."""

_BAR: Final = 10
"""Cells of the longest depth bar, where there is room."""
_NUMBER: Final = 9
"""Cells of a size and of a sum."""
_WITH_FOOT: Final = 14
"""From this height on the last row weighs the two sides."""


class LadderView(Struct, frozen=True):
    """What a ladder is drawn from."""

    instrument: Instrument
    book: BookView | None
    own: Own
    last_ticks: int
    cursor: int | None = None
    """Price ticks of the cursor."""
    frozen: tuple[int, ...] | None = None
    """Prices of the rows while the cursor is in use: rows must not move under a hand.

    Levels between them are gathered into them, so nothing near the market goes unseen.
    """
    trusted: bool = True
    why: str = ""


def own_orders(orders: Sequence[Order], instrument: Instrument) -> dict[int, tuple[Side, Decimal]]:
    """Return the open orders of an instrument by the price at which they act."""
    out: dict[int, tuple[Side, Decimal]] = {}
    for order in orders:
        intent, price = order.intent, order.acts_at
        if price is None or intent.instrument_id != instrument.id:
            continue
        ticks = instrument.nearest_ticks(price)
        side, size = out.get(ticks, (intent.side, Decimal(0)))
        out[ticks] = (side, size + order.remaining)
    return out


def row_prices(view: LadderView, height: int) -> tuple[int, ...]:
    """Return the price of each row below the head, top down; 0 is the spread row, -1 an empty one.

    The spread row stays where it is however many levels there are.
    """
    count = max(0, height - 1 - _foot_rows(height))
    if not count:
        return ()
    if view.frozen is not None:
        return _held(view.frozen, count, view.cursor)
    below = (count - 1) // 2
    above = count - 1 - below
    book = view.book
    asks = {ticks for ticks, _ in book.asks} if book else set()
    bids = {ticks for ticks, _ in book.bids} if book else set()
    for ticks, (side, _) in view.own.items():
        # A stop acts on the far side of the market: it stands where its price is.
        if book and book.asks and ticks >= book.asks[0][0]:
            asks.add(ticks)
        elif book and book.bids and ticks <= book.bids[0][0]:
            bids.add(ticks)
        else:
            (bids if side is Side.BUY else asks).add(ticks)
    if view.cursor is not None and view.cursor not in asks | bids:
        (asks if view.cursor >= view.last_ticks else bids).add(view.cursor)
    top = sorted(asks)[:above]
    bottom = sorted(bids, reverse=True)[:below]
    rows = [*([-1] * (above - len(top))), *reversed(top), 0, *bottom]
    return tuple(rows + [-1] * (below - len(bottom)))


def _held(rows: tuple[int, ...], count: int, cursor: int | None) -> tuple[int, ...]:
    """Return held rows in another height, after a notice of two lines say: the same, more or fewer.

    The spread row stays in the middle as long as the cursor stays in sight.
    """
    if len(rows) <= count:
        return rows + (-1,) * (count - len(rows))
    first = max(0, rows.index(0) - count + 1 + (count - 1) // 2)
    if cursor in rows:
        at = rows.index(cursor)
        first = min(max(first, at - count + 1), at)
    first = min(first, len(rows) - count)
    return rows[first : first + count]


def draw_ladder(view: LadderView, width: int, height: int, glyphs: Glyphs) -> list[Row]:
    """Draw the ladder; the first row names the columns."""
    grid = Grid(width, height)
    prices = row_prices(view, height)
    pen = _Pen(view, grid, prices, glyphs)
    pen.head()
    for y, ticks in enumerate(prices, 1):
        if ticks == 0:
            pen.spread(y)
        elif ticks > 0:
            pen.level(y, ticks)
    if _foot_rows(height):
        pen.foot(height - 1)
    return grid.rows()


def imbalance(book: BookView, levels: int = 5) -> float | None:
    """Return (bid size - ask size) / both over the best levels, None for an empty book."""
    bids = sum(lots for _, lots in book.bids[:levels])
    asks = sum(lots for _, lots in book.asks[:levels])
    return (bids - asks) / (bids + asks) if bids + asks else None


def micro_price(book: BookView) -> float | None:
    """Return the size-weighted mid in ticks: it leans to the side with less behind it."""
    if not book.bids or not book.asks:
        return None
    (bid, bid_lots), (ask, ask_lots) = book.bids[0], book.asks[0]
    both = bid_lots + ask_lots
    return (bid * ask_lots + ask * bid_lots) / both if both else None


def _foot_rows(height: int) -> int:
    return 1 if height >= _WITH_FOOT else 0


class _Pen:
    """Draws the rows of one ladder; what they share is worked out once."""

    def __init__(self, view: LadderView, grid: Grid, prices: Sequence[int], glyphs: Glyphs) -> None:
        self.view, self.grid, self.glyphs, self.prices = view, grid, glyphs, prices
        book, item = view.book, view.instrument
        asks, bids = (book.asks, book.bids) if book else ([], [])
        if view.frozen is not None:
            asks, bids = gathered(asks, bids, prices)
        self.asks, self.bids = dict(asks), dict(bids)
        self.sums = _sums(asks, bids)
        shown = set(prices)
        levels = [*self.asks.items(), *self.bids.items()]
        # A round full length keeps the bars still while the largest size wavers.
        self.top = nice_top(max((lots for ticks, lots in levels if ticks in shown), default=1))
        self.decimals = numbers.size_decimals(item, max(1, view.last_ticks))
        known = [len(numbers.price(item, ticks)) for ticks in prices if ticks > 0]
        self.price = 2 + max(known, default=len(numbers.price(item, max(0, view.last_ticks))))
        """Cell after the price."""
        with_sum = grid.width >= self.price + 4 + 2 * _NUMBER + 2
        self.sum = grid.width - 1 if with_sum else 0
        """Cell after the sum; 0 leaves it out."""
        self.size = grid.width - 1 - (_NUMBER + 1 if with_sum else 0)
        """Cell after the size."""
        self.bar = max(0, min(_BAR, self.size - _NUMBER - self.price - 1))
        """Cells of the longest bar."""

    def head(self) -> None:
        self.grid.put_right(self.price, 0, "price", "muted")
        self.grid.put_right(self.size, 0, "size", "muted")
        if self.sum:
            self.grid.put_right(self.sum, 0, "sum", "muted")

    def spread(self, y: int) -> None:
        view, grid, book = self.view, self.grid, self.view.book
        if not view.trusted:
            self._rule(y, f" {view.why or 'not to be trusted'} ", "warn")
            return
        if book is None or not book.asks or not book.bids:
            self._rule(y, " no book yet ", "muted")
            return
        grid.put(self.price + 1, y, self.glyphs.line * (grid.width - self.price - 2), "grid")
        if view.last_ticks > 0:
            last = numbers.price(view.instrument, view.last_ticks)
            grid.put_right(self.price, y, last, "title")
        room = max(0, grid.width - self.price - 4)
        if away := self._away(y, book.bids[0][0], book.asks[0][0]):
            arrow = self.glyphs.up if away == "above" else self.glyphs.down
            full = f" {arrow} market {away}: space "
            words = full if len(full) <= room else f" {arrow} {away}: space "
            grid.put(self.price + 3, y, words[:room], "warn")
            return
        words = f" spread {numbers.price(view.instrument, book.asks[0][0] - book.bids[0][0])} "
        grid.put(self.price + 3, y, words[:room], "muted")

    def _away(self, y: int, bid: int, ask: int) -> str:
        """Return where the market went while the rows are held still; empty: it is here."""
        if self.view.frozen is None:
            return ""
        over = [ticks for ticks in self.prices[: y - 1] if ticks > 0]
        under = [ticks for ticks in self.prices[y:] if ticks > 0]
        if over and bid >= min(over):
            return "above"
        return "below" if under and ask <= max(under) else ""

    def _rule(self, y: int, words: str, role: str) -> None:
        width = self.grid.width
        self.grid.put(1, y, self.glyphs.line * (width - 2), "grid")
        words = clip(plain(words), width, self.glyphs.ellipsis)
        self.grid.put(max(0, (width - len(words)) // 2), y, words, role)

    def level(self, y: int, ticks: int) -> None:
        view, grid = self.view, self.grid
        is_ask = ticks in self.asks or (ticks not in self.bids and ticks > view.last_ticks)
        side = "ask" if is_ask else "bid"
        grid.put_right(self.price, y, numbers.price(view.instrument, ticks), side)
        lots = (self.asks if is_ask else self.bids).get(ticks, 0)
        if lots:
            bar = numbers.bar(lots / self.top, self.bar, self.glyphs.bars)
            grid.put(self.price + 1, y, bar.rstrip(), f"{side}_bar")
            text = numbers.size(view.instrument, lots, self.decimals)
            grid.put_right(self.size, y, text, "text")
            if self.sum:
                total = numbers.size(view.instrument, self.sums.get(ticks, 0), self.decimals)
                grid.put_right(self.sum, y, total, "muted")
        self._own(y, ticks)
        if ticks == view.cursor:
            grid.put(1, y, self.glyphs.pointer, "cursor")
            grid.fill(y, "cursor")

    def _own(self, y: int, ticks: int) -> None:
        own = self.view.own.get(ticks)
        if own is None:
            return
        side, size = own
        self.grid.put(0, y, "B" if side is Side.BUY else "S", "own")
        text = clip(numbers.trimmed(size), self.bar, self.glyphs.ellipsis)
        self.grid.put(self.price + 1, y, text.ljust(self.bar), "own")

    def foot(self, y: int) -> None:
        book, item = self.view.book, self.view.instrument
        if book is None or not self.view.trusted:
            return
        leans, micro = imbalance(book), micro_price(book)
        if leans is None or micro is None:
            return
        x = 2
        price = f"{micro * float(item.price_tick):,.{item.price_decimals + 1}f}"
        word = "imbalance" if self.grid.width >= len(price) + 26 else "imb"
        for name, value in ((word, f"{leans:+.2f}"), ("micro", price)):
            if x + len(name) + len(value) + 1 <= self.grid.width:
                self.grid.put(x, y, name, "muted")
                self.grid.put(x + len(name) + 1, y, value, "axis")
                x += len(name) + len(value) + 3


def gathered(asks: Levels, bids: Levels, prices: Sequence[int]) -> tuple[Levels, Levels]:
    """Return the levels gathered into rows that do not move with them, best first.

    A row holds what an order at its price would meet on its way there and no nearer row does:
    asks up to it, bids down to it.
    """
    rows = sorted(ticks for ticks in prices if ticks > 0)
    up: dict[int, int] = {}
    for ticks, lots in asks:
        at = bisect_left(rows, ticks)
        if at < len(rows):
            up[rows[at]] = up.get(rows[at], 0) + lots
    down: dict[int, int] = {}
    for ticks, lots in bids:
        at = bisect_right(rows, ticks)
        if at:
            down[rows[at - 1]] = down.get(rows[at - 1], 0) + lots
    return list(up.items()), list(down.items())


def _sums(*sides: Levels) -> dict[int, int]:
    out: dict[int, int] = {}
    for side in sides:
        total = 0
        for ticks, lots in side:
            total += lots
            out[ticks] = total
    return out
