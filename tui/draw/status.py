"""The first line, the last line and the small panels beside the ladder: state in words."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Sequence
from decimal import Decimal
from typing import Final

from msgspec import Struct

from core.model.instruments import Instrument
from core.model.market import FeedStatus
from core.model.views import EngineStatus, ModelView, QuoteLine, StrategyView
from core.model.wording import counted
from tui.draw import numbers
from tui.draw.glyphs import Glyphs
from tui.draw.runs import Grid, Row, Run, clip, plain

_LEFT_ROOM: Final = 26
"""Cells kept for symbol and price while anything on the right can be left out for them."""


class Standing(Struct, frozen=True):
    """How things stand: everything the first line says."""

    instrument: Instrument | None
    quote: QuoteLine | None
    status: EngineStatus | None
    link: str
    """``up``, ``connecting`` or ``down``."""
    reason: str
    """Why the link is not up."""
    armed_s: int = 0
    armed_others: int = 0
    """Instruments armed beside the one in question."""
    day_pnl: Decimal = Decimal(0)
    slow_fps: float = 0.0
    """The frame rate in force when the terminal cannot follow, else 0."""
    title: tuple[Run, ...] = ()
    """What a screen of many instruments says of itself instead of one's price."""
    feeds: tuple[int, int] = (0, 0)
    """Instruments whose data is live, and all that are subscribed; said beside a title."""
    venues_down: tuple[str, ...] = ()
    """Venues whose private side is down: entries there are refused."""
    flash: int = 0
    """The direction the price moved since it was last drawn, where that is to be seen."""


def screen_title(name: str, words: Sequence[str] = ()) -> tuple[Run, ...]:
    """Return the title of a screen of many instruments."""
    return ((name, "title"), *((plain(word), "muted") for word in words))


def draw_header(now: Standing, width: int, glyphs: Glyphs) -> Row:
    """Draw the first line: what is looked at on the left, how things stand on the right."""
    grid = Grid(width, 1)
    left = _left(now, glyphs)
    # Symbol and price of a long name need more than most.
    first = 0 if now.title else sum(len(text) + 2 for text, _ in left[:2])
    right = [run for _, run in _kept(_right(now), width - max(_LEFT_ROOM, first))]
    start = max(0, width - sum(len(text) + 1 for text, _ in right))
    x = 1
    for text, role in left:
        if x + len(text) > start - 1:
            break
        grid.put(x, 0, text, role)
        x += len(text) + 2
    x = start
    for text, role in right:
        grid.put(x, 0, text, role)
        x += len(text) + 1
    return grid.row(0)


def _kept(runs: list[tuple[int, Run]], room: int) -> list[tuple[int, Run]]:
    """Return the runs that fit, the least important (highest number) left out first."""
    kept = list(runs)
    while kept and sum(len(text) + 1 for _, (text, _) in kept) > room:
        worst = max(range(len(kept)), key=lambda at: kept[at][0])
        if kept[worst][0] == 0:
            break
        del kept[worst]
    return kept


def _left(now: Standing, glyphs: Glyphs) -> list[Run]:
    item, line = now.instrument, now.quote
    if now.title:
        return list(now.title)
    if item is None:
        return [("clx", "title")]
    out: list[Run] = [(item.symbol, "title")]
    if line is None or not line.last_ticks:
        return [*out, (item.venue, "muted"), ("no price yet", "muted")]
    change = numbers.change(line.last_ticks, line.open_24h_ticks)
    role = "up" if change > 0 else "down" if change < 0 else "text"
    price = numbers.price(item, line.last_ticks)
    shown = {1: "flash_up", -1: "flash_down"}.get(now.flash, role)
    known = not math.isnan(change)
    out.append((f"{price} {glyphs.direction(change)}" if known else price, shown))
    if known:
        out.append((numbers.percent(change), role))
    if line.bid_ticks and line.ask_ticks:
        spread = line.ask_ticks - line.bid_ticks
        out.append((f"spread {numbers.price(item, spread)}", "muted"))
    low, high = line.low_24h_ticks, line.high_24h_ticks
    if low and high:
        out.append((f"24h {numbers.price(item, low)} - {numbers.price(item, high)}", "muted"))
    out += [(f"vol {numbers.turnover(item, line)}", "muted"), (item.venue, "muted")]
    return out


