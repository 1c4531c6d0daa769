"""Quotes and marks that kernels leave on a desk are known as if they had been told."""

from __future__ import annotations

from decimal import Decimal

import msgspec

from core.backtest.replay import unlisted
from core.engine.market import MarketState
from core.feeds.decoder import FeedDecoder
from core.feeds.registry import make_decoder
from core.model.instruments import Instrument
from core.model.market import MarketEvent, MarkPrice, Quote

HEAD = '{"jsonrpc":"2.0","method":"subscription","params":{"channel":"ticker.BTC-PERPETUAL.raw",'
TICKER = HEAD + (
    '"data":{"instrument_name":"BTC-PERPETUAL","timestamp":%d,"mark_price":%s,"index_price":%s,'
    '"best_bid_price":%d.5,"best_bid_amount":20,"best_ask_price":101.5,"best_ask_amount":30}}}'
)


class Lent:
    """A market of one instrument whose decoder was lent its desk."""

    def __init__(self) -> None:
        made = make_decoder("deribit")
        assert isinstance(made, FeedDecoder)
        self.decoder = made
        item = unlisted("BTC-PERPETUAL", made.venue)
        assert item is not None
        self.item: Instrument = item
        made.add_instruments([item])
        rules = {made.venue: made.rule}
        self.market = MarketState([item], rules, eager=True, lend=made.lend)
        self.market.book(item.id)

    def tell(self, ts: int, bid: int, mark: str = "100", index: str = "null") -> list[MarketEvent]:
        data = (TICKER % (ts, mark, index, bid)).encode()
        events = list(self.decoder.decode("recv", 1, ts, "", data))
        for event in events:
            self.market.apply(event)
        return events

    @property
    def bid(self) -> int:
        quote = self.market.quote(self.item.id)
        assert quote is not None
        return int(self.item.price(quote.bid_ticks))

    @property
    def mark(self) -> tuple[str, str]:
        view = self.market.reference(self.item.id)
        assert view is not None
        return str(view.mark), str(view.index)


def test_a_quote_is_left_whole_and_counted() -> None:
    lent = Lent()
    assert not lent.tell(7, 99)
    quote = lent.market.quote(lent.item.id)
    assert quote is not None
    assert msgspec.structs.astuple(quote)[:3] == (lent.item.id, 7_000_000, 7)
    prices = [float(lent.item.price(ticks)) for ticks in (quote.bid_ticks, quote.ask_ticks)]
    assert (prices, quote.update_id) == ([99.5, 101.5], 0)
    assert quote.ask_lots * lent.item.size_lot == 30
    assert lent.market.quote(lent.item.id) is quote
    assert lent.market.quality(lent.item.id, 1).frames == 1
    assert lent.market.feed_view(lent.item.id).last_event_ns == 7


def test_the_newer_of_what_was_left_and_what_was_told_counts() -> None:
    lent = Lent()
    lent.tell(1, 98)
    quote = lent.market.quote(lent.item.id)
    assert quote is not None
    lent.tell(2, 99)
    lent.market.apply(msgspec.structs.replace(quote, bid_ticks=lent.item.ticks(Decimal(97))))
    assert lent.bid == 97
    lent.tell(3, 96)
    assert lent.bid == 96


def test_marks_left_and_told_come_in_their_order_and_keep_what_is_left_out() -> None:
    lent = Lent()
    lent.tell(1, 99, "100.10", "90")
    lent.tell(2, 99, "101")
    assert lent.mark == ("101", "90")
    lent.tell(3, 99, "102", "91")
    told = MarkPrice(instrument_id=lent.item.id, ts_event_ns=4, ts_recv_ns=4, mark=Decimal(7))
    lent.market.apply(told)
    assert lent.mark == ("7", "91")


def test_what_somebody_acts_upon_is_told_until_nobody_does() -> None:
    lent = Lent()
    lent.tell(1, 95)
    lent.market.heed([lent.item.id])
    assert [type(event) for event in lent.tell(2, 96)] == [Quote, MarkPrice]
    lent.market.heed(())
    assert (lent.tell(3, 97), lent.bid) == ([], 97)
    lent.market.heed(None)
    assert [type(event) for event in lent.tell(4, 98)] == [Quote, MarkPrice]
    assert lent.bid == 98


def test_an_instrument_followed_later_is_heeded_as_was_said() -> None:
    lent = Lent()
    other = unlisted("ETH-PERPETUAL", lent.decoder.venue)
    assert other is not None
    lent.decoder.add_instruments([other])
    lent.market.add_instruments([other])
    lent.market.heed([other.id])
    lent.market.book(other.id)
    data = (TICKER % (1, "1", "null", 99)).replace("BTC-", "ETH-").encode()
    assert len(lent.decoder.decode("recv", 1, 1, "", data)) == 2
    assert not lent.tell(1, 95)
