"""The engine's process settles down when it has begun to run."""

import gc
import sys
from collections.abc import Callable

import pytest

from clx import latency
from clx.latency import SWITCH_S, prefer_latency, settle_once_running
from core.model.accounts import RiskState
from core.model.views import EngineStatus, StatusChanged


class Loop:
    def __init__(self) -> None:
        self.due: list[Callable[[], None]] = []

    def call_later(self, delay_s: float, call: Callable[[], None]) -> None:
        assert delay_s > 0
        self.due.append(call)


def status(phase: str) -> StatusChanged:
    return StatusChanged(
        status=EngineStatus(
            session="s", version="1", pid=1, mode="SIM", started_ns=1, phase=phase,
            risk_state=RiskState.ACTIVE,
        )
    )  # fmt: skip


def test_settling_is_due_once_when_the_engine_runs() -> None:
    loop, settled = Loop(), []
    sink = settle_once_running(loop, lambda: settled.append(1))  # type: ignore[arg-type]
    for phase in ("starting: x", "reconciling"):
        sink(1, status(phase))
    assert loop.due == []
    sink(3, status("running"))
    sink(4, status("running"))
    assert len(loop.due) == 1
    loop.due[0]()
    assert settled == [1]


@pytest.fixture
def _as_before():
    interval = sys.getswitchinterval()
    yield
    sys.setswitchinterval(interval)
    gc.unfreeze()


@pytest.mark.usefixtures("_as_before")
def test_what_is_alive_is_looked_through_no_more_and_threads_yield_soon() -> None:
    prefer_latency()
    assert gc.get_freeze_count() > 10_000
    assert sys.getswitchinterval() == pytest.approx(SWITCH_S)


@pytest.mark.usefixtures("_as_before")
def test_the_loop_goes_first_where_other_programs_have_the_cores(monkeypatch) -> None:
    asked = []
    monkeypatch.setattr(latency, "short_turns", lambda: asked.append(1))
    prefer_latency()
    assert asked == [1]