def _right(now: Standing) -> list[tuple[int, Run]]:
    """Return (importance, run) from left to right; 0 is never left out."""
    out: list[tuple[int, Run]] = []
    status = now.status
    if now.slow_fps:
        out.append((3, (f" slow terminal {now.slow_fps:g} Hz ", "warn")))
    if status is not None and now.day_pnl:
        role = "up" if now.day_pnl > 0 else "down"
        out.append((2, (f"day {numbers.signed(now.day_pnl)} ", role)))
    out.append((0, _feed(now)))
    if status is not None:
        if now.venues_down and now.link == "up" and status.phase == "running":
            first, more = now.venues_down[0], len(now.venues_down) - 1
            words = f"{clip(plain(first), 14)}{f' +{more}' if more else ''}"
            out.append((1, (f" {words} DOWN ", "chip_warn")))
        if not status.journal_ok:
            out.append((1, (" JOURNAL FAILED ", "chip_live")))
        if status.risk_state.value != "active":
            risk = status.risk_state.value.replace("_", " ").upper()
            out.append((0, (f" {risk} ", "chip_live")))
        mode = status.mode
        out.append((0, (f" {mode} ", "chip_live" if mode == "LIVE" else "chip")))
    if now.armed_s:
        left = f"{now.armed_s // 60}:{now.armed_s % 60:02d}"
        out.append((0, (f" ARMED {left} ", "chip_warn")))
    elif now.armed_others:
        others = "1 OTHER" if now.armed_others == 1 else f"{now.armed_others} OTHERS"
        out.append((0, (f" ARMED: {others} ", "chip_warn")))
    else:
        out.append((0, (" DISARMED ", "chip")))
    return out


def _feed(now: Standing) -> Run:
    if now.link != "up":
        return (f" link {now.link} ", "chip_warn")
    status = now.status
    if status is not None and status.phase != "running":
        return (f"{clip(plain(status.phase), 26)} ", "warn")
    if now.title:
        live, count = now.feeds
        if live < count:
            return (f" {count - live} of {counted(count, 'feed')} not live ", "chip_warn")
        return (f"{counted(count, 'feed')} live ", "muted")
    line = now.quote
    if line is None:
        return ("feed waiting ", "muted")
    if line.status != FeedStatus.LIVE:
        word = FeedStatus(line.status).name
        return (f" {word} {numbers.age(line.age_ms)} ", "chip_warn")
    return (f"feed {numbers.age(line.age_ms)} ", "muted")


def draw_notice(words: str, role: str, width: int, most: int = 4) -> list[Row]:
    """Draw a notice over as many lines as it needs, `most` at most."""
    lines = textwrap.wrap(plain(words), max(8, width - 2)) or [""]
    if len(lines) > most:
        lines = [*lines[: most - 1], clip(" ".join(lines[most - 1 :]), max(0, width - 2))]
    grid = Grid(width, len(lines))
    for y, line in enumerate(lines):
        grid.put(1, y, line, role)
    return grid.rows()


def draw_hints(hints: Sequence[tuple[str, str]], right: str, width: int) -> Row:
    """Draw the last line: keys and their words, as many as fit; `right` stands at the end."""
    grid = Grid(width, 1)
    room = width - len(right) - 2
    x = 1
    for key, words in hints:
        if x + len(key) + len(words) + 1 > room:
            break
        grid.put(x, 0, key, "key")
        grid.put(x + len(key) + 1, 0, words, "muted")
        x += len(key) + len(words) + 3
    grid.put_right(width - 1, 0, right, "muted")
    return grid.row(0)


