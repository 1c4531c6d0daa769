"""The suite finds what it is there to find: an adapter that does wrong fails its cases."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import msgspec
import pytest

from clx.proving import subject
from core.model.errors import ConfigError
from core.model.facts import VenueEvent
from core.model.orders import OrderFilled, OrderIntent
from core.venues.conformance import cases
from core.venues.conformance.cases import Case
from core.venues.conformance.faults import FAULTS
from core.venues.conformance.ground import Ground
from core.venues.conformance.runner import plan, run_case

FILLS = Case(act=cases.fills_at_the_market)


class Wrong:
    """An adapter with a mistake; the rest of it is the real one's."""

    def __init__(self, inner: Any) -> None:
        self._inner = inner

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)


class Doubling(Wrong):
    def submit(self, intent: OrderIntent) -> None:
        self._inner.submit(intent)
        self._inner.submit(intent)


class Guessing(Wrong):
    async def run(self, sink: Callable[[VenueEvent], None]) -> None:
        def tell(event: VenueEvent) -> None:
            if isinstance(event, OrderFilled):
                event = msgspec.structs.replace(event, price=event.price + 1)
            sink(event)

        await self._inner.run(tell)


class Mute(Wrong):
    async def run(self, sink: Callable[[VenueEvent], None]) -> None:
        await self._inner.run(lambda event: None)


def broken(mistake: type[Wrong]) -> Any:
    ground = subject("binance_usdm")

    @asynccontextmanager
    async def opened() -> AsyncIterator[Ground]:
        async with ground() as good:
            yield msgspec.structs.replace(good, make=lambda clock: mistake(good.make(clock)))

    return opened


@pytest.mark.parametrize(
    ("mistake", "words"),
    [(Doubling, "was sent 2 times"), (Guessing, "price is"), (Mute, "TemporaryError")],
)
async def test_an_adapter_that_does_wrong_fails(
    monkeypatch: pytest.MonkeyPatch, mistake: type[Wrong], words: str
) -> None:
    monkeypatch.setattr("core.venues.conformance.floor._WITHIN_S", 1.0)
    if mistake is Mute:
        # Who says nothing is never open for orders, however long one waits.
        monkeypatch.setattr("core.venues.conformance.floor._OPEN_WITHIN_S", 1.0)
    outcome = await run_case(broken(mistake), FILLS, None)
    assert outcome.result == "failed"
    assert any(words in flaw for flaw in outcome.flaws)


def test_every_case_is_run_plainly_and_thoroughly_under_every_fault() -> None:
    brief, thorough = list(plan(thorough=False)), list(plan(thorough=True))
    assert {case.name for case, fault in brief if fault is None} == {c.name for c in cases.CASES}
    assert {fault.name for _, fault in brief if fault} == {fault.name for fault in FAULTS}
    assert len(thorough) == len(cases.CASES) * (len(FAULTS) + 1)
    assert len({fault.name for fault in FAULTS}) == len(FAULTS)
    assert all(case.asks.endswith(".") for case in cases.CASES)


def test_a_kind_the_emulator_does_not_speak_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"takes no orders as 'binanse'; did you mean 'binance'"):
        subject("binanse")
