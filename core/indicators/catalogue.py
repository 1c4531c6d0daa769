"""The catalogue: which indicators there are, their parameters, and how an expression names one.

Pure Python, so that settings and help can use it without loading numba.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable
from typing import Final

import msgspec

from core.model.errors import ConfigError, did_you_mean

MAX_PERIOD: Final = 5000
_EXPRESSION: Final = re.compile(
    r"\s*(?P<name>[A-Za-z]\w*)\s*(?:\((?P<args>[^()]*)\))?\s*(?:\.\s*(?P<output>\w+)\s*)?"
)


class Parameter(msgspec.Struct, frozen=True):
    """One parameter of an indicator, with its inclusive range."""

    name: str
    default: float
    low: float = 1
    high: float = MAX_PERIOD
    whole: bool = True
    """True: a whole number."""

    def parse(self, text: str, where: str) -> float:
        """Return the parameter's value.

        Raises:
            ConfigError: It is not a number, not whole where it must be, or out of range.
        """
        kind = "a whole number" if self.whole else "a number"
        problem = f"{self.name} of {where} must be {kind} from {self.low:g} to {self.high:g}"
        try:
            value = float(text)
        except ValueError:
            raise ConfigError(f"{problem}, was {text!r}") from None
        if not self.low <= value <= self.high or (self.whole and value != int(value)):
            raise ConfigError(f"{problem}, was {text}")
        return value


class Definition(msgspec.Struct, frozen=True):
    """An indicator as the catalogue knows it."""

    name: str
    title: str
    help: str
    parameters: tuple[Parameter, ...]
    outputs: tuple[str, ...]
    """Empty for an indicator with one nameless output."""
    cells: Callable[..., int]
    """State cells needed, given the parameters."""
    warmup: Callable[..., int]
    """Bars needed until every output is finite, given the parameters."""


class IndicatorSpec(msgspec.Struct, frozen=True):
    """A parsed expression."""

    name: str
    params: tuple[float, ...]
    output: str = ""
    """The one output asked for, empty for all."""

    @property
    def definition(self) -> Definition:
        """The catalogue's entry."""
        return CATALOGUE[self.name]

    @property
    def base(self) -> str:
        """Canonical text without the output, such as ``bb(20,2)``."""
        args = ",".join(f"{value:.12g}" for value in self.params)
        return f"{self.name}({args})" if args else self.name

    @property
    def outputs(self) -> tuple[str, ...]:
        """Canonical names of the outputs asked for, such as ``bb(20,2).upper``."""
        names = (self.output,) if self.output else self.definition.outputs
        return tuple(f"{self.base}.{name}" for name in names) or (self.base,)

    @property
    def cells(self) -> int:
        """State cells needed, parameters not counted."""
        return self.definition.cells(*map(_whole, self.params))

    @property
    def warmup(self) -> int:
        """Bars needed until every output is finite."""
        return self.definition.warmup(*map(_whole, self.params))


def _whole(value: float) -> float:
    return int(value) if value == int(value) else value


def _period(default: int, low: int = 1, name: str = "period") -> Parameter:
    return Parameter(name, default, low)


def _factor(default: float) -> Parameter:
    return Parameter("factor", default, 0.01, 100, whole=False)


_BANDS: Final = ("upper", "middle", "lower")

