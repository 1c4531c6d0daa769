"""What rings the terminal's bell, and how often."""

from decimal import Decimal
from types import SimpleNamespace

import msgspec
from fake_market import NOW_NS, fill, snapshot

from core.model.views import Alert, AlertRaised, FillAdded
from link.replica import Replica
from tui.bell import PAUSE_S, Bell

BOTH = ("alerts", "fills")


def started(**changes) -> SimpleNamespace:
    replica = Replica()
    replica.apply_snapshot(snapshot(**changes))

    def tell(fact) -> None:
        replica.apply_fact(replica.seq + 1, fact)

    return SimpleNamespace(replica=replica, tell=tell, bell=Bell())


def alert(level: str, after_ns: int) -> AlertRaised:
    return AlertRaised(
        alert=Alert(ts_ns=NOW_NS + after_ns, level=level, source="trading", text="look")
    )


def filled(after_ns: int) -> FillAdded:
    return FillAdded(
        fill=msgspec.structs.replace(fill(), ts_ns=NOW_NS + after_ns, size=Decimal("0.1"))
    )


def test_what_was_there_when_the_link_came_up_is_silent():
    run = started(fills=(fill(),), alerts=(alert("error", 0).alert,))
    assert not run.bell.due(Replica(), BOTH, 0.0)
    assert not run.bell.due(run.replica, BOTH, 0.0)
    assert not run.bell.due(run.replica, BOTH, 1.0)


def test_a_warning_and_a_fill_ring_and_news_do_not():
    run = started()
    run.bell.due(run.replica, BOTH, 0.0)
    run.tell(alert("info", 1))
    assert not run.bell.due(run.replica, BOTH, 1.0)
    run.tell(alert("warning", 2))
    assert run.bell.due(run.replica, BOTH, 2.0)
    run.tell(filled(3))
    assert run.bell.due(run.replica, BOTH, 2.0 + PAUSE_S)
    assert not run.bell.due(run.replica, BOTH, 9.0)


def test_a_burst_is_one_ring_and_settings_are_kept_to():
    run = started()
    run.bell.due(run.replica, BOTH, 0.0)
    rings = 0
    for number in range(1, 50):
        run.tell(filled(number))
        rings += run.bell.due(run.replica, BOTH, 10.0 + number / 100)
    assert rings == 1
    run.tell(filled(100))
    assert not run.bell.due(run.replica, ("alerts",), 90.0)
    run.tell(alert("error", 101))
    assert not run.bell.due(run.replica, (), 99.0)


async def test_the_terminal_is_rung_on_the_screen_that_is_shown(opened, press, link):
    rung = []
    async with opened() as pilot:
        pilot.app.bell = lambda: rung.append(1)
        await press(pilot, "F")
        link.fact(filled(1))
        await press(pilot, "j")
        assert rung == [1]
