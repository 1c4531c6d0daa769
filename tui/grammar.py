"""The command line: what a person types after ``:``, understood without a running engine.

::

    b 0.5 BTC-USDT @64250 post gtc      an order ticket, ready to send
    s 0.5 market                        the same for the instrument on screen
    b r1% @64250 sl 63000 tp 67000      a bracket that loses 1 % of the equity at its stop
    BTC-USDT 5m    5m    ETH-USDT       what the chart shows
    ind ema(20) rsi(14)                 indicators of the chosen chart
    MARKETS  QUALITY  RECORDS           screens, also PORTFOLIO and LIMITS
    POS  ORD  FILLS  DOM  TAPE  LOG     panes
    arm seconds=60    kill flatten      any command, with its fields
    why a91f                            the whole life of an order
    quit    help

Nothing is guessed: a word that cannot be read is an error naming it, never a default.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Final, Literal, TypeAlias

from msgspec import Struct, field

from core.model.errors import ConfigError, did_you_mean
from core.model.grammar import SIDES, OrderLine, parse_order
from core.model.ids import InstrumentId, instrument_id
from core.model.occ import read_option

PaneName: TypeAlias = Literal[
    "ladder", "tape", "watchlist", "orders", "positions", "fills", "balances",
    "strategies", "models", "log", "risk",
]  # fmt: skip

PANE_WORDS: Final[Mapping[str, PaneName]] = {
    "DOM": "ladder",
    "LADDER": "ladder",
    "TAPE": "tape",
    "WL": "watchlist",
    "WATCHLIST": "watchlist",
    "ORD": "orders",
    "ORDERS": "orders",
    "POS": "positions",
    "POSITIONS": "positions",
    "FILLS": "fills",
    "BAL": "balances",
    "BALANCES": "balances",
    "STRAT": "strategies",
    "STRATEGIES": "strategies",
    "MODELS": "models",
    "LOG": "log",
    "RISK": "risk",
}
ScreenWord: TypeAlias = Literal["trade", "markets", "quality", "records", "portfolio", "risk"]
SCREEN_WORDS: Final[Mapping[str, ScreenWord]] = {
    "TRADE": "trade",
    "MKT": "markets",
    "MARKETS": "markets",
    "DQ": "quality",
    "QUALITY": "quality",
    "RECORDS": "records",
    "BLOTTER": "records",
    "PORTFOLIO": "portfolio",
    "PORT": "portfolio",
    "LIMITS": "risk",
}
TIMEFRAMES: Final = ("1s", "5s", "1m", "5m", "15m", "1h", "4h", "1d")
_CHART_WORDS: Final = frozenset({"GP", "CHART"})


class ChartLine(Struct, frozen=True):
    """What to look at; None keeps what is."""

    instrument: InstrumentId | None = None
    timeframe: str | None = None


class PaneLine(Struct, frozen=True):
    """A pane to show."""

    pane: PaneName


class IndicatorLine(Struct, frozen=True):
    """What the chosen chart draws beside its bars."""

    indicators: tuple[str, ...]


class ScreenLine(Struct, frozen=True):
    """A screen to show."""

    screen: ScreenWord


class CommandLine(Struct, frozen=True):
    """A command of the table with its fields as text, to be validated by it."""

    name: str
    args: dict[str, object] = field(default_factory=dict)


class AppLine(Struct, frozen=True):
    """Something the screen itself does."""

    what: Literal["help", "detach"]


Line: TypeAlias = (
    OrderLine | ChartLine | IndicatorLine | PaneLine | ScreenLine | CommandLine | AppLine
)


class Known(Struct, frozen=True):
    """What words may refer to."""

    instruments: Collection[InstrumentId] = ()
    listed: Collection[InstrumentId] = ()
    """Whatever venues list besides; looked into where `instruments` have no such name."""
    focus: InstrumentId | None = None
    commands: Mapping[str, Sequence[str]] = field(default_factory=dict)
    """Command name to its field names, in order."""

    def find(self, word: str) -> InstrumentId | None:
        """Return the instrument a word names.

        Raises:
            ConfigError: More than one venue lists that symbol.
        """
        found = find_instrument(word, self.instruments)
        found = found if found is not None else find_instrument(word, self.listed)
        return found if found is not None else find_option(word, self.listed)


def find_option(word: str, listed: Collection[InstrumentId]) -> InstrumentId | None:
    """Return the option a word names, at the venue that lists the share it is on.

    Options are in no listing: their names alone say which they are.

    Raises:
        ConfigError: More than one venue lists that share.
    """
    symbol, _, venue = word.rpartition(".")
    option = read_option(word) or read_option(symbol)
    if option is None:
        return None
    if read_option(word) is None:
        return instrument_id(option.symbol, venue.lower())
    share = option.root.rstrip("0123456789")
    on = find_instrument(f"{share}-USD-STOCK", listed) or find_instrument(f"{share}-USD", listed)
    return None if on is None else instrument_id(option.symbol, on.rpartition(".")[2])


def find_instrument(word: str, known: Collection[InstrumentId]) -> InstrumentId | None:
    """Return the instrument a word names: its id, or its symbol where only one venue has it.

    Raises:
        ConfigError: More than one venue lists that symbol.
    """
    upper = word.upper()
    exact = [name for name in known if name.upper() == upper]
    if exact:
        return exact[0]
    same = [name for name in known if name.rpartition(".")[0].upper() == upper]
    if not same:
        same = [name for name in known if name.rpartition(".")[0].replace("-", "").upper() == upper]
    if len(same) > 1:
        raise ConfigError(f"{word!r} is listed at {' and '.join(sorted(same))}; write one of them")
    return same[0] if same else None


def parse(text: str, known: Known) -> Line:
    """Understand a typed line.

    Raises:
        ConfigError: It cannot be understood; names the word and the nearest known one.
    """
    words = text.split()
    if not words:
        raise ConfigError("nothing typed; try BTC-USDT 5m, b 0.5 @64250, POS or help")
    head = words[0]
    if head.lower() in SIDES:
        return parse_order(words, known.find, focus=known.focus, known=known.instruments)
    if head.lower() in ("q", "quit", "exit", "detach"):
        return AppLine("detach")
    if head.lower() in ("help", "?"):
        return AppLine("help")
    if head.upper() in SCREEN_WORDS and len(words) == 1:
        return ScreenLine(SCREEN_WORDS[head.upper()])
    if head.upper() in ("IND", "INDICATORS"):
        return IndicatorLine(tuple(word.lower() for word in words[1:]))
    if head.upper() in PANE_WORDS and len(words) == 1:
        return PaneLine(PANE_WORDS[head.upper()])
    name = _command_name(head, known.commands)
    if name is not None:
        return _command(name, words[1:], known)
    return _chart(words, known)


def _chart(words: Sequence[str], known: Known) -> ChartLine:
    instrument: InstrumentId | None = None
    timeframe: str | None = None
    for word in words:
        if word.lower() in TIMEFRAMES:
            timeframe = word.lower()
        elif word.upper() not in _CHART_WORDS:
            found = known.find(word)
            if found is None:
                raise ConfigError(_unknown_word(word, known))
            instrument = found
    return ChartLine(instrument, timeframe)


def _unknown_word(word: str, known: Known) -> str:
    choices = [
        *PANE_WORDS,
        *SCREEN_WORDS,
        *TIMEFRAMES,
        *known.commands,
        "buy",
        "sell",
        "quit",
        "help",
    ]
    choices += [name.rpartition(".")[0] for name in known.instruments]
    near = did_you_mean(word.lower(), [choice.lower() for choice in choices])
    return f"{word!r} is no instrument, timeframe, pane or command{near}"


SHORT: Final[Mapping[str, str]] = {
    "watch": "watch_instrument",
    "unwatch": "unwatch_instrument",
    "enable": "enable_strategy",
    "disable": "disable_strategy",
    "cancel": "cancel_order",
    "cancelall": "cancel_all",
    "close": "close_position",
    "amend": "amend_order",
    "why": "get_order_life",
    "oco": "submit_oco",
    "stop": "stop_engine",
}
"""Words people type for commands whose names are longer."""
BY_ID: Final = frozenset({"cancel_order", "amend_order", "get_order_life"})
"""Commands about an order that is there; all others make the id of a new one."""


def _command_name(word: str, commands: Mapping[str, Sequence[str]]) -> str | None:
    name = word.lower().replace("-", "_")
    name = SHORT.get(name, name)
    return name if name in commands else None


def _command(name: str, words: Sequence[str], known: Known) -> CommandLine:
    fields = known.commands[name]
    args: dict[str, object] = {}
    free = [item for item in fields if item != "client_order_id" or name in BY_ID]
    for word in words:
        key, equals, value = word.partition("=")
        if not equals:
            rest = [item for item in free if item not in args]
            if not rest:
                raise ConfigError(f"{name} takes no more words, was {word!r}")
            key, value = rest[0], word
        elif key not in fields:
            raise ConfigError(f"{name} has no field {key!r}{did_you_mean(key, fields)}")
        if key in args:
            raise ConfigError(f"{name}: {key} is given twice")
        if key == "instrument":
            value = known.find(value) or value
        args[key] = value
    return CommandLine(name, args)