_DEFINITIONS: Final = (
    # Averages of the close.
    Definition("sma", "Simple average", "Mean of the last closes.",
               (_period(20),), (), lambda n: n + 3, lambda n: n),
    Definition("ema", "Exponential average", "Average that forgets exponentially.",
               (_period(20),), (), lambda n: 2, lambda n: n),
    Definition("rma", "Wilder's average", "Exponential average of weight 1/period.",
               (_period(14),), (), lambda n: 2, lambda n: n),
    Definition("wma", "Weighted average", "Mean that weighs newer closes linearly more.",
               (_period(20),), (), lambda n: n + 4, lambda n: n),
    Definition("dema", "Double exponential average", "Exponential average with less lag.",
               (_period(20),), (), lambda n: 4, lambda n: 2 * n - 1),
    Definition("tema", "Triple exponential average", "Exponential average with little lag.",
               (_period(20),), (), lambda n: 6, lambda n: 3 * n - 2),
    Definition("hma", "Hull average", "Weighted averages combined for smoothness without lag.",
               (_period(20, 2),), (), lambda n: n + n // 2 + math.isqrt(n) + 12,
               lambda n: n + math.isqrt(n) - 1),
    Definition("kama", "Adaptive average", "Kaufman's average: quick in trends, slow in noise.",
               (_period(10), _period(2, name="fast"), _period(30, name="slow")), (),
               lambda n, fast, slow: 2 * n + 8, lambda n, fast, slow: n + 1),
    # Oscillators and trend strength.
    Definition("rsi", "Relative strength", "Wilder's ratio of gains to all moves, 0 to 100.",
               (_period(14),), (), lambda n: 6, lambda n: n + 1),
    Definition("macd", "MACD", "Distance of two exponential averages, and its own average.",
               (_period(12, name="fast"), _period(26, name="slow"), _period(9, name="signal")),
               ("line", "signal", "histogram"), lambda fast, slow, signal: 6,
               lambda fast, slow, signal: max(fast, slow) + signal - 1),
    Definition("stoch", "Stochastic", "Place of the close in the recent range, 0 to 100.",
               (_period(14), _period(3, name="smoothing"), _period(3, name="signal")), ("k", "d"),
               lambda n, k, d: 2 * n + k + d + 14, lambda n, k, d: n + k + d - 2),
    Definition("willr", "Williams %R", "Place of the close below the recent high, -100 to 0.",
               (_period(14),), (), lambda n: 2 * n + 8, lambda n: n),
    Definition("cci", "Commodity channel index", "Distance from the mean in mean deviations.",
               (_period(20, 2),), (), lambda n: n + 3, lambda n: n),
    Definition("roc", "Rate of change", "Change over a number of bars, in per cent.",
               (_period(10),), (), lambda n: n + 2, lambda n: n + 1),
    Definition("mom", "Momentum", "Change over a number of bars, in price.",
               (_period(10),), (), lambda n: n + 2, lambda n: n + 1),
    Definition("trix", "TRIX", "Change of a triple exponential average, in per cent.",
               (_period(15),), (), lambda n: 8, lambda n: 3 * n - 1),
    Definition("adx", "Directional movement", "Strength of a trend, and its two directions.",
               (_period(14),), ("adx", "plus", "minus"), lambda n: 12, lambda n: 2 * n),
    Definition("aroon", "Aroon", "How lately the extremes were made, 0 to 100.",
               (_period(25),), ("up", "down"), lambda n: 2 * n + 10, lambda n: n + 1),
    Definition("mfi", "Money flow index", "Relative strength of the money traded, 0 to 100.",
               (_period(14),), (), lambda n: 2 * n + 8, lambda n: n + 1),
    # Volatility and channels.
    Definition("atr", "Average true range", "Wilder's average of the bars' true range.",
               (_period(14),), (), lambda n: 4, lambda n: n),
    Definition("natr", "Relative true range", "Average true range in per cent of the close.",
               (_period(14),), (), lambda n: 4, lambda n: n),
    Definition("stddev", "Standard deviation", "Population standard deviation of the closes.",
               (_period(20),), (), lambda n: n + 4, lambda n: n),
    Definition("bb", "Bollinger bands", "Mean and standard deviations either side.",
               (_period(20), _factor(2)), _BANDS, lambda n, k: n + 4, lambda n, k: n),
    Definition("keltner", "Keltner channel", "Exponential average and true ranges either side.",
               (_period(20), _factor(2), _period(10, name="atr")), _BANDS,
               lambda n, k, m: 6, lambda n, k, m: max(n, m)),
    Definition("donchian", "Donchian channel", "Highest high, lowest low and their middle.",
               (_period(20),), _BANDS, lambda n: 2 * n + 8, lambda n: n),
    Definition("supertrend", "Supertrend", "Trailing stop at a number of true ranges.",
               (_period(10), _factor(3)), ("stop", "direction"),
               lambda n, k: 8, lambda n, k: n),
    # Volume.
    Definition("vwap", "VWAP", "Volume-weighted average price since midnight UTC.",
               (), (), lambda: 3, lambda: 1),
    Definition("obv", "On-balance volume", "Volume summed with the sign of the close's change.",
               (), (), lambda: 3, lambda: 1),
    Definition("adl", "Accumulation line", "Volume summed by where in its range a bar closed.",
               (), (), lambda: 1, lambda: 1),
    Definition("cmf", "Chaikin money flow", "Money flow volume over volume, -1 to 1.",
               (_period(20),), (), lambda n: 2 * n + 6, lambda n: n),
)  # fmt: skip

