"""What a venue did not take is asked for again, a few times; what it took is not."""

from __future__ import annotations

import json

import pytest

from core.feeds.acks import ASKED, Ack, Acks, Asked, Ledger
from core.feeds.alpaca.acks import AlpacaAcks
from core.feeds.binance.acks import BinanceAcks
from core.feeds.bybit.acks import BybitAcks
from core.feeds.coinbase.acks import CoinbaseAcks
from core.feeds.coinbase_exchange.acks import ExchangeAcks
from core.feeds.deribit.acks import DeribitAcks
from core.feeds.kraken.acks import KrakenAcks
from core.feeds.kucoin.acks import KucoinAcks
from core.feeds.massive.acks import MassiveAcks
from core.feeds.okx.acks import OkxAcks
from core.feeds.twelvedata.acks import TwelveDataAcks

S = 1_000_000_000


@pytest.fixture
def ledger() -> Ledger:
    made = Ledger(patience_s=8.0)
    made.sent(Asked(("books", "trades"), key="1"), 0)
    return made


def test_answered_request_is_owed_no_more(ledger: Ledger) -> None:
    ledger.said(Ack(key="2"), S)
    assert ledger.waiting, "that was another request's"
    ledger.said(Ack(key="1"), S)
    assert not ledger.waiting
    assert ledger.overdue(100 * S) == ([], [])


def test_unanswered_request_is_made_again_a_few_times_and_then_given_up(ledger: Ledger) -> None:
    now, asked = 0, 1
    while True:
        now += int(ledger.wait_s(now) * 1e9)
        late, lost = ledger.overdue(now)
        if lost:
            break
        asked += 1
        ledger.sent(Asked(late, key=str(asked)), now)
    assert asked == ASKED
    assert lost == ["books", "trades"]
    assert now == (8 + 16 + 32) * S, "ever more patiently"
    assert not ledger.waiting


def test_channel_an_answer_leaves_out_is_due_at_once(ledger: Ledger) -> None:
    ledger.said(Ack(("books",), key="1"), S)
    assert ledger.overdue(S) == (["trades"], [])
    ledger.sent(Asked(("trades",), key="2"), S)
    ledger.said(Ack((), key="2"), 2 * S)
    assert ledger.overdue(2 * S) == ([], []), "twice refused: patience"


def test_list_of_the_venue_settles_what_it_names_and_lacks_what_it_lost(ledger: Ledger) -> None:
    ledger.said(Ack(("books", "trades", "old"), whole=True), S)
    assert not ledger.waiting
    ledger.said(Ack(("books",), whole=True), 2 * S)
    assert ledger.overdue(2 * S) == (["trades"], [])


def test_list_that_never_names_what_was_taken_is_not_fought_for_ever(ledger: Ledger) -> None:
    ledger.said(Ack(key="1"), 0)
    now, asked = 0, 0
    for _ in range(20):
        ledger.said(Ack(("books",), whole=True), now)
        now += 1000 * S
        late, lost = ledger.overdue(now)
        if lost:
            break
        asked += 1
        ledger.sent(Asked(late, key=f"again{asked}"), now)
        ledger.said(Ack(key=f"again{asked}"), now)
    assert lost == ["trades"]
    assert asked <= ASKED


def test_what_is_left_is_not_owed(ledger: Ledger) -> None:
    ledger.sent(Asked(leaves=("trades",)), S)
    ledger.said(Ack(("books",)), S)
    assert not ledger.waiting


def binance(method: str, names: object) -> str:
    return json.dumps({"method": method, "params": list(names), "id": 7})  # type: ignore[call-overload]  # a list


