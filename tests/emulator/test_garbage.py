"""Nonsense from clients is refused in the venue's own words and never makes a venue stumble."""

import json
import logging

import aiohttp
import pytest

VENUES = ("binancefut", "okx", "kucoin", "coinbase", "alpaca", "deribit")
SOCKETS = {
    "binancefut": ("public", "/ws"),
    "okx": ("public", ""),
    "kucoin": ("ws", ""),
    "coinbase": ("ws", ""),
    "alpaca": ("stock", ""),
    "deribit": ("ws", ""),
}
VALUES = (
    None, True, 0, -1, 1.5, 10**30, "", "x", "BTC-USDT", [], [None, 1, "x"], {}, {"a": []},
)  # fmt: skip


def frames(venue, value):
    """Return messages of a venue's own shapes with a value where it does not belong."""
    shapes = {
        "binancefut": [
            {"method": value, "id": 1},
            {"method": "SUBSCRIBE", "params": value, "id": value},
            {"method": "UNSUBSCRIBE", "params": [value], "id": 1},
            {"method": "SET_PROPERTY", "params": ["combined", value], "id": 1},
        ],
        "okx": [
            {"op": value, "args": [{}]},
            {"op": "subscribe", "args": value},
            {"op": "subscribe", "args": [value]},
            {"op": "subscribe", "args": [{"channel": value, "instId": "BTC-USDT"}]},
            {"op": "unsubscribe", "args": [{"channel": "books", "instId": value}]},
            {"op": "subscribe", "args": [{"channel": "instruments", "instType": value}]},
            {"op": "login", "args": [value]},
            {"op": "login", "args": [{"apiKey": "k" * 32, "timestamp": value, "sign": value}]},
        ],
        "kucoin": [
            {"id": value, "type": value},
            {"id": "1", "type": "subscribe", "topic": value, "response": value},
            {"id": "1", "type": "subscribe", "topic": f"/market/level2:{value}"},
            {"id": "1", "type": "unsubscribe", "topic": value},
            {"id": value, "type": "ping"},
        ],
        "coinbase": [
            {"type": value, "channel": "level2"},
            {"type": "subscribe", "channel": value, "product_ids": ["BTC-USD"]},
            {"type": "subscribe", "channel": "level2", "product_ids": value},
            {"type": "subscribe", "channel": "ticker", "product_ids": [value]},
            {"type": "unsubscribe", "channel": "level2", "product_ids": value},
        ],
        "alpaca": [
            {"action": value},
            {"action": "auth", "key": value, "secret": value},
            {"action": "subscribe", "trades": value},
            {"action": "subscribe", "quotes": [value]},
            {"action": "unsubscribe", "bars": value, "x": value},
        ],
        "deribit": [
            {"method": value, "params": {}},
            {"method": "public/get_time", "params": value, "id": value},
            {"method": "public/subscribe", "params": {"channels": value}},
            {"method": "public/subscribe", "params": {"channels": [value]}},
            {"method": "public/unsubscribe", "params": {"channels": value}},
            {"method": "public/auth", "params": {"grant_type": value}},
            {"method": "public/set_heartbeat", "params": {"interval": value}},
            {"method": "public/ticker", "params": {"instrument_name": value}},
            {"method": "public/get_instruments", "params": {"currency": value, "kind": value}},
            {
                "method": "public/get_order_book",
                "params": {"instrument_name": "BTC-PERPETUAL", "depth": value},
            },
        ],
    }
    return [json.dumps(shape) for shape in shapes[venue]]


