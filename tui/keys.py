"""The key map: every key has an id, and a person may give any id other keys.

One table serves the dispatcher, the hints in the last line, the help screen and the settings. A
key map is checked when it is loaded: unknown ids, keys no terminal can tell apart and two actions
on one key are errors, never surprises.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final, Literal, TypeAlias, get_args

from msgspec import Struct
from msgspec.structs import replace
from textual.binding import Binding

from core.model.errors import ConfigError, did_you_mean

Group: TypeAlias = Literal[
    "everywhere",
    "panes",
    "chart",
    "ladder and lists",
    "trading",
    "markets",
    "data quality",
    "records and sums",
]
"""Where a key is listed in the help."""
ScreenName: TypeAlias = Literal["trade", "markets", "quality", "records", "portfolio", "risk"]
Where: TypeAlias = Literal["any"] | ScreenName
"""The screen a key belongs to; a key of one screen may mean something else on another."""


class Key(Struct, frozen=True):
    """One thing a key does."""

    id: str
    """Stable name for the settings, ``group.what``."""
    keys: str
    """Keys as people write them, comma separated; the first is shown."""
    action: str
    """Textual action it runs."""
    title: str
    """A few words, for the help."""
    group: Group
    everywhere: bool = False
    """Works above every screen, also while typing."""
    where: Where = "trade"

    def on(self, screen: ScreenName) -> bool:
        """Return whether the key works on a screen."""
        return self.where in ("any", screen)


def _any(id: str, keys: str, action: str, title: str, group: Group) -> Key:  # noqa: A002  as the field
    return Key(id, keys, action, title, group, where="any")


def _markets(id: str, keys: str, action: str, title: str) -> Key:  # noqa: A002  as the field
    return Key(id, keys, action, title, "markets", where="markets")


def _sums(id: str, keys: str, action: str, title: str) -> Key:  # noqa: A002  as the field
    screen: ScreenName = "records" if id.startswith("records") else "portfolio"
    return Key(id, keys, action, title, "records and sums", where=screen)


KEYS: Final[tuple[Key, ...]] = (
    _any("app.command", "colon", "command_line", "command line", "everywhere"),
    _any("app.palette", "ctrl+p", "app.command_palette", "palette of all commands", "everywhere"),
    _any("app.find", "slash", "find", "find an instrument; in a list: filter it", "everywhere"),
    _any("app.symbol", "f", "symbol", "find an instrument of any venue", "everywhere"),
    _any("app.help", "question_mark,f1", "help", "this help", "everywhere"),
    _any("app.detach", "q,d", "detach", "detach; the engine goes on", "everywhere"),
    Key(
        "app.kill",
        "ctrl+k",
        "app.kill_switch",
        "kill switch",
        "everywhere",
        everywhere=True,
        where="any",
    ),
    _any("app.theme", "T", "next_theme", "next theme", "everywhere"),
    _any("app.read", "escape", "leave", "mark the alert as read; leave the screen", "everywhere"),
    _any("screen.trade", "t", "screen('trade')", "trade screen", "everywhere"),
    _any("screen.markets", "m", "screen('markets')", "markets screen", "everywhere"),
    _any("screen.quality", "Q", "screen('quality')", "data quality screen", "everywhere"),
    _any("screen.records", "F", "screen('records')", "orders, fills, ledger in full", "everywhere"),
    _any("screen.portfolio", "P", "screen('portfolio')", "portfolio: curve, profit", "everywhere"),
    _any("screen.risk", "G", "screen('risk')", "risk screen: limits as bars", "everywhere"),
    Key("pane.next", "tab", "next_pane(1)", "next pane", "panes"),
    Key("pane.previous", "shift+tab", "next_pane(-1)", "previous pane", "panes"),
    Key("pane.ladder", "1", "pane('ladder')", "ladder", "panes"),
    Key("pane.tape", "2", "pane('tape')", "tape", "panes"),
    Key("pane.watchlist", "3", "pane('watchlist')", "watchlist", "panes"),
    Key("pane.orders", "4", "pane('orders')", "orders", "panes"),
    Key("pane.positions", "5", "pane('positions')", "positions", "panes"),
    Key("pane.fills", "6", "pane('fills')", "fills", "panes"),
    Key("pane.balances", "7", "pane('balances')", "balances", "panes"),
    Key("pane.strategies", "8", "pane('strategies')", "strategies", "panes"),
    Key("pane.models", "9", "pane('models')", "models", "panes"),
    Key("pane.log", "0", "pane('log')", "log", "panes"),
    Key("pane.risk", "R", "pane('risk')", "risk limits", "panes"),
    Key("chart.shorter", "left_square_bracket", "timeframe(-1)", "shorter bars", "chart"),
    Key("chart.longer", "right_square_bracket", "timeframe(1)", "longer bars", "chart"),
    Key("chart.back", "left,h", "pan(-1)", "back in time", "chart"),
    Key("chart.forward", "right,l", "pan(1)", "forward in time", "chart"),
    Key("chart.back_far", "ctrl+left,H", "pan(-10)", "far back", "chart"),
    Key("chart.forward_far", "ctrl+right,L", "pan(10)", "far forward", "chart"),
    Key("chart.latest", "end,g", "latest", "newest bar", "chart"),
    Key("chart.inspect", "i", "inspect", "crosshair: ← → read bar by bar, esc ends", "chart"),
    Key("chart.more", "plus,equals_sign", "plus", "zoom in; at the ladder: larger size", "chart"),
    Key("chart.less", "minus", "minus", "zoom out; at the ladder: smaller size", "chart"),
    Key("chart.picture", "v", "picture(1)", "chart, depth, heatmap in turn", "chart"),
    Key("chart.layout", "w", "layout(1)", "more charts side by side", "chart"),
    Key("chart.layout_back", "W", "layout(-1)", "fewer charts", "chart"),
    Key("chart.next", "n", "next_chart(1)", "next of several charts", "chart"),
    Key("chart.previous", "N", "next_chart(-1)", "previous of several charts", "chart"),
    _any("list.up", "up,k", "cursor(-1)", "cursor up", "ladder and lists"),
    _any("list.down", "down,j", "cursor(1)", "cursor down", "ladder and lists"),
    _any("list.far_up", "pageup,ctrl+u", "cursor(-10)", "far up", "ladder and lists"),
    _any("list.far_down", "pagedown,ctrl+d", "cursor(10)", "far down", "ladder and lists"),
    _any("list.open", "enter", "open", "open; at an armed ladder: order", "ladder and lists"),
    _any("list.copy", "y", "copy", "copy the row", "ladder and lists"),
    _any("list.sort", "o", "sort(1)", "sort a list by its next column", "ladder and lists"),
    _any("list.sort_back", "O", "sort(-1)", "sort by the column before", "ladder and lists"),
    _any("list.reverse", "r", "reverse", "reverse the order of a list", "ladder and lists"),
    _any("list.export", "E", "export", "export a list as CSV", "ladder and lists"),
    Key("ladder.centre", "space", "centre", "centre the ladder", "ladder and lists"),
    Key("trade.buy", "b", "ticket('buy')", "buy ticket at the cursor", "trading"),
    Key("trade.sell", "s", "ticket('sell')", "sell ticket at the cursor", "trading"),
    Key("trade.join_bid", "B", "quick('buy')", "armed: bid at the best bid, at once", "trading"),
    Key("trade.join_ask", "S", "quick('sell')", "armed: offer at the best ask, at once", "trading"),
    Key("trade.take_ask", "full_stop", "take('buy')", "armed: buy at the best ask", "trading"),
    Key("trade.take_bid", "comma", "take('sell')", "armed: sell at the best bid", "trading"),
    Key("trade.move_up", "K", "move(-1)", "armed: the ladder's order a row up", "trading"),
    Key("trade.move_down", "J", "move(1)", "armed: the ladder's order a row down", "trading"),
    Key("trade.amend", "A", "amend", "change the order at the cursor", "trading"),
    _any("trade.gate", "D", "gate", "answer what a venue has and we do not", "trading"),
    Key("trade.cancel", "c", "cancel", "cancel the order at the cursor", "trading"),
    Key("trade.cancel_all", "X", "cancel_all", "twice: cancel all orders here", "trading"),
    Key("trade.close", "Z", "close", "twice: close the position here", "trading"),
    Key("trade.arm", "a", "arm", "arm or disarm this instrument", "trading"),
    Key("strategy.toggle", "e", "toggle_strategy", "enable or disable the strategy", "trading"),
    _markets("markets.next", "tab,right,l", "next_group(1)", "next group"),
    _markets("markets.previous", "shift+tab,left,h", "next_group(-1)", "previous group"),
    _markets("markets.put", "space", "put", "put the instrument into groups, or take it out"),
    _markets("markets.take", "x,delete", "take", "take the instrument out of this group"),
    _markets("markets.new", "n", "new_group", "make a group"),
    _markets("markets.rename", "R", "rename_group", "rename this group"),
    _markets("markets.drop", "X", "drop_group", "twice: remove this group"),
    _markets("markets.sort", "s", "sort(1)", "sort by the next column"),
    Key(
        "quality.side",
        "tab,v",
        "side",
        "by instrument or by venue",
        "data quality",
        where="quality",
    ),
    Key("quality.sort", "s", "sort(1)", "sort by the next column", "data quality", where="quality"),
    _sums("records.next", "tab,right,l", "next_page(1)", "next list"),
    _sums("records.previous", "shift+tab,left,h", "next_page(-1)", "previous list"),
    _sums("records.sort", "s", "sort(1)", "sort by the next column"),
    _sums("records.cancel", "c", "cancel", "cancel the order; executors, twice: stop it"),
    _sums("records.plan", "n", "plan", "a new TWAP or scaled entry"),
    _sums("records.pause", "p", "pause", "executors: pause it, or let it go on"),
    _sums("records.amend", "A", "amend", "records: change the order"),
    _sums("records.close", "Z", "close", "records, twice: close the position"),
    _sums("portfolio.next", "tab,right,l", "next_page(1)", "next list"),
    _sums("portfolio.previous", "shift+tab,left,h", "next_page(-1)", "previous list"),
    _sums("portfolio.sort", "s", "sort(1)", "sort by the next column"),
    _sums("portfolio.longer", "right_square_bracket", "span(1)", "another stretch of the curve"),
    _sums("portfolio.shorter", "left_square_bracket", "span(-1)", "the stretch before"),
    Key("risk.sort", "s", "sort(1)", "sort by the next column", "records and sums", where="risk"),
)
"""Every key of the screens; keys inside dialogs are shown in the dialogs."""

HintSet: TypeAlias = ScreenName | Literal["lists", "executors"]
HINTS: Final[Mapping[HintSet, Mapping[str, str]]] = {
    "trade": {
        "trade.buy": "buy",
        "trade.sell": "sell",
        "trade.arm": "arm",
        "chart.shorter": "",
        "chart.longer": "frame",
        "screen.markets": "markets",
        "app.find": "find",
        "app.command": "command",
        "app.help": "help",
        "app.kill": "kill",
        "chart.picture": "depth",
        "chart.layout": "charts",
        "app.palette": "palette",
        "ladder.centre": "centre",
    },
    "lists": {
        "list.open": "open",
        "app.find": "filter",
        "list.sort": "",
        "list.reverse": "sort",
        "list.export": "export",
        "trade.cancel": "cancel",
        "trade.amend": "amend",
        "screen.records": "full",
        "screen.markets": "markets",
        "app.help": "help",
        "app.kill": "kill",
        "trade.buy": "buy",
        "trade.sell": "sell",
        "app.command": "command",
    },
    "markets": {
        "list.open": "trade",
        "app.find": "filter",
        "markets.sort": "",
        "list.reverse": "sort",
        "markets.put": "groups",
        "markets.next": "next group",
        "app.help": "help",
        "markets.new": "new",
        "markets.take": "take out",
        "list.export": "export",
        "screen.quality": "quality",
        "app.command": "command",
        "app.kill": "kill",
    },
    "quality": {
        "quality.side": "by venue",
        "quality.sort": "",
        "list.reverse": "sort",
        "app.find": "filter",
        "list.open": "trade",
        "app.help": "help",
        "list.export": "export",
        "screen.markets": "markets",
        "app.kill": "kill",
    },
    "records": {
        "records.next": "next",
        "list.open": "why",
        "app.find": "filter",
        "records.sort": "sort",
        "list.export": "export",
        "records.cancel": "cancel",
        "records.amend": "amend",
        "records.close": "close",
        "app.help": "help",
        "screen.portfolio": "portfolio",
        "app.kill": "kill",
    },
    "executors": {
        "records.next": "next",
        "records.plan": "new",
        "list.open": "its orders",
        "records.pause": "pause, go on",
        "records.cancel": "stop",
        "app.find": "filter",
        "records.sort": "sort",
        "list.export": "export",
        "app.help": "help",
        "screen.portfolio": "portfolio",
        "app.kill": "kill",
    },
    "portfolio": {
        "portfolio.next": "next",
        "portfolio.shorter": "",
        "portfolio.longer": "curve",
        "app.find": "filter",
        "portfolio.sort": "sort",
        "list.export": "export",
        "app.help": "help",
        "screen.records": "records",
        "screen.risk": "risk",
        "app.kill": "kill",
    },
    "risk": {
        "app.find": "filter",
        "risk.sort": "sort",
        "list.reverse": "reverse",
        "list.export": "export",
        "app.kill": "kill",
        "app.help": "help",
        "screen.portfolio": "portfolio",
        "screen.records": "records",
    },
}
"""What the last line says of keys, most wanted first; a word stands for the keys before it too.

