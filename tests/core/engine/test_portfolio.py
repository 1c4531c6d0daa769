from decimal import Decimal
from typing import Any

from core.engine.handlers import execute
from core.engine.portfolio import FINE_NS, MARK_NS, thinned
from core.model.commands import Request, parse_command
from core.model.facts import EquityMarked
from core.model.inspection import EquityPoint, PortfolioView
from core.trading.recorder import MemoryJournal

BTC = "BTC-USDT.binance"


def ask(run: Any, name: str, **args: Any) -> Any:
    return execute(run.kernel, Request(command=parse_command(name, args), origin="cli"))


def traded(desk: Any, tape: Any, journal: Any = None) -> Any:
    run = desk(journal=journal or MemoryJournal())
    run.play(tape(seed=1, seconds=3.0))
    ask(
        run, "submit_order", instrument=BTC, side="buy", type="market", size="0.01",
        client_order_id="in",
    )  # fmt: skip
    run.pump()
    return run


def pass_time(run: Any, until_ns: int) -> None:
    run.clock.set(until_ns)
    run.kernel.on_timer(until_ns)


def test_a_point_is_journaled_every_quarter_and_survives_a_restart(desk: Any, tape: Any) -> None:
    journal = MemoryJournal()
    run = traded(desk, tape, journal)
    now_ns = run.clock.now_ns()
    for quarter in range(1, 4):
        pass_time(run, now_ns + quarter * MARK_NS)
    marks = [record for _, record in journal.read() if isinstance(record, EquityMarked)]
    assert len(marks) == 3
    again = desk(journal=journal, session="s2")
    points = ask(again, "get_portfolio").points
    assert [(p.ts_ns, p.equity) for p in points] == [(m.ts_ns, m.equity) for m in marks]


def test_the_curve_says_where_nobody_ran(desk: Any, tape: Any) -> None:
    journal = MemoryJournal()
    run = traded(desk, tape, journal)
    now_ns = run.clock.now_ns()
    for quarter in (1, 2, 6, 7):
        pass_time(run, now_ns + quarter * MARK_NS)
    again = desk(journal=journal, session="s2")
    view = ask(again, "get_portfolio")
    assert len(view.points) == 4
    assert view.gaps == ((view.points[1].ts_ns, view.points[2].ts_ns),)


def test_the_curve_waits_until_everything_held_has_a_price(desk: Any) -> None:
    run = desk(journal=MemoryJournal())
    assert not ask(run, "get_portfolio").points


def test_profit_is_told_by_instrument_proposer_and_day_and_adds_up(desk: Any, tape: Any) -> None:
    run = traded(desk, tape)
    pass_time(run, run.clock.now_ns() + FINE_NS)
    view: PortfolioView = ask(run, "get_portfolio")
    (line,) = view.by_instrument
    (proposer,) = view.by_strategy
    assert (line.name, proposer.name) == (BTC, "by hand (cli)")
    assert line.fills == proposer.fills > 0
    cent = Decimal("0.01")
    assert abs(line.total - view.total_pnl) <= cent
    assert abs(proposer.total - view.total_pnl) <= cent
    (day,) = view.by_day
    assert abs(day.total - view.total_pnl) <= cent
    held = next(item for item in view.exposure if item.name == "BTC")
    assert view.gross >= held.value > 0
    assert view.points[-1].equity == view.equity


def test_thinning_keeps_first_and_newest() -> None:
    points = [EquityPoint(at, Decimal(at), Decimal(0)) for at in range(1000)]
    kept = thinned(points, 10)
    assert len(kept) == 10
    assert (kept[0].ts_ns, kept[-1].ts_ns) == (0, 999)
    assert thinned(points[:5], 10) == tuple(points[:5])