VENUES: dict[str, tuple[Acks, str, bytes, set[str], bytes]] = {
    # what speaks, a request of ours, its answer, the topics, and market data beside it
    "binance": (
        BinanceAcks(binance),
        '{"method":"SUBSCRIBE","params":["btcusdt@trade","btcusdt@depth"],"id":7}',
        b'{"result":null,"id":7}',
        {"btcusdt@trade", "btcusdt@depth"},
        b'{"stream":"btcusdt@trade","data":{"e":"trade","result":1}}',
    ),
    "okx": (
        OkxAcks(),
        '{"op":"subscribe","args":[{"channel":"books","instId":"BTC-USDT"}]}',
        b'{"event":"subscribe","arg":{"channel":"books","instId":"BTC-USDT"},"connId":"a4d3ae55"}',
        {"books instId BTC-USDT"},
        b'{"arg":{"channel":"books","instId":"BTC-USDT"},"action":"update","data":[]}',
    ),
    "bybit": (
        BybitAcks(lambda topics: [json.dumps({"op": "subscribe", "args": list(topics)})]),
        '{"req_id":"3","op":"subscribe","args":["publicTrade.BTCUSDT"]}',
        b'{"success":true,"ret_msg":"subscribe","conn_id":"2324","req_id":"3","op":"subscribe"}',
        {"publicTrade.BTCUSDT"},
        b'{"topic":"publicTrade.BTCUSDT","type":"snapshot","data":[]}',
    ),
    "bybit options": (
        BybitAcks(lambda topics: [json.dumps({"op": "subscribe", "args": list(topics)})]),
        '{"req_id":"3","op":"subscribe","args":["tickers.BTC-6JAN23-18000-C"]}',
        b'{"success":true,"conn_id":"aa01","data":{"failTopics":[],"successTopics":'
        b'["tickers.BTC-6JAN23-18000-C"]},"type":"COMMAND_RESP"}',
        {"tickers.BTC-6JAN23-18000-C"},
        b'{"topic":"tickers.BTC-6JAN23-18000-C","data":{}}',
    ),
    "kucoin": (
        KucoinAcks(lambda topics: [json.dumps({"type": "subscribe", "topic": t}) for t in topics]),
        '{"id":"4","type":"subscribe","topic":"/market/match:BTC-USDT,ETH-USDT","response":true}',
        b'{"id":"4","type":"ack"}',
        {"/market/match:BTC-USDT", "/market/match:ETH-USDT"},
        b'{"topic":"/market/match:BTC-USDT","type":"message","subject":"trade.l3match","data":{}}',
    ),
    "kraken": (
        KrakenAcks(
            lambda channel, symbols: json.dumps(
                {"method": "subscribe", "params": {"channel": channel, "symbol": list(symbols)}}
            )
        ),
        '{"method":"subscribe","params":{"channel":"ticker","symbol":["BTC/USD"]}}',
        b'{"method":"subscribe","result":{"channel":"ticker","snapshot":true,"symbol":"BTC/USD"},'
        b'"success":true,"time_in":"2023-09-25T09:04:31.742599Z"}',
        {"ticker BTC/USD"},
        b'{"channel":"ticker","type":"update","data":[{"symbol":"BTC/USD"}]}',
    ),
    "coinbase": (
        CoinbaseAcks(),
        '{"type":"subscribe","product_ids":["BTC-USD"],"channel":"level2"}',
        b'{"channel":"subscriptions","timestamp":"2026-08-09T21:05:48Z","sequence_num":2,"events":'
        b'[{"subscriptions":{"level2":["BTC-USD"],"ticker":["ETH-USD"]}}]}',
        {"level2 BTC-USD"},
        b'{"channel":"l2_data","events":[{"type":"update","product_id":"BTC-USD","updates":[]}]}',
    ),
    "coinbase_exchange": (
        ExchangeAcks(),
        '{"type":"subscribe","product_ids":["BTC-USD"],"channels":["level2_batch"]}',
        b'{"type":"subscriptions","channels":[{"name":"level2_50","product_ids":["BTC-USD"]}]}',
        {"level2_batch BTC-USD"},
        b'{"type":"l2update","product_id":"BTC-USD","changes":[]}',
    ),
    "deribit": (
        DeribitAcks(lambda method, params: json.dumps({"method": method, "params": params})),
        '{"jsonrpc":"2.0","id":5,"method":"public/subscribe","params":{"channels":["quote.X"]}}',
        b'{"jsonrpc":"2.0","id":5,"result":["quote.X"],"usIn":1,"usOut":2,"usDiff":1}',
        {"quote.X"},
        b'{"jsonrpc":"2.0","method":"subscription","params":{"channel":"quote.X","data":{}}}',
    ),
    "alpaca": (
        AlpacaAcks(),
        '{"action":"subscribe","trades":["AAPL"],"quotes":["AAPL"]}',
        b'[{"T":"subscription","trades":["AAPL"],"quotes":["AAPL"],"bars":[]}]',
        {"trades AAPL", "quotes AAPL"},
        b'[{"T":"t","S":"AAPL","p":1.5}]',
    ),
    "massive": (
        MassiveAcks(),
        '{"action":"subscribe","params":"T.AAPL"}',
        b'[{"ev":"status","status":"success","message":"subscribed to: T.AAPL"}]',
        {"T.AAPL"},
        b'[{"ev":"T","sym":"AAPL","p":1.5}]',
    ),
    "twelvedata": (
        TwelveDataAcks(),
        '{"action":"subscribe","params":{"symbols":"AAPL"}}',
        b'{"event":"subscribe-status","status":"ok","success":[{"symbol":"AAPL","exchange":"NASDAQ"'
        b'}],"fails":null}',
        {"AAPL"},
        b'{"event":"price","symbol":"AAPL","price":1.5}',
    ),
}


@pytest.mark.parametrize("venue", VENUES)
def test_request_and_answer_of_a_venue_meet(venue: str) -> None:
    acks, message, answer, topics, data = VENUES[venue]
    asked = acks.asked(message)
    assert asked is not None
    assert set(asked.joins) == topics
    assert acks.said(data) is None, "market data confirms nothing"
    ledger = Ledger()
    ledger.sent(asked, 0)
    ack = acks.said(answer)
    assert ack is not None
    ledger.said(ack, S)
    assert not ledger.waiting


@pytest.mark.parametrize("venue", VENUES)
def test_asking_again_asks_for_the_same(venue: str) -> None:
    acks, _, _, topics, _ = VENUES[venue]
    asked = [acks.asked(message) for message in acks.again(sorted(topics))]
    assert {topic for each in asked if each is not None for topic in each.joins} == topics


def test_binance_lists_what_a_connection_carries() -> None:
    acks = BinanceAcks(binance)
    assert "LIST_SUBSCRIPTIONS" in acks.audit()
    ack = acks.said(b'{"result":["btcusdt@trade"],"id":8}')
    assert ack == Ack(["btcusdt@trade"], whole=True)
    assert acks.said(b'{"error":{"code":2,"msg":"Invalid request","id":8},"id":8}') is None


def test_channel_bybit_knows_already_counts_as_taken() -> None:
    acks = VENUES["bybit"][0]
    words = b'"ret_msg":"error:already subscribed,topic:publicTrade.BTCUSDT"'
    ack = acks.said(b'{"success":false,' + words + b',"req_id":"2","op":"subscribe"}')
    assert ack == Ack(("publicTrade.BTCUSDT",))
