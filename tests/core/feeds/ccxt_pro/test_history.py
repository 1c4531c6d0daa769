from __future__ import annotations

import pytest

from core.feeds.ccxt_pro.history import OhlcvHistory
from core.model.errors import ConfigError, DataError
from core.model.market import Bar, Timeframe

MIN = Timeframe.M1.ns
DAY0 = 1_646_784_000_000_000_000


class Exchange:
    """Gives rows from a time on, a few at once, as exchanges do."""

    def __init__(self, times: list[int], most: int = 3) -> None:
        self.times, self.most = times, most
        self.asked: list[tuple[str, str, int, int]] = []

    async def __call__(self, symbol: str, length: str, since: int, limit: int):
        self.asked.append((symbol, length, since, limit))
        hits = [at for at in self.times if at // 10**6 >= since][: self.most]
        return [[at // 10**6, 1.5, 2, 1, 1.75, 0.5] for at in hits]


async def test_pages_are_joined_without_a_missing_or_doubled_bar(btc, clock):
    times = [DAY0 + n * MIN for n in range(10) if n != 4]
    exchange = Exchange(times)
    bars = await OhlcvHistory(exchange, clock).bars(btc, Timeframe.M1, DAY0, DAY0 + 8 * MIN, ["1m"])
    assert [bar.ts_open_ns for bar in bars] == [at for at in times if at < DAY0 + 8 * MIN]
    assert bars[0] == Bar(btc.id, Timeframe.M1, DAY0, 150, 200, 100, 175, 50_000, 0)
    assert exchange.asked[0] == ("BTC/USDT", "1m", DAY0 // 10**6, 500)


async def test_time_before_the_first_bar_is_walked_over(btc, clock):
    exchange = Exchange([DAY0 + 1200 * MIN])

    async def old(symbol: str, length: str, since: int, limit: int):
        rows = await exchange(symbol, length, since, limit)
        return [row for row in rows if row[0] < since + limit * 60_000]

    bars = await OhlcvHistory(old, clock).bars(btc, Timeframe.M1, DAY0, DAY0 + 1300 * MIN, ["1m"])
    assert [bar.ts_open_ns for bar in bars] == [DAY0 + 1200 * MIN]
    assert len(exchange.asked) == 4


async def test_an_exchange_that_gives_only_its_newest_ends_all_the_same(btc, clock):
    newest = [[(DAY0 + n * MIN) // 10**6, 1, 1, 1, 1, 1] for n in range(5)]

    async def stubborn(symbol: str, length: str, since: int, limit: int):
        return newest

    bars = await OhlcvHistory(stubborn, clock).bars(
        btc, Timeframe.M1, DAY0 - 5000 * MIN, DAY0 + 9 * MIN, ["1m"]
    )
    assert len(bars) == 5


async def test_a_length_the_exchange_does_not_have_is_joined(btc, clock):
    exchange = Exchange([DAY0 + n * MIN for n in range(10)], most=100)
    bars = await OhlcvHistory(exchange, clock).bars(
        btc, Timeframe.M5, DAY0, DAY0 + 10 * MIN, ["1m", "1w"]
    )
    assert [(bar.ts_open_ns, bar.volume_lots) for bar in bars] == [
        (DAY0, 250_000), (DAY0 + 5 * MIN, 250_000),
    ]  # fmt: skip
    with pytest.raises(ConfigError, match="has bars of 1w; none that 1m"):
        await OhlcvHistory(exchange, clock).bars(btc, Timeframe.M1, DAY0, DAY0 + MIN, ["1w"])


@pytest.mark.parametrize(
    ("row", "words"),
    [
        ([DAY0 // 10**6, 1, 1, 1], "not enough values"),
        ([DAY0 // 10**6, None, 1, 1, 1, 1], "InvalidOperation"),
        ([DAY0 // 10**6 + 1, 1, 1, 1, 1, 1], "no begin of a bar"),
        ([DAY0 // 10**6, 5, 1, 1, 1, 1], "must enclose"),
        (["x", 1, 1, 1, 1, 1], "ValueError"),
    ],
)
async def test_rows_that_cannot_be_are_refused(btc, clock, row, words):
    async def bad(symbol: str, length: str, since: int, limit: int):
        return [row]

    with pytest.raises(DataError, match=words):
        await OhlcvHistory(bad, clock).bars(btc, Timeframe.M1, DAY0, DAY0 + MIN, ["1m"])


async def test_minutes_without_volume_give_no_bar(btc, clock):
    async def quiet(symbol: str, length: str, since: int, limit: int):
        return [[DAY0 // 10**6, 1, 1, 1, 1, 0], [DAY0 // 10**6 + 60_000, 1, 1, 1, 1, None]]

    assert await OhlcvHistory(quiet, clock).bars(
        btc, Timeframe.M1, DAY0, DAY0 + 2 * MIN, ["1m"]
    ) == []  # fmt: skip