def draw_tabs(
    names: Sequence[tuple[str, int]], active: str, right: str, width: int, glyphs: Glyphs
) -> Row:
    """Draw the tabs: (name, count) each, the active one by name; `right` stands at the end.

    What does not fit draws together, then takes short names, then lets `right` go; at last as many
    names as fit are left around the active one.
    """
    grid = Grid(width, 1)
    texts: list[str] = []
    for tail in (right, ""):
        for short, roomy in ((False, True), (False, False), (True, False)):
            texts = [_tab(name, count, short, roomy) for name, count in names]
            if sum(map(len, texts)) + len(tail) + 2 <= width:
                return _tab_row(grid, names, texts, active, tail)
    at = next((number for number, (name, _) in enumerate(names) if name == active), 0)
    first = last = at
    while True:
        used = sum(map(len, texts[first : last + 1])) + 3
        if last + 1 < len(texts) and used + len(texts[last + 1]) <= width:
            last += 1
        elif first and used + len(texts[first - 1]) <= width:
            first -= 1
        else:
            break
    row = _tab_row(grid, names[first : last + 1], texts[first : last + 1], active, "")
    if last + 1 < len(texts):
        grid.put(width - 1, 0, glyphs.ellipsis, "muted")
        row = grid.row(0)
    return row


_SHORT_TABS: Final = {
    "watchlist": "watch", "positions": "pos", "balances": "bal", "strategies": "strat",
}  # fmt: skip


def _tab(name: str, count: int, short: bool, roomy: bool) -> str:
    name = _SHORT_TABS.get(name, name) if short else name
    words = f" {name} {count} " if count else f" {name} "
    return words + " " if roomy else words


def _tab_row(
    grid: Grid, names: Sequence[tuple[str, int]], texts: Sequence[str], active: str, right: str
) -> Row:
    x = 0
    for (name, _), text in zip(names, texts, strict=True):
        chosen = name == active
        grid.put(x, 0, text.rstrip() + " ", "selected" if chosen else "muted")
        x += len(text)
    grid.put_right(grid.width - 1, 0, right, "text")
    return grid.row(0)


def draw_minds(
    models: Sequence[ModelView],
    strategies: Sequence[StrategyView],
    width: int,
    height: int,
    glyphs: Glyphs,
) -> list[Row]:
    """Draw what models and strategies say in a line each, as many as fit."""
    grid = Grid(width, height)
    y = 0
    for model in models:
        if y < height:
            _model(grid, y, model, glyphs)
            y += 1
    for strategy in strategies:
        if y < height:
            _strategy(grid, y, strategy)
            y += 1
    if not models and not strategies and height:
        grid.put(1, 0, "no models, no strategies", "muted")
    return grid.rows()


def _model(grid: Grid, y: int, view: ModelView, glyphs: Glyphs) -> None:
    grid.put(1, y, "MODEL", "muted")
    grid.put(7, y, clip(view.info.id, 12), "text")
    last = view.last
    x = 8 + min(12, len(view.info.id))
    if view.info.state != "ready":
        grid.put(x, y, clip(plain(view.info.state), max(0, grid.width - x)), "warn")
        return
    if last is None or not last.valid or not math.isfinite(last.p_up):
        grid.put(x, y, "no prediction yet", "muted")
        return
    role = "up" if last.p_up > 0.5 else "down"
    arrow = glyphs.arrow_up if last.p_up > 0.5 else glyphs.arrow_down
    hits = f" {view.hits / view.judged:.0%}/{view.judged}" if view.judged else ""
    grid.put(x, y, f"{arrow} up {last.p_up:.2f}", role)
    interval = f"[{last.low_return * 1e4:+.0f} {last.high_return * 1e4:+.0f}]bp{hits}"
    grid.put(x + 11, y, clip(interval, max(0, grid.width - x - 11)), "muted")


def _strategy(grid: Grid, y: int, view: StrategyView) -> None:
    grid.put(1, y, "STRAT", "muted")
    grid.put(7, y, clip(view.info.id, 12), "text")
    x = 8 + min(12, len(view.info.id))
    signal = view.last_signal
    words = view.state
    role = "warn" if view.state.startswith("failed") else "muted"
    if view.enabled and signal is not None:
        words = f"{signal.direction.value} {signal.confidence:.2f}"
        role = {"long": "up", "short": "down"}.get(signal.direction.value, "text")
        pnl = numbers.signed(view.realised_pnl)
        words += f"  {pnl}  {counted(view.orders, 'order')}"
    grid.put(x, y, clip(plain(words), max(0, grid.width - x)), role)
