"""The stage a strategy plays on: built from settings, told of events, heard, never trusted."""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import TYPE_CHECKING, Final, TypeVar

import msgspec

from core.indicators.catalogue import warmup_bars
from core.model.errors import ConfigError, did_you_mean
from core.model.ids import InstrumentId, StrategyId
from core.model.market import Timeframe
from core.model.signals import (
    BarInput,
    BookInput,
    FillInput,
    HoldingInput,
    Signal,
    StrategyCancel,
    StrategyInfo,
    StrategyInput,
    StrategyIntent,
    StrategyOutput,
    TargetPosition,
)
from core.strategies.api import Actions, Strategy, Terms
from core.strategies.declare import Indicator, Parameter, Scalar
from core.strategies.failure import failure
from core.strategies.loader import load

if TYPE_CHECKING:
    from core.model.settings import StrategySettings

_ACTIONS: Final = (Signal, TargetPosition, StrategyIntent, StrategyCancel)
K = TypeVar("K")


class Assignment(msgspec.Struct, frozen=True, kw_only=True):
    """What is to be played: a strategy's settings, small enough to hand to its process."""

    id: StrategyId
    kind: str
    instruments: tuple[InstrumentId, ...]
    timeframe: Timeframe
    size: Decimal
    parameters: dict[str, Scalar]
    memory_mb: int

    @classmethod
    def of(cls, strategy_id: str, settings: StrategySettings) -> Assignment:
        """Take it from the settings."""
        return cls(
            id=StrategyId(strategy_id),
            kind=settings.kind,
            instruments=tuple(InstrumentId(name) for name in settings.instruments),
            timeframe=settings.timeframe,
            size=settings.size,
            parameters=dict(settings.parameters),
            memory_mb=settings.memory_mb,
        )


class Stage:
    """One strategy instance and what it is told.

    Raises:
        ConfigError: The strategy cannot be loaded, or its parameters are wrong; says where.
    """

    def __init__(self, assignment: Assignment) -> None:
        owner = load(assignment.kind)
        parameters = _parameters(owner, assignment)
        indicators = {
            name: item.resolve(parameters) for name, item in declared(owner, Indicator).items()
        }
        terms = Terms(
            id=assignment.id,
            instruments=assignment.instruments,
            timeframe=assignment.timeframe,
            size=assignment.size,
            parameters=parameters,
            indicators=indicators,
        )
        self.info = _info(owner, terms)
        self._newest_ns: dict[InstrumentId, int] = {}
        """Opening time of each instrument's newest closed bar."""
        self.source = inspect.getfile(owner)
        """The file it comes from."""
        try:
            self._strategy = owner(terms)
        except Exception as error:
            # A strategy's own start may raise anything; it must not take its host down.
            raise ConfigError(f"{assignment.kind}: {failure(error, self.source)}") from error

    @property
    def now_ns(self) -> int:
        """Event time of the newest input (UTC ns)."""
        return self._strategy.moment.now_ns

    def handle(self, message: StrategyInput) -> list[StrategyOutput]:
        """Run the hook a message is for and return what it wants; nothing while warming up.

        Raises:
            TypeError: The hook returned something that is no action.
            Exception: Whatever the strategy raised.
        """
        strategy, moment = self._strategy, self._strategy.moment
        moment.seq = message.seq
        match message:
            case BarInput() if message.bar.revision:
                return self._revised(message)
            case BarInput():
                bar = message.bar
                self._newest_ns[bar.instrument_id] = bar.ts_open_ns
                moment.instrument_id = bar.instrument_id
                moment.now_ns = bar.ts_open_ns + bar.timeframe.ns
                moment.values[bar.instrument_id] = message.indicators
                wanted = _listed(strategy.on_bar(message), "on_bar")
                return [] if message.warmup else wanted
            case BookInput():
                moment.instrument_id, moment.now_ns = message.instrument_id, message.ts_event_ns
                return _listed(strategy.on_book(message), "on_book")
            case FillInput():
                moment.instrument_id, moment.now_ns = message.instrument_id, message.ts_event_ns
                held = Decimal(repr(message.position))
                moment.positions[message.instrument_id] = held
                return _listed(strategy.on_fill(message), "on_fill")
            case HoldingInput():
                moment.positions[message.instrument_id] = message.position
                return []

    def _revised(self, message: BarInput) -> list[StrategyOutput]:
        """Run the hook for a closed bar corrected afterwards; time stays where it is."""
        bar, moment = message.bar, self._strategy.moment
        moment.instrument_id = bar.instrument_id
        before = moment.values.get(bar.instrument_id, {})
        moment.values[bar.instrument_id] = message.indicators
        try:
            return _listed(self._strategy.on_revision(message), "on_revision")
        finally:
            if bar.ts_open_ns < self._newest_ns.get(bar.instrument_id, 0):
                # Indicators are those of the newest bar again.
                moment.values[bar.instrument_id] = before


def declared(owner: type[Strategy], kind: type[K]) -> dict[str, K]:
    """Return what a class and its bases declare of a kind, bases first."""
    return {
        name: item
        for base in reversed(owner.__mro__)
        for name, item in vars(base).items()
        if isinstance(item, kind) and getattr(owner, name) is item
    }


def _parameters(owner: type[Strategy], assignment: Assignment) -> dict[str, Scalar]:
    known: Mapping[str, Parameter[float]] = declared(owner, Parameter)
    for name in assignment.parameters:
        if name not in known:
            hint = did_you_mean(name, known) or f"; it has {', '.join(known) or 'none'}"
            raise ConfigError(
                f"{assignment.kind} has no parameter {name!r}{hint}"
                f" (strategies.{assignment.id}.parameters)"
            )
    return {
        name: item.check(
            assignment.parameters.get(name, item.default),
            f"strategies.{assignment.id}.parameters.{name}",
        )
        for name, item in known.items()
    }


def _info(owner: type[Strategy], terms: Terms) -> StrategyInfo:
    indicators = tuple(dict.fromkeys(terms.indicators.values()))
    return StrategyInfo(
        id=terms.id,
        title=owner.title or owner.__name__,
        help=(owner.__doc__ or "").strip().partition("\n")[0],
        instruments=terms.instruments,
        timeframe=terms.timeframe,
        indicators=indicators,
        warmup_bars=max(owner.warmup_bars, warmup_bars(indicators)),
        wants_book=owner.wants_book,
        parameters=dict(terms.parameters),
    )


def _listed(wanted: Actions, hook: str) -> list[StrategyOutput]:
    if wanted is None:
        return []
    if isinstance(wanted, _ACTIONS):
        return [wanted]
    if not isinstance(wanted, Iterable):
        raise TypeError(f"{hook} must return actions such as self.target(...), was {wanted!r}")
    listed: list[StrategyOutput] = list(wanted)
    for item in listed:
        if not isinstance(item, _ACTIONS):
            raise TypeError(f"{hook} must return actions such as self.target(...), was {item!r}")
    return listed