CATALOGUE: Final[dict[str, Definition]] = {item.name: item for item in _DEFINITIONS}
"""Every indicator, by name; its place is its number in the kernel."""

KINDS: Final[dict[str, int]] = {name: place for place, name in enumerate(CATALOGUE)}


def usage(definition: Definition) -> str:
    """Return how an indicator is written, such as ``bb(period=20, factor=2)``."""
    args = ", ".join(f"{item.name}={item.default:g}" for item in definition.parameters)
    return f"{definition.name}({args})" if args else definition.name


def parse(expression: str) -> IndicatorSpec:
    """Read an expression such as ``ema(20)``, ``macd`` or ``bb(20,2).upper``.

    Parameters left out take their defaults; the spec's text is canonical, so ``RSI( 14 )`` and
    ``rsi`` are both ``rsi(14)``.

    Raises:
        ConfigError: It cannot be read, or name, parameters or output are not the catalogue's.
    """
    match = _EXPRESSION.fullmatch(expression) if len(expression) <= 120 else None
    if match is None:
        raise ConfigError(
            "indicator must look like ema(20), vwap or bb(20,2).upper, "
            f"was {expression if len(expression) <= 120 else expression[:117] + '...'!r}"
        )
    name = match["name"].lower()
    definition = CATALOGUE.get(name)
    if definition is None:
        raise ConfigError(f"unknown indicator {name!r}{did_you_mean(name, CATALOGUE)}")
    texts = [part.strip() for part in match["args"].split(",")] if match["args"] else []
    texts = [] if texts == [""] else texts
    parameters = definition.parameters
    if len(texts) > len(parameters):
        raise ConfigError(
            f"{usage(definition)} takes at most {len(parameters)} parameters, was {expression!r}"
        )
    params = tuple(
        item.parse(texts[place], repr(expression)) if place < len(texts) else item.default
        for place, item in enumerate(parameters)
    )
    output = (match["output"] or "").lower()
    if output and output not in definition.outputs:
        known = " ".join(definition.outputs) or "none but the value itself"
        hint = did_you_mean(output, definition.outputs)
        raise ConfigError(f"{name} has no output {output!r}, it has {known}{hint}")
    return IndicatorSpec(name, params, output)


def parse_all(expressions: Iterable[str]) -> tuple[IndicatorSpec, ...]:
    """Read expressions.

    Raises:
        ConfigError: One cannot be read; the message names it.
    """
    return tuple(parse(text) for text in expressions)


def output_names(expressions: Iterable[str]) -> tuple[str, ...]:
    """Return the canonical output names of expressions, in order, each once."""
    return tuple(dict.fromkeys(name for spec in parse_all(expressions) for name in spec.outputs))


def warmup_bars(expressions: Iterable[str]) -> int:
    """Return the closed bars needed until every output of every expression is finite."""
    return max((spec.warmup for spec in parse_all(expressions)), default=0)