``lists`` is said on the trade screen while the cursor is in a list, ``executors`` on their page.
"""

FORBIDDEN: Final[Mapping[str, str]] = {
    "ctrl+h": "backspace",
    "ctrl+i": "tab",
    "ctrl+m": "enter",
    "ctrl+left_square_bracket": "escape",
    "ctrl+[": "escape",
}
"""Keys a plain terminal cannot tell from others."""

RESERVED: Final[Mapping[str, str]] = {"ctrl+q": "quit", "ctrl+c": "copy"}
"""Keys the framework keeps for itself."""

_SIGNS: Final[Mapping[str, str]] = {
    "left_square_bracket": "[",
    "right_square_bracket": "]",
    "question_mark": "?",
    "slash": "/",
    "colon": ":",
    "plus": "+",
    "equals_sign": "=",
    "minus": "-",
    "comma": ",",
    "full_stop": ".",
    "escape": "esc",
    "left": "←",
    "right": "→",
    "up": "↑",
    "down": "↓",
    "pageup": "pgup",
    "pagedown": "pgdn",
}
_NAMES: Final[Mapping[str, str]] = {sign: name for name, sign in _SIGNS.items() if len(sign) == 1}
_MODIFIERS: Final = ("ctrl", "alt", "shift", "super")
_WORDS: Final = """
enter tab space escape backspace delete insert home end up down left right pageup
pagedown comma full_stop semicolon apostrophe quotation_mark grave_accent tilde
exclamation_mark at number_sign dollar_sign percent_sign circumflex_accent
ampersand asterisk left_parenthesis right_parenthesis underscore backslash
vertical_line less_than_sign greater_than_sign left_curly_bracket
right_curly_bracket
"""
_NAMED: Final = frozenset(_WORDS.split()) | frozenset(_SIGNS)


def show(key: str) -> str:
    """Return a key as printed on the keyboard: ``left_square_bracket`` is ``[``."""
    *modifiers, name = key.split("+")
    return "+".join([*modifiers, _SIGNS.get(name, name)])


def hints(table: Iterable[Key], screen: HintSet = "trade") -> list[tuple[str, str]]:
    """Return (keys, word) for the last line of a screen, with a person's own keys."""
    first = {key.id: show(key.keys.split(",")[0]) for key in table}
    out: list[tuple[str, str]] = []
    before = ""
    for name, word in HINTS[screen].items():
        keys = f"{before} {first[name]}".strip()
        before = "" if word else keys
        if word:
            out.append((keys, word))
    return out


def key_map(overrides: Mapping[str, str]) -> tuple[Key, ...]:
    """Return the key table with a person's own keys in it.

    Args:
        overrides: Key id to comma separated keys, as in the settings under ``tui.keys``.

    Raises:
        ConfigError: An id is unknown, a key cannot be used, or one key has two meanings.
    """
    known = {key.id for key in KEYS}
    for name in overrides:
        if name not in known:
            raise ConfigError(f"tui.keys: no key id {name!r}{did_you_mean(name, known)}")
    table = tuple(
        replace(key, keys=_normal(key.id, overrides[key.id])) if key.id in overrides else key
        for key in KEYS
    )
    _refuse_clashes(table)
    return table


def bindings(table: Iterable[Key], screen: ScreenName | None) -> list[Binding]:
    """Return Textual bindings for a screen, or for the app (None): what works everywhere."""
    return [
        Binding(key.keys, key.action, key.title, show=False, id=key.id, priority=key.everywhere)
        for key in table
        if (key.everywhere if screen is None else key.on(screen) and not key.everywhere)
    ]


def _normal(name: str, keys: str) -> str:
    """Return a person's keys in Textual's spelling, or raise ConfigError."""
    parts = ["comma" if part == "," else part.strip() for part in _split(keys)]
    if not all(parts):
        raise ConfigError(f"tui.keys.{name} must name a key, was {keys!r}")
    return ",".join(_normal_key(name, part) for part in parts)


def _split(keys: str) -> list[str]:
    return [","] if keys.strip() == "," else keys.split(",")


def _normal_key(name: str, key: str) -> str:
    head, plus, last = key.rpartition("+")
    if key == "+" or key.endswith("++"):
        head, plus, last = key[:-2], "+" if key != "+" else "", "+"
    modifiers = head.split("+") if plus and head else []
    last = _NAMES.get(last, last)
    full = "+".join([*modifiers, last])
    wrong = [part for part in modifiers if part not in _MODIFIERS]
    if wrong:
        near = did_you_mean(wrong[0], _MODIFIERS)
        raise ConfigError(f"tui.keys.{name}: no modifier {wrong[0]!r} in {key!r}{near}")
    if full in FORBIDDEN or key in FORBIDDEN:
        other = FORBIDDEN.get(full) or FORBIDDEN[key]
        raise ConfigError(
            f"tui.keys.{name}: {key} is {other} in most terminals; choose another key"
        )
    if full in RESERVED:
        raise ConfigError(
            f"tui.keys.{name}: {key} is kept for {RESERVED[full]}; choose another key"
        )
    function_key = last[:1] == "f" and last[1:].isdigit()
    if not (len(last) == 1 and last.isprintable()) and last not in _NAMED and not function_key:
        near = did_you_mean(last, _NAMED)
        raise ConfigError(f"tui.keys.{name}: no key is called {key!r}{near}")
    return full


def _refuse_clashes(table: Iterable[Key]) -> None:
    entries = list(table)
    for screen in get_args(ScreenName):
        taken: dict[str, str] = {}
        for entry in entries:
            if not entry.on(screen):
                continue
            for key in entry.keys.split(","):
                if key in taken and taken[key] != entry.id:
                    raise ConfigError(
                        f"tui.keys: {show(key)} is bound to both {taken[key]} and {entry.id};"
                        " give one of them another key"
                    )
                taken[key] = entry.id
