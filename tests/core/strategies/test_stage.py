"""What a strategy declares, sees and may say."""

from __future__ import annotations

import math
from decimal import Decimal

import pytest
from msgspec import structs

from core.model.errors import ConfigError
from core.model.market import Side, Timeframe
from core.model.orders import OrderType, TimeInForce
from core.model.signals import (
    Direction,
    HoldingInput,
    Signal,
    StrategyCancel,
    StrategyIntent,
    TargetPosition,
)
from core.strategies.stage import Assignment, Stage

BTC = "BTC-USDT.binance"

EVERYTHING = """\
    from core.strategies.api import *

    class Every(Strategy):
        \"\"\"Does everything once.

        More words.\"\"\"
        title = "Everything"
        warmup_bars = 5
        wants_book = True
        n = Parameter(20, 2, 50, help="length")
        factor = Parameter(2.0, 0.5, 4.0)
        mode = Parameter("calm", choices=("calm", "wild"))
        fast = Indicator("ema({n})")
        upper = Indicator("bb({n},{factor}).upper")

        def on_start(self):
            self.seen = []

        def on_bar(self, bar):
            self.seen.append((self.fast, self.upper, self.now_ns))
            if bar.close == 1:
                return self.target(0.1, 0.25, "up")
            if bar.close == 2:
                return [self.buy(reduce_only=True), self.limit(Side.SELL, 101.5, 2, post_only=True)]
            if bar.close == 3:
                return "buy!"
            if bar.close == 4:
                return 5
            if bar.close == 5:
                return self.signal(Direction.LONG, 1.5)
            if bar.close == 6:
                return self.target(float("nan"))
            return None

        def on_book(self, book):
            yield self.signal(Direction.SHORT, 0.5, f"bid {book.bids[0][0]}")
            yield self.cancel("clxs-9")

        def on_fill(self, fill):
            return self.sell(self.position)
"""


@pytest.fixture
def stage(write, settings):
    def make(body=EVERYTHING, **more):
        return Stage(Assignment.of("every", settings(write(body), **more)))

    return make


def refused(stage, **more) -> str:
    with pytest.raises(ConfigError) as error:
        stage(**more)
    return str(error.value)


def test_declarations_become_the_info(stage) -> None:
    info = stage(parameters={"n": 30, "factor": 3}, timeframe="5m").info
    assert (info.id, info.title, info.help) == ("every", "Everything", "Does everything once.")
    assert info.indicators == ("ema(30)", "bb(30,3).upper")
    assert info.warmup_bars == 30
    assert info.wants_book
    assert info.timeframe is Timeframe.M5
    assert info.parameters == {"n": 30, "factor": 3.0, "mode": "calm"}
    assert isinstance(info.parameters["factor"], float)


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"m": 3}, "has no parameter 'm'; it has n, factor, mode (strategies.every.parameters)"),
        ({"facter": 3}, "has no parameter 'facter'; did you mean 'factor'?"),
        ({"n": 1}, "strategies.every.parameters.n must be from 2 to 50, was 1"),
        ({"n": 2.5}, "strategies.every.parameters.n must be a whole number, was 2.5"),
        ({"n": True}, "strategies.every.parameters.n must be a whole number, was True"),
        ({"factor": "x"}, "strategies.every.parameters.factor must be a number, was 'x'"),
        ({"factor": float("nan")}, "strategies.every.parameters.factor must be a number, was nan"),
        ({"mode": "wilt"}, "must be one of calm, wild, was 'wilt'; did you mean 'wild'?"),
    ],
)
def test_wrong_parameters_are_named(stage, parameters, message) -> None:
    assert message in refused(stage, parameters=parameters)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ('x = Indicator("emma(3)")', "unknown indicator 'emma'; did you mean 'ema'?"),
        ('x = Indicator("ema({m})")', "names no parameter 'm'"),
        ('x = Indicator("bb(20,2)")', "must name one output, was 'bb(20,2)'; write one of bb("),
        ('x = Indicator("ema({0})")', "indicator x = 'ema({0})'"),
        ("def on_start(self): 1 / 0", "ZeroDivisionError: division by zero"),
    ],
)  # fmt: skip
def test_wrong_declarations_are_named(stage, line, message) -> None:
    body = f"from core.strategies.api import *\nclass Mine(Strategy):\n    {line}\n"
    assert message in refused(stage, body=body)


def test_indicators_and_time_are_those_of_the_bar(stage, bar) -> None:
    playing = stage()
    values = {"ema(20)": 1.5, "bb(20,2).upper": 2.5}
    assert playing.handle(bar(0)) == []
    assert playing.handle(bar(1, values)) == []
    (unknown, _, _), seen = playing._strategy.seen
    assert math.isnan(unknown)
    assert seen == (1.5, 2.5, 2 * 60_000_000_000)


