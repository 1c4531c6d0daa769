"""What kernels only write down is known as if it had been told."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

import msgspec
import pytest

from core.backtest.replay import unlisted
from core.engine.market import MarketState
from core.engine.slate import Slate
from core.engine.stated import digits_of
from core.feeds.decoder import FeedDecoder
from core.feeds.registry import make_decoder
from core.model.instruments import Instrument
from core.model.market import DayTicker, MarketEvent

TICKER = (
    '{"arg":{"channel":"tickers","instId":"BTC-USDT"},"data":[{"instType":"SPOT",'
    '"instId":"BTC-USDT","last":"%s","lastSz":"1","askPx":"3","askSz":"1","bidPx":"2","bidSz":"1",'
    '"open24h":"%s","high24h":"9","low24h":"0.10","volCcy24h":"70","vol24h":"7","sodUtc0":"1",'
    '"sodUtc8":"1","ts":"%d"}]}'
)


class Lent:
    """A market of one instrument whose decoder was lent its desk."""

    def __init__(self) -> None:
        made = make_decoder("okx")
        assert isinstance(made, FeedDecoder)
        self.decoder = made
        item = unlisted("BTC-USDT", made.venue)
        assert item is not None
        self.item: Instrument = item
        made.add_instruments([item])
        rules = {made.venue: made.rule}
        self.market = MarketState([item], rules, eager=True, lend=made.lend)
        self.market.book(item.id)

    def tell(self, last: str, opened: str, ts: int) -> Sequence[MarketEvent]:
        events = self.decoder.decode("recv", 1, ts, "", (TICKER % (last, opened, ts)).encode())
        for event in events:
            self.market.apply(event)
        return events

    @property
    def day(self) -> DayTicker:
        found = self.market.references.ticker(self.item.id)
        assert found is not None
        return found


def test_statistics_of_a_day_are_written_down_and_keep_what_is_left_out() -> None:
    lent = Lent()
    assert not lent.tell("5.50", "4", 1)
    assert not lent.tell("6", "", 2)
    assert lent.market.straight() == 4
    assert repr((lent.day.last, lent.day.open, lent.day.low)) == repr(
        (Decimal("6"), Decimal("4"), Decimal("0.10"))
    )
    assert (lent.day.ts_event_ns, lent.day.ts_recv_ns) == (2_000_000, 2)
    assert lent.day is lent.day


@pytest.mark.parametrize("odd", ["1e3", "-5", "1234567890.1234567890"])
def test_a_value_that_is_not_plain_is_told_and_comes_after_what_was_written(odd: str) -> None:
    lent = Lent()
    lent.tell("5", "4", 1)
    assert [type(event) for event in lent.tell(odd, "", 2)] == [DayTicker]
    assert (lent.day.last, lent.day.open) == (Decimal(odd), Decimal("4"))
    lent.tell("7", "", 3)
    assert (lent.day.last, lent.day.open) == (Decimal("7"), Decimal("4"))


def test_a_value_that_is_none_is_refused_and_nothing_is_written() -> None:
    lent = Lent()
    lent.tell("5", "4", 1)
    (refused,) = lent.tell("6", "4x", 2)
    assert "must be a decimal number, was '4x'" in msgspec.structs.asdict(refused)["reason"]
    assert lent.day.last == Decimal("5")


def test_a_slate_has_no_news_until_something_is_written() -> None:
    lent = Lent()
    assert not list(Slate(lent.item.id).news())
    assert lent.market.references.ticker(lent.item.id) is None


@pytest.mark.parametrize(
    ("text", "digits"),
    [
        ("0", (0, 0)), ("0.10", (10, 2)), ("123456789.12345678", (12345678912345678, 8)),
        ("007", (7, 0)), ("", (0, -1)), ("1.", (0, -1)), (".1", (0, -1)), ("1.2.3", (0, -1)),
        ("1 ", (0, -1)), ("9" * 18, (10**18 - 1, 0)), ("9" * 19, (0, -1)),
    ],
)  # fmt: skip
def test_digits_are_read_where_they_are_plain_and_few(text: str, digits: tuple[int, int]) -> None:
    assert digits_of(text.encode(), 0, len(text)) == digits
