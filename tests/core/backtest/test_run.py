import random
from decimal import Decimal

import msgspec
import pytest

from core.backtest.history import History, from_bars
from core.backtest.run import Backtest, Plan, Result
from core.model.errors import ConfigError
from core.model.ids import InstrumentId, StrategyId, VenueName
from core.model.instruments import Instrument, InstrumentKind
from core.model.market import Bar, Side, Timeframe
from core.model.settings import PaperSettings, Settings, StrategySettings

TICK = Decimal("0.01")
BTC = Instrument(
    id=InstrumentId("BTC-USDT.file"),
    venue=VenueName("file"),
    venue_symbol="BTCUSDT",
    base="BTC",
    quote="USDT",
    price_tick=TICK,
    size_lot=Decimal("0.00001"),
)
START_NS = 1_700_000_040_000_000_000
SETTINGS = Settings(paper=PaperSettings(balances={"USDT": Decimal(100_000)}))


def walk(seed: int, count: int = 400, start: int = 6_000_000) -> list[Bar]:
    """Return a random walk of bars that swings enough for an RSI."""
    rng = random.Random(seed)
    price, bars = start, []
    for number in range(count):
        opened = price
        path = [opened]
        for _ in range(8):
            path.append(max(1000, path[-1] + round(rng.gauss(0, 4000))))
        price = path[-1]
        bars.append(
            Bar(
                BTC.id,
                Timeframe.M1,
                START_NS + number * Timeframe.M1.ns,
                opened,
                max(path),
                min(path),
                price,
                1_000_000,
                8,
            )
        )
    return bars


def history(bars: list[Bar]) -> History:
    return from_bars(BTC, Timeframe.M1, bars)


def run(bars: list[Bar], settings: Settings = SETTINGS, **parameters: float) -> Result:
    plan = Plan(
        strategy_id=StrategyId("rsi"),
        strategy=StrategySettings(kind="rsi", parameters={"period": 5, **parameters}),
    )
    return Backtest(settings, plan, history(bars)).run()


def test_the_same_run_twice_is_the_same_to_the_byte() -> None:
    one, two = run(walk(1)), run(walk(1))
    assert one.fills
    assert (one.orders_sha256, one.state_hash) == (two.orders_sha256, two.state_hash)


def test_another_history_gives_other_orders() -> None:
    assert run(walk(1)).orders_sha256 != run(walk(2)).orders_sha256


def test_what_comes_later_changes_nothing_earlier() -> None:
    bars, poisoned = walk(3), walk(3)
    for number in range(200, 400):
        bar = poisoned[number]
        poisoned[number] = Bar(
            bar.instrument_id, bar.timeframe, bar.ts_open_ns, 100, 900, 50, 500, 1, 1
        )
    cut_ns = bars[199].ts_open_ns + Timeframe.M1.ns
    before = [f for f in run(bars).fills if f.ts_event_ns < cut_ns]
    after = [f for f in run(poisoned).fills if f.ts_event_ns < cut_ns]
    assert before
    assert [(f.ts_event_ns, f.price, f.size) for f in before] == [
        (f.ts_event_ns, f.price, f.size) for f in after
    ]


def test_a_signal_at_a_close_trades_at_the_next_open_and_pays_the_spread() -> None:
    bars = walk(4)
    opens = {bar.ts_open_ns // Timeframe.M1.ns: bar.open_ticks for bar in bars}
    fills = run(bars).fills
    assert fills
    for fill in fills:
        opened = opens[fill.ts_event_ns // Timeframe.M1.ns]
        half = max(1, round(opened * 0.5 / 1e4))
        expected = opened + half if fill.side is Side.BUY else opened - half
        assert fill.price == expected * TICK


def test_equity_is_the_money_left_plus_what_is_held() -> None:
    result = run(walk(5))
    cash = Decimal(100_000)
    for fill in result.fills:
        cash -= fill.side.sign * fill.size * fill.price
        cash -= fill.fee if fill.fee_asset == "USDT" else fill.fee * fill.price
    # Fees taken in the base asset are valued at the fill; what is held, at the last close.
    held = result.final_position
    expected = float(cash) + float(held) * result.closes[-1]
    assert result.equity[-1] == pytest.approx(expected, abs=1.0)


def test_without_costs_a_round_trip_earns_the_difference_of_opens() -> None:
    free = PaperSettings(
        balances={"USDT": Decimal(100_000)}, maker_fee_bps=Decimal(0), taker_fee_bps=Decimal(0)
    )
    result = run(walk(6), SETTINGS.model_copy(update={"paper": free}))
    assert result.statistics.fees == 0
    assert result.statistics.round_trips >= 1


def test_a_risk_limit_denies_in_a_backtest_as_it_would_live() -> None:
    tight = SETTINGS.model_copy(
        update={"risk": SETTINGS.risk.model_copy(update={"max_order_notional": Decimal(1)})}
    )
    result = run(walk(7), tight)
    assert result.denied > 0
    assert not result.fills


@pytest.mark.parametrize("inverse", [False, True], ids=["linear", "inverse"])
def test_contracts_are_run_on_margin_in_the_asset_they_pay_in(inverse: bool) -> None:
    perpetual = msgspec.structs.replace(
        BTC,
        kind=InstrumentKind.PERPETUAL,
        inverse=inverse,
        size_lot=Decimal(1) if inverse else BTC.size_lot,
    )
    strategy = StrategySettings(kind="rsi", enabled=True, size=Decimal(100 if inverse else "0.1"))
    plan = Plan(strategy_id=StrategyId("rsi"), strategy=strategy)
    past = from_bars(perpetual, Timeframe.M1, walk(5))
    if inverse:
        with pytest.raises(ConfigError, match=r"pays in BTC, paper\.balances holds USDT"):
            Backtest(SETTINGS, plan, past)
    paper = PaperSettings(balances={"USDT": Decimal(100_000), "BTC": Decimal(1)})
    settings = SETTINGS.model_copy(update={"paper": paper})
    backtest = Backtest(settings, plan, past)
    found = backtest.run()
    assert len(found.fills) > 2
    assert {fill.fee_asset for fill in found.fills} == {perpetual.pays_in}
    totals = [total for _, _, total in backtest.kernel.desk.books.ledger.totals()]
    opening = Decimal(1) if inverse else Decimal(100_000)
    made = sum((fill.realised or 0) - fill.fee for fill in found.fills)
    assert totals == [opening + made]
    assert found.orders_sha256 == Backtest(settings, plan, past).run().orders_sha256


def test_a_wrong_parameter_names_the_nearest() -> None:
    with pytest.raises(ConfigError, match="'perod'; did you mean 'period'"):
        run(walk(8), perod=3)