PLAIN = ("", "ping", "[", "null", "7", '"x"', "[1]", "{}", '{"a":', "\U0001f600")
TEXTS = (
    "", "0", "-1", "1", "99999999999999999999", "1.5", "x", "1795000000000", "1700000000",
    "2026-11-20", "asc", "desc", "\u20bf", "a=b&c", "AAPL,,*", "BTC",
)  # fmt: skip
REQUESTS = {
    "binancefut": [
        ("/klines", {"symbol": "BTCUSDT", "interval": "1m", "startTime": "", "endTime": ""}),
        ("/depth", {"symbol": "BTCUSDT", "limit": "5"}),
        ("/aggTrades", {"symbol": "BTCUSDT", "fromId": "1", "startTime": "", "limit": "5"}),
        ("/fundingRate", {"symbol": "BTCUSDT", "startTime": "1", "endTime": "", "limit": "5"}),
    ],
    "okx": [
        ("/market/candles", {"instId": "BTC-USDT", "bar": "1m", "after": "", "before": ""}),
        ("/market/books", {"instId": "BTC-USDT", "sz": "5"}),
        ("/market/trades", {"instId": "BTC-USDT", "limit": "5", "type": "2", "after": ""}),
        ("/public/instruments", {"instType": "SPOT", "instId": "BTC-USDT"}),
        ("/public/funding-rate-history", {"instId": "BTC-USDT-SWAP", "after": "", "before": ""}),
    ],
    "kucoin": [
        (
            "/api/v1/market/candles",
            {"symbol": "BTC-USDT", "type": "1min", "startAt": "", "endAt": ""},
        ),
        ("/api/v1/market/orderbook/level2_20", {"symbol": "BTC-USDT"}),
        ("/api/v1/market/histories", {"symbol": "BTC-USDT"}),
    ],
    "coinbase": [
        (
            "/market/products/BTC-USD/candles",
            {"granularity": "ONE_MINUTE", "start": "1", "end": "60", "limit": "5"},
        ),
        ("/market/products/BTC-USD/ticker", {"limit": "5", "start": "1", "end": "2"}),
        ("/market/product_book", {"product_id": "BTC-USD", "limit": "5"}),
    ],
    "alpaca": [
        (
            "/v1beta3/crypto/us/bars",
            {"symbols": "BTC/USD", "timeframe": "1Min", "start": "", "end": "", "limit": "5",
             "page_token": "", "sort": ""},
        ),
        ("/v2/stocks/trades", {"symbols": "AAPL", "start": "", "limit": "5", "page_token": ""}),
        ("/v2/calendar", {"start": "", "end": ""}),
    ],
    "deribit": [
        ("/public/get_order_book", {"instrument_name": "BTC-PERPETUAL", "depth": "5"}),
        (
            "/public/get_tradingview_chart_data",
            {"instrument_name": "BTC-PERPETUAL", "resolution": "60", "start_timestamp": "1",
             "end_timestamp": "1795000000000"},
        ),
        (
            "/public/get_volatility_index_data",
            {"currency": "BTC", "resolution": "3600", "start_timestamp": "1795000000000",
             "end_timestamp": "1795100000000"},
        ),
        (
            "/public/get_last_trades_by_instrument",
            {"instrument_name": "BTC-PERPETUAL", "count": "5", "start_seq": "1", "sorting": "asc"},
        ),
        (
            "/public/get_funding_rate_history",
            {"instrument_name": "BTC-PERPETUAL", "start_timestamp": "1795000000000",
             "end_timestamp": "1795100000000"},
        ),
    ],
}  # fmt: skip


def lift_limits(venue, running):
    """Let a test ask as often as it likes."""
    if hasattr(running, "windows"):
        running.windows._seen.clear()
    if venue == "binancefut":
        running.limiter._attempts.clear()
        running.limiter.weight_limit = 1_000_000
    if venue == "deribit":
        for bucket in running._credits.values():
            bucket._level.clear()


@pytest.mark.parametrize("venue", VENUES)
async def test_sockets_answer_or_close_but_never_stumble(remote, caplog, venue):
    caplog.set_level(logging.ERROR)
    running = remote.emulator.venues[venue]
    base, path = SOCKETS[venue]
    url = remote.emulator.urls()[venue][base] + path
    texts = [*PLAIN, *(text for value in VALUES for text in frames(venue, value))]
    for at in range(0, len(texts), 4):
        lift_limits(venue, running)
        query = f"?token={running.issue()}&connectId=1" if venue == "kucoin" else ""
        async with remote.session.ws_connect(url + query) as ws:
            if venue == "alpaca":
                await ws.send_json({"action": "auth", "key": "k" * 32, "secret": "s" * 32})
            for text in texts[at : at + 4]:
                await ws.send_str(text)
            await ws.close()
    assert not remote.emulator._driver.done()
    assert [record.exc_text for record in caplog.records] == []


@pytest.mark.parametrize("venue", VENUES)
async def test_rest_refuses_but_never_stumbles(remote, venue):
    running = remote.emulator.venues[venue]
    headers = {"APCA-API-KEY-ID": "k" * 32, "APCA-API-SECRET-KEY": "s" * 32}
    for path, good in REQUESTS[venue]:
        url = remote.emulator.urls()[venue]["rest"] + path
        asked = [{}, good, *({**good, name: text} for name in good for text in TEXTS)]
        for query in asked:
            lift_limits(venue, running)
            async with remote.session.get(url, params=query, headers=headers) as answer:
                assert answer.status < 500, (path, query)
                assert (await answer.read())[:1] in (b"{", b"["), (path, query)
    with pytest.raises(aiohttp.ClientResponseError):
        await remote.session.get(url.rsplit("/", 1)[0] + "/nothing", raise_for_status=True)