def test_target_and_orders_carry_their_cause(stage, bar) -> None:
    playing = stage(size="0.5")
    assert playing.handle(bar(7, close=1)) == [
        TargetPosition(
            strategy_id="every", instrument_id=BTC, size=Decimal("0.1"), confidence=0.25,
            reason="up", ts_event_ns=8 * 60_000_000_000, cause_seq=7,
        )
    ]  # fmt: skip
    market, limit = playing.handle(bar(8, close=2))
    assert isinstance(market, StrategyIntent)
    assert (market.type, market.size, market.price) == (OrderType.MARKET, Decimal("0.5"), None)
    assert market.reduce_only
    assert (limit.side, limit.type, limit.price) == (Side.SELL, OrderType.LIMIT, Decimal("101.5"))
    assert limit.post_only
    assert limit.time_in_force is TimeInForce.GTC


def test_book_and_fill_reach_their_hooks(stage, book, fill) -> None:
    playing = stage()
    signal, cancel = playing.handle(book(3, 99.5))
    assert isinstance(signal, Signal)
    assert (signal.direction, signal.confidence) == (Direction.SHORT, 0.5)
    assert signal.reason == "bid 99.5"
    assert cancel == StrategyCancel(strategy_id="every", client_order_id="clxs-9", cause_seq=3)
    (sale,) = playing.handle(fill(4, 1.25))
    assert sale.size == Decimal("1.25")


def test_warmup_updates_state_and_proposes_nothing(stage, bar) -> None:
    playing = stage()
    assert playing.handle(bar(1, close=1, warmup=True)) == []
    assert len(playing._strategy.seen) == 1


@pytest.mark.parametrize(
    ("close", "message"),
    [
        (3, "on_bar must return actions such as self.target(...), was 'b'"),
        (4, "on_bar must return actions such as self.target(...), was 5"),
        (5, "confidence must be from 0 to 1, was 1.5"),
        (6, "size must be a finite number, was nan"),
    ],
)
def test_nonsense_raises_where_it_was_said(stage, bar, close, message) -> None:
    with pytest.raises((TypeError, ValueError)) as error:
        stage().handle(bar(1, close=close))
    assert str(error.value) == message


def test_parameters_cannot_be_changed_by_the_strategy(stage) -> None:
    with pytest.raises(AttributeError, match="parameter n is set by the user"):
        stage()._strategy.n = 3


REVISED = """\
    from core.strategies.api import *

    class Careful(Strategy):
        fast = Indicator("ema(20)")

        def on_start(self):
            self.bars, self.revisions = [], []

        def on_bar(self, bar):
            self.bars.append((bar.close, self.fast, self.now_ns))

        def on_revision(self, bar):
            self.revisions.append((bar.close, self.fast, self.now_ns))
            return self.signal(Direction.FLAT, 1.0, f"{self.fast}")

        def on_book(self, book):
            return self.signal(Direction.LONG, 1.0, f"{self.fast}")
"""


def _revised(message, close, ema):
    return structs.replace(
        message,
        bar=structs.replace(message.bar, revision=1),
        close=close,
        indicators={"ema(20)": ema},
    )


def test_a_revised_bar_is_told_as_a_revision_and_time_stays(stage, bar, book) -> None:
    playing = stage(body=REVISED)
    first, second = (bar(n, {"ema(20)": float(n)}) for n in (1, 2))
    playing.handle(first)
    playing.handle(second)
    now_ns = playing.now_ns
    (said,) = playing.handle(_revised(first, 99.0, 0.5))
    assert (said.reason, said.ts_event_ns) == ("0.5", now_ns)
    careful = playing._strategy
    assert [close for close, _, _ in careful.bars] == [100.0, 100.0], "on_bar came once each"
    assert careful.revisions == [(99.0, 0.5, now_ns)]
    (said,) = playing.handle(book(9, 100.0))
    assert said.reason == "2.0", "indicators are the newest bar's again"
    playing.handle(_revised(second, 98.0, 1.5))
    (said,) = playing.handle(book(10, 100.0))
    assert said.reason == "1.5", "the newest bar itself was corrected"


def test_a_strategy_without_the_hook_says_nothing_to_a_revision(stage, bar) -> None:
    playing = stage()
    playing.handle(bar(1))
    assert playing.handle(_revised(bar(1), 1.0, 1.0)) == []
    assert len(playing._strategy.seen) == 1


def test_what_it_holds_from_an_earlier_life_is_its_position(stage, fill) -> None:
    playing = stage()
    held = HoldingInput(seq=1, instrument_id=BTC, position=Decimal("0.30000001"))
    assert playing.handle(held) == []
    playing._strategy.moment.instrument_id = BTC
    assert playing._strategy.position == Decimal("0.30000001")
    playing.handle(fill(2, 0.5))
    assert playing._strategy.position == Decimal("0.5")
