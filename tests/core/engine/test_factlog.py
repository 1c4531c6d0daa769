from __future__ import annotations

from core.engine.factlog import FactLog
from core.model.views import Alert, AlertRaised

MINUTE = 60_000_000_000


def test_facts_are_numbered_and_a_late_listener_learns_where_it_starts() -> None:
    log, first, second = FactLog(), list[int](), list[int]()
    assert log.on_fact(lambda seq, fact: first.append(seq)) == 0
    alert = AlertRaised(alert=Alert(ts_ns=0, level="info", source="x", text="y"))
    log.emit(alert)
    assert log.on_fact(lambda seq, fact: second.append(seq)) == 1
    log.emit(alert)
    assert (first, second) == ([1, 2], [2])


def test_same_alert_is_raised_once_a_minute_and_another_at_once() -> None:
    log = FactLog()
    for second in range(121):
        log.alert("warning", "feed", f"frame {second}", second * 1_000_000_000, topic="frame")
    log.alert("warning", "feed", "something else", 121 * 1_000_000_000)
    assert [alert.text for alert in log.alerts] == [
        "frame 0", "frame 60", "frame 120", "something else",
    ]  # fmt: skip


def test_what_was_not_told_as_facts_leaves_a_number_out() -> None:
    log, seen = FactLog(), list[int]()
    log.on_fact(lambda seq, fact: seen.append(seq))
    alert = AlertRaised(alert=Alert(ts_ns=0, level="info", source="x", text="y"))
    log.emit(alert)
    log.emit(alert, anew=True)
    log.emit(alert)
    assert seen == [1, 3, 4]
