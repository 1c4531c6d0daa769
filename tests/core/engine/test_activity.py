"""Bars by activity close with the trade that fills them, and hold every trade once."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.engine.activity import MAX_RULES, Activity, ActivityBuilder, ActivityRule, parse_rule
from core.engine.followed import MAX_TRADES, Followed
from core.model.errors import ConfigError
from core.model.ids import InstrumentId, VenueName
from core.model.instruments import Instrument
from core.model.market import ActivityBar, BookDelta, Trade
from core.model.ports import BookTraits, Verdict

BTC = Instrument(
    id=InstrumentId("BTC-USDT.x"), venue=VenueName("x"), venue_symbol="BTCUSDT", base="BTC",
    quote="USDT", price_tick=Decimal("0.1"), size_lot=Decimal("0.01"),
)  # fmt: skip


class Rule:
    def __init__(self, *, numbered: bool = False) -> None:
        self._numbered = numbered

    def splice(self, snapshot_id: int, delta: BookDelta) -> Verdict:
        return Verdict.APPLY

    def follow(self, last_id: int, delta: BookDelta) -> Verdict:
        return Verdict.APPLY

    def traits(self, instrument: Instrument) -> BookTraits:
        return BookTraits(consecutive_trades=self._numbered)


def trade(number: int, price: int = 1000, lots: int = 1) -> Trade:
    return Trade(BTC.id, number * 10**9, number * 10**9, price, lots, False, number)


def market(*, numbered: bool = False) -> Followed:
    return Followed(BTC, Rule(numbered=numbered), eager=True, history_bars=10)


def cut(rows: Sequence[Trade], item: Instrument, rule: ActivityRule) -> list[ActivityBar]:
    builder = ActivityBuilder(item, rule)
    return [bar for row in rows if (bar := builder.add(row)) is not None]


trades = st.lists(st.tuples(st.integers(1, 5000), st.integers(1, 300)), max_size=120).map(
    lambda rows: [trade(n, price, lots) for n, (price, lots) in enumerate(rows, 1)]
)
rules = st.sampled_from(["tick:1", "tick:7", "volume:1.5", "volume:0.01", "dollar:5000"])


@settings(deadline=None)
@given(trades, rules)
def test_every_trade_is_in_exactly_one_bar_and_each_bar_is_full(
    rows: Sequence[Trade], text: str
) -> None:
    rule = parse_rule(text)
    bars = cut(rows, BTC, rule)
    used = sum(bar.trades for bar in bars)
    assert used <= len(rows)
    units = rule.units(BTC)
    at = 0
    for bar in bars:
        mine = rows[at : at + bar.trades]
        at += bar.trades
        held = {
            "tick": len(mine),
            "volume": sum(t.size_lots for t in mine),
            "dollar": sum(t.size_lots * t.price_ticks for t in mine),
        }[rule.kind]
        last = {
            "tick": 1, "volume": mine[-1].size_lots,
            "dollar": mine[-1].size_lots * mine[-1].price_ticks,
        }[rule.kind]  # fmt: skip
        assert held >= units > held - last
        assert bar.high_ticks == max(t.price_ticks for t in mine)
        assert (bar.open_ticks, bar.close_ticks) == (mine[0].price_ticks, mine[-1].price_ticks)
        assert bar.whole


@settings(deadline=None)
@given(trades, rules, st.integers(1, 40))
def test_looking_now_and_then_equals_cutting_at_once(
    rows: Sequence[Trade], text: str, each: int
) -> None:
    followed, activity, rule = market(), Activity(), parse_rule(text)
    activity.bars(followed, rule, 1)
    for count, item in enumerate(rows, 1):
        followed.on_trade(item)
        if count % each == 0:
            activity.look({BTC.id: followed})
    assert list(activity.bars(followed, rule, 500)) == cut(rows, BTC, rule)


def test_first_question_begins_with_the_trades_still_known() -> None:
    followed = market()
    for number in range(1, 11):
        followed.on_trade(trade(number))
    assert len(Activity().bars(followed, parse_rule("tick:5"), 10)) == 2


def test_trades_that_were_missed_make_a_bar_that_is_not_whole() -> None:
    followed, activity, rule = market(), Activity(), parse_rule(f"tick:{MAX_TRADES + 10}")
    activity.bars(followed, rule, 1)
    for number in range(1, MAX_TRADES + 50):
        followed.on_trade(trade(number))
    activity.look({BTC.id: followed})
    for number in range(MAX_TRADES + 50, MAX_TRADES + 70):
        followed.on_trade(trade(number))
    (bar,) = activity.bars(followed, rule, 5)
    assert not bar.whole


def told(followed: Followed, activity: Activity, *numbers: int) -> None:
    for number in numbers:
        followed.on_trade(trade(number, 1000 + number))
    activity.look({BTC.id: followed})


def test_a_hole_in_the_ids_makes_its_bar_unsure_until_it_is_filled() -> None:
    followed, activity, rule = market(numbered=True), Activity(), parse_rule("tick:3")
    activity.bars(followed, rule, 1)
    told(followed, activity, 1, 2, 3, 4, 7, 8)
    told(followed, activity, 9, 10, 11, 12, 13)
    assert [bar.whole for bar in activity.bars(followed, rule, 9)] == [True, False, True]
    told(followed, activity, 6)
    assert [bar.whole for bar in activity.bars(followed, rule, 9)] == [True, False, True, True]
    told(followed, activity, 5, 14)
    rows = [trade(number, 1000 + number) for number in range(1, 15)]
    assert list(activity.bars(followed, rule, 9)) == cut(rows, BTC, rule)


def test_a_hole_before_a_bar_opens_is_the_next_ones() -> None:
    followed, activity, rule = market(numbered=True), Activity(), parse_rule("tick:2")
    activity.bars(followed, rule, 1)
    told(followed, activity, 1, 2, 4, 5, 6, 7)
    assert [bar.whole for bar in activity.bars(followed, rule, 9)] == [True, False, True]


@settings(deadline=None, max_examples=40)
@given(
    rules, st.sets(st.integers(2, 39), max_size=9), st.permutations(range(39)), st.integers(1, 9)
)
def test_whatever_was_missing_and_comes_back_the_bars_are_those_of_all_trades(
    text: str, missing: set[int], order: Sequence[int], each: int
) -> None:
    followed, activity, rule = market(numbered=True), Activity(), parse_rule(text)
    activity.bars(followed, rule, 1)
    first = [number for number in range(1, 41) if number not in missing]
    late = sorted(missing, key=lambda number: order[number - 1])
    for at in range(0, len(first), each):
        told(followed, activity, *first[at : at + each])
    for at in range(0, len(late), each):
        told(followed, activity, *late[at : at + each])
    rows = [trade(number, 1000 + number) for number in range(1, 41)]
    assert list(activity.bars(followed, rule, 500)) == cut(rows, BTC, rule)


def test_a_hole_of_long_ago_stays_as_it_was() -> None:
    followed, activity, rule = market(numbered=True), Activity(), parse_rule("tick:5")
    activity.bars(followed, rule, 1)
    told(followed, activity, 1, 2, 4, 5, 6)
    for start in range(7, MAX_TRADES + 57, 50):
        told(followed, activity, *range(start, start + 50))
    before = list(activity.bars(followed, rule, 500))
    told(followed, activity, 3)
    assert list(activity.bars(followed, rule, 500)) == before
    assert not before[0].whole


def test_an_outage_where_ids_say_nothing_makes_the_bars_around_it_unsure() -> None:
    followed, activity, rule = market(), Activity(), parse_rule("tick:3")
    activity.bars(followed, rule, 1)
    followed.joined(1, "subscribed")
    told(followed, activity, 1, 2, 3, 4)
    followed.lost(5 * 10**9, "connection lost")
    told(followed, activity, 5, 6, 7)
    told(followed, activity, 8, 9, 10, 11, 12)
    assert [bar.whole for bar in activity.bars(followed, rule, 9)] == [True, False, False, True]


def test_rules_are_bounded_and_the_oldest_gives_way() -> None:
    followed, activity = market(), Activity()
    for size in range(1, MAX_RULES + 5):
        activity.bars(followed, parse_rule(f"tick:{size}"), 1)
    assert len(activity._rules) == MAX_RULES


@pytest.mark.parametrize("text", ["tick", "tick:0", "tick:1.5", "day:5", "volume:-1", "dollar:nan"])
def test_text_that_is_no_rule_is_refused(text: str) -> None:
    with pytest.raises(ConfigError):
        parse_rule(text)


def test_rule_finer_than_a_lot_is_refused_with_the_step() -> None:
    with pytest.raises(ConfigError, match=r"less than one step of BTC-USDT\.x, which is 0\.01"):
        ActivityBuilder(BTC, parse_rule("volume:0.001"))
