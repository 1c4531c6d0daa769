"""Every recorded or documented frame of the venue, or why it is none of ours."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest

from core.feeds.decoder import FeedDecoder
from core.feeds.deribit.decoder import DeribitDecoder
from core.feeds.deribit.history import map_trades
from core.feeds.deribit.symbols import parse_instruments
from core.model.ids import VenueName
from core.model.market import (
    BookDelta,
    BookSnapshot,
    DayTicker,
    FrameRejected,
    MarkPrice,
    OpenInterest,
    OptionGreeks,
    Quote,
    Trade,
    VenueBar,
)

PRIVATE = "private, order issue"
UNASKED = "an answer to a question we never ask: the channels bring the same"
TICKER = (Quote, MarkPrice, OpenInterest, DayTicker)
OPTION = (Quote, MarkPrice, OptionGreeks, OpenInterest, DayTicker)

NAUTILUS: dict[str, Any] = {
    "http_get_account_summaries.json": PRIVATE,
    "http_get_combos.json": "combos are left out: they are traded in their legs",
    "http_get_expirations_btc_option.json": UNASKED,
    "http_get_instrument_option.json": "BTC-USD-20241227-100000-C.deribit",
    "http_get_instruments_future_combo.json": "combos are left out: they are traded in their legs",
    "http_get_last_trades.json": "trades of the past, below",
    "http_get_last_trades_historical_combo.json": "trades of the past, below",
    "http_get_last_trades_perpetual_with_combo_tags.json": "trades of the past, below",
    "http_get_time.json": "a sample of the clock, in test_decoder",
    "http_test.json": (),
    "ws_book_grouped_snapshot.json": (BookSnapshot,),
    "ws_chart.json": (VenueBar,),
    "ws_order_buy_response.json": PRIVATE,
    "ws_order_edit_response.json": PRIVATE,
    "ws_order_stop_market_no_filled_amount.json": PRIVATE,
    "ws_portfolio.json": PRIVATE,
    "ws_subscribe_response.json": (),
    "ws_ticker.json": TICKER,
    "ws_trades_option_combo.json": (Trade,),
}
PARSER: dict[str, Any] = {
    "trade::inverse_future": (Trade,),
    "trade::option": (Trade,),
    "l2_event::inverse_future_update": (BookDelta,),
    "l2_event::inverse_swap_update": (BookDelta,),
    "l2_topk::inverse_future": (BookSnapshot,),
    "l2_topk::option": (BookSnapshot,),
    "bbo::inverse_swap": (Quote,),
    "candlestick::inverse_swap": (VenueBar,),
    "ticker::inverse_future": TICKER,
    "ticker::option": OPTION,
    "l2_snapshot::inverse_swap": UNASKED,
    "open_interest::inverse_future": UNASKED,
    "open_interest::inverse_swap": UNASKED,
}


@pytest.fixture
def decoder(with_eighths: Callable[[FeedDecoder], FeedDecoder]) -> FeedDecoder:
    return with_eighths(DeribitDecoder())


def test_frames_collected_elsewhere(fixtures: Any, decoder: FeedDecoder) -> None:
    lines = fixtures("deribit/messages_nautilus.jsonl")
    assert [line["ctx"] for line, _ in lines] == list(NAUTILUS)
    for line, msg in lines:
        wanted = NAUTILUS[line["ctx"]]
        events = decoder.decode("recv", 1, 77, "", msg)
        if isinstance(wanted, tuple):
            assert tuple(type(event) for event in events) == wanted, line["ctx"]
        elif wanted.endswith(".deribit"):
            (item,) = parse_instruments(msg, VenueName("deribit")).instruments
            assert item.id == wanted
        else:
            assert all(isinstance(event, FrameRejected) for event in events), line["ctx"]
    bar = next(msg for line, msg in lines if line["ctx"] == "ws_chart.json")
    (event,) = decoder.decode("recv", 1, 77, "", bar)
    assert isinstance(event, VenueBar)
    assert event.ts_open_ns == 1767200040000_000_000
    assert event.close_ticks == 87474 * 10**8


def test_messages_with_the_results_of_another_parser(fixtures: Any, decoder: FeedDecoder) -> None:
    lines = fixtures("deribit/messages_with_expected_crypto_msg_parser.jsonl")
    assert [line["ctx"] for line, _ in lines] == list(PARSER)
    for line, msg in lines:
        wanted = PARSER[line["ctx"]]
        events = decoder.decode("recv", 1, 77, "", msg)
        if isinstance(wanted, str):
            assert not events
            continue
        assert tuple(type(event) for event in events) == wanted, line["ctx"]
        self_check(events[0], dict(line["expected"]), line["ctx"], decoder)


def self_check(event: Any, said: dict[str, Any], what: str, decoder: FeedDecoder) -> None:
    by_id = {item.id: item for item in decoder.instruments.values()}
    item = by_id[event.instrument_id]
    if isinstance(event, VenueBar):
        # That parser takes the venue's tick for the end of the bar; it is the beginning.
        assert event.ts_open_ns // 1_000_000 == said["timestamp"]
        for name in ("open", "high", "low", "close"):
            found = item.price(getattr(event, f"{name}_ticks"))
            assert found == Decimal(str(said[f"candlestick_msg.{name}"]))
        return
    assert event.ts_event_ns // 1_000_000 == said["timestamp"], what
    if isinstance(event, Trade) and "trades[0].quantity_contract" in said:
        assert item.size(event.size_lots) == Decimal(str(said["trades[0].quantity_contract"]))
        side = said.get("trades[0].side") or said["trade.side"]
        assert event.buyer_is_maker == (side == "sell")
    if isinstance(event, BookDelta | BookSnapshot):
        assert event.last_id == said["orderbook.seq_id"]
        assert getattr(event, "prev_id", None) == said["orderbook.prev_seq_id"]
        for side, levels in (("bids", event.bids), ("asks", event.asks)):
            assert len(levels) == said[f"orderbook.{side}.len()"]
            for row, (price, size) in enumerate(levels.tolist()):
                if f"orderbook.{side}[{row}].price" not in said:
                    continue
                assert item.price(price) == Decimal(str(said[f"orderbook.{side}[{row}].price"]))
                # Futures come ten times too large there, in "quote" and not in "contract" units.
                quote = said[f"orderbook.{side}[{row}].quantity_quote"]
                contract = said.get(f"orderbook.{side}[{row}].quantity_contract.unwrap()")
                base = said[f"orderbook.{side}[{row}].quantity_base"]
                assert float(item.size(size)) in (quote / 10, contract, base)
    if isinstance(event, Quote) and "bbo_msg.ask_price" in said:
        assert item.price(event.ask_ticks) == Decimal(str(said["bbo_msg.ask_price"]))
        assert item.price(event.bid_ticks) == Decimal(str(said["bbo_msg.bid_price"]))


def test_messages_with_the_results_of_tardis(
    fixtures: Any, decoder: FeedDecoder, stated: Any
) -> None:
    lines = fixtures("deribit/messages_with_expected_tardis.jsonl")
    assert len(lines) == 9
    for line, msg in lines:
        events = decoder.decode("recv", 1, 77, "", msg)
        compared = stated(events, decoder)
        for wanted in line["expected"]:
            compared.agree(wanted)


def test_pieces_without_an_envelope_are_refused(fixtures: Any, decoder: FeedDecoder) -> None:
    lines = fixtures("deribit/messages_xchange.jsonl")
    assert len(lines) == 3
    for line, msg in lines:
        (refused,) = decoder.decode("recv", 1, 77, "", msg)
        # Cut out of answers by their source: nothing tells what they are.
        assert isinstance(refused, FrameRejected), line["ctx"]


def test_trades_of_the_widest_interval(fixtures: Any, decoder: FeedDecoder) -> None:
    ((_, msg),) = fixtures("deribit/ws_gocryptotrader.jsonl")
    (trade,) = decoder.decode("recv", 1, 77, "", msg)
    assert isinstance(trade, Trade)
    assert (trade.trade_id, trade.buyer_is_maker) == (242126092, False)


def test_trades_of_the_past(fixtures: Any, decoder: FeedDecoder) -> None:
    read = 0
    for line, msg in fixtures("deribit/messages_nautilus.jsonl"):
        if line["ctx"].startswith("http_get_last_trades"):
            rows = line["msg"]["result"]["trades"]
            item = decoder.of(rows[0]["instrument_name"]).instrument
            trades, more = map_trades(msg, item)
            assert [trade.trade_id for trade in trades] == [row["trade_seq"] for row in rows]
            assert [item.price(trade.price_ticks) for trade in trades] == [
                Decimal(str(row["price"])) for row in rows
            ]
            assert more == line["msg"]["result"]["has_more"]
            read += 1
    assert read == 3
