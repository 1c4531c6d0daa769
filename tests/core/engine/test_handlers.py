"""What the engine answers about lists: groups, listings, sparklines, and who is told what."""

from __future__ import annotations

from typing import Any

import pytest

from core.engine.handlers import execute
from core.model import commands as c
from core.model.errors import ConfigError
from core.model.ids import InstrumentId
from core.model.views import InstrumentsChanged, View, WatchGroup
from link.replica import Replica

BTC = InstrumentId("BTC-USDT.binance")


def do(run: Any, command: c.Command) -> Any:
    return execute(run.kernel, c.Request(command=command, origin="cli"))


@pytest.fixture
def wide(desk: Any, btc: Any, another: Any) -> Any:
    """An engine that knows three instruments and watches one of them."""
    return desk(watchlist=(BTC,), instruments=(btc, another("ETH"), another("SOL")))


def test_the_listing_has_every_symbol_in_little_room(wide: Any) -> None:
    (part,) = do(wide, c.GetListing())
    assert (part.venue, part.kind, part.trading) == ("binance", "spot", True)
    assert part.symbols == "BTC-USDT ETH-USDT SOL-USDT"


def test_instruments_can_be_asked_for_by_name(wide: Any) -> None:
    found = do(wide, c.GetInstruments(names=("ETH-USDT.binance", "NO-SUCH.binance")))
    assert [item.id for item in found] == ["ETH-USDT.binance"]


def test_clients_are_told_the_steps_of_what_is_watched_and_looked_at_alone(wide: Any) -> None:
    replica = Replica()
    replica.apply_snapshot(wide.kernel.snapshot())
    assert list(replica.instruments) == [BTC]
    mark = len(wide.facts)
    look = wide.kernel.open_view()
    look.watch(View(focus=InstrumentId("ETH-USDT.binance")))
    for seq, fact in wide.facts[mark:]:
        replica.apply_fact(seq, fact)
    assert set(replica.instruments) == {BTC, "ETH-USDT.binance"}
    mark = len(wide.facts)
    look.watch(View(focus=BTC))
    look.watch(View(focus=InstrumentId("ETH-USDT.binance")))
    told = [fact for _, fact in wide.facts[mark:] if isinstance(fact, InstrumentsChanged)]
    assert told == [], "what is known is not told again"


def test_groups_are_made_filled_renamed_and_removed_and_clients_follow(wide: Any) -> None:
    do(wide, c.AddGroup(group="majors"))
    do(wide, c.WatchInstrument(instrument=BTC, group="majors"))
    sol = InstrumentId("SOL-USDT.binance")
    do(wide, c.WatchInstrument(instrument=sol, group="majors"))
    do(wide, c.RenameGroup(group="majors", to="big"))
    replica = Replica()
    replica.apply_snapshot(wide.kernel.snapshot())
    assert replica.groups == (WatchGroup(name="big", instruments=(BTC, sol)),)
    assert sol in replica.instruments
    assert replica.watchlist == (BTC,), "a group is no watchlist"
    assert do(wide, c.GetGroups()).groups == replica.groups
    do(wide, c.UnwatchInstrument(instrument=BTC, group="big"))
    assert "1 instruments is gone" in do(wide, c.RemoveGroup(group="big")).text
    assert wide.kernel.snapshot().groups == ()


def test_a_group_alone_subscribes_nothing(wide: Any) -> None:
    before = list(wide.feed.calls)
    do(wide, c.AddGroup(group="majors"))
    do(wide, c.WatchInstrument(instrument=InstrumentId("SOL-USDT.binance"), group="majors"))
    assert wide.feed.calls == before


def test_what_nobody_lists_cannot_join_a_group(wide: Any) -> None:
    do(wide, c.AddGroup(group="majors"))
    with pytest.raises(ConfigError, match="unknown instrument 'XXX-USDT"):
        do(wide, c.WatchInstrument(instrument=InstrumentId("XXX-USDT.binance"), group="majors"))


def test_a_spark_ends_at_the_last_price_and_has_no_more_points_than_asked(
    desk: Any, tape: Any
) -> None:
    run = desk()
    run.play(tape(seconds=5))
    (spark,) = do(run, c.GetSparks(points=5))
    last = run.kernel.market.last_trade(BTC).price_ticks
    assert spark.instrument_id == BTC
    assert spark.closes_ticks[-1] == last
    assert len(spark.closes_ticks) <= 5


def test_a_spark_without_history_is_empty_or_one_point(wide: Any) -> None:
    (spark,) = do(wide, c.GetSparks(instruments=(InstrumentId("ETH-USDT.binance"),)))
    assert spark.closes_ticks == ()
