"""What a strategy declares in its class body: parameters and indicators."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Final, Generic, TypeVar, cast, overload

from core.indicators.catalogue import parse
from core.model.errors import ConfigError, did_you_mean

if TYPE_CHECKING:
    from core.strategies.api import Strategy

Scalar = float | int | str | bool
T = TypeVar("T", bound=float | int | str | bool)

_KINDS: Final[dict[type, str]] = {
    bool: "true or false",
    int: "a whole number",
    float: "a number",
    str: "a text",
}


class Parameter(Generic[T]):
    """A number, text or switch the user may set; read as a plain attribute of the strategy.

    ::

        period = Parameter(14, 2, 500, help="bars the RSI looks back")
        side = Parameter("both", choices=("long", "both"), help="which signals to act on")

    The default's type is the parameter's type; `low` and `high` are inclusive.
    """

    def __init__(
        self,
        default: T,
        low: float = -math.inf,
        high: float = math.inf,
        *,
        help: str = "",  # noqa: A002  the word people look for
        choices: tuple[T, ...] = (),
    ) -> None:
        self.default = default
        self.low = low
        self.high = high
        self.help = help
        self.choices = choices
        self.name = ""
        self.check(default, "default")

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = name

    @overload
    def __get__(self, instance: None, owner: type) -> Parameter[T]: ...
    @overload
    def __get__(self, instance: Strategy, owner: type) -> T: ...
    def __get__(self, instance: Strategy | None, owner: type) -> Parameter[T] | T:
        if instance is None:
            return self
        return cast("T", instance.terms.parameters[self.name])

    def __set__(self, instance: Strategy, value: T) -> None:
        raise AttributeError(f"parameter {self.name} is set by the user, not by the strategy")

    def check(self, value: Scalar, where: str) -> T:
        """Return `value` as the parameter's type.

        Raises:
            ConfigError: It is of another type, out of range, or not among the choices.
        """
        kind = type(self.default)
        fits = type(value) is kind or (kind is float and type(value) is int)
        if not fits or (kind is float and not math.isfinite(float(value))):
            raise ConfigError(f"{where} must be {_KINDS[kind]}, was {value!r}")
        if self.choices and value not in self.choices:
            hint = did_you_mean(str(value), map(str, self.choices))
            known = ", ".join(map(str, self.choices))
            raise ConfigError(f"{where} must be one of {known}, was {value!r}{hint}")
        if kind in (int, float) and not self.low <= float(value) <= self.high:
            raise ConfigError(f"{where} must be from {self.low:g} to {self.high:g}, was {value}")
        return kind(value)


class Indicator:
    """One output of an indicator, kept by the engine; read as a float, NaN while warming up.

    ``{name}`` in the expression stands for the strategy's parameter of that name::

        rsi = Indicator("rsi({period})")
        upper = Indicator("bb(20,2).upper")

    Within a hook it is the value at the newest closed bar of the instrument the hook is about.
    """

    def __init__(self, expression: str) -> None:
        self.expression = expression
        self.name = ""

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = name

    @overload
    def __get__(self, instance: None, owner: type) -> Indicator: ...
    @overload
    def __get__(self, instance: Strategy, owner: type) -> float: ...
    def __get__(self, instance: Strategy | None, owner: type) -> Indicator | float:
        if instance is None:
            return self
        values = instance.moment.values.get(instance.moment.instrument_id, {})
        return values.get(instance.terms.indicators[self.name], math.nan)

    def resolve(self, parameters: Mapping[str, Scalar]) -> str:
        """Return the canonical output name for these parameters.

        Raises:
            ConfigError: The expression names no parameter or no single output of the catalogue.
        """
        try:
            text = self.expression.format_map(parameters)
        except KeyError as error:
            hint = did_you_mean(str(error.args[0]), parameters)
            raise ConfigError(
                f"indicator {self.name} = {self.expression!r} names no parameter"
                f" {error.args[0]!r}{hint}"
            ) from None
        except (ValueError, IndexError, AttributeError) as error:
            raise ConfigError(f"indicator {self.name} = {self.expression!r}: {error}") from None
        outputs = parse(text).outputs
        if len(outputs) != 1:
            raise ConfigError(
                f"indicator {self.name} must name one output, was {text!r}; write one of "
                + ", ".join(outputs)
            )
        return outputs[0]
