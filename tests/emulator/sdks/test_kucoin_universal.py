"""KuCoin's universal SDK as a client, bullet handshake included; only its URLs are changed."""

import asyncio
import itertools
import threading
import warnings

import pytest

pytestmark = pytest.mark.filterwarnings("ignore")
VENUES = ("kucoin",)
SPEED = 1.0  # It signs.


@pytest.fixture(scope="module")
def _sdk():
    """Load it before a venue's time begins to run."""
    pytest.importorskip("kucoin_universal_sdk", reason="kucoin-universal-sdk is not installed")
    # Not above: it takes a second, and every worker collects every file.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # its models use what pydantic has deprecated
        import kucoin_universal_sdk.api.client
        import kucoin_universal_sdk.generate.spot.market
        import kucoin_universal_sdk.model.client_option
        import kucoin_universal_sdk.model.transport_option
        import kucoin_universal_sdk.model.websocket_option  # noqa: F401


@pytest.fixture
def client(_sdk, world):
    from kucoin_universal_sdk.api.client import DefaultClient
    from kucoin_universal_sdk.model.client_option import ClientOptionBuilder
    from kucoin_universal_sdk.model.transport_option import TransportOptionBuilder
    from kucoin_universal_sdk.model.websocket_option import WebSocketClientOptionBuilder

    option = (
        ClientOptionBuilder()
        .set_key("k" * 32)
        .set_secret("s" * 32)
        .set_passphrase("x")
        .set_spot_endpoint(world.urls()["kucoin"]["rest"])
        .set_transport_option(TransportOptionBuilder().build())
        .set_websocket_client_option(WebSocketClientOptionBuilder().build())
        .build()
    )
    return DefaultClient(option)


async def test_rest_replies_parse_into_the_sdks_models(client):
    from kucoin_universal_sdk.generate.spot.market import (
        GetAllSymbolsReqBuilder,
        GetFullOrderBookReqBuilder,
        GetKlinesReqBuilder,
    )

    market = client.rest_service().get_spot_service().get_market_api()

    def ask():
        symbols = market.get_all_symbols(GetAllSymbolsReqBuilder().build())
        book = market.get_full_order_book(
            GetFullOrderBookReqBuilder().set_symbol("BTC-USDT").build()
        )
        bars = market.get_klines(
            GetKlinesReqBuilder().set_symbol("BTC-USDT").set_type("1min").build()
        )
        return symbols, book, bars

    symbols, book, bars = await asyncio.to_thread(ask)
    assert {row.symbol for row in symbols.data} >= {"BTC-USDT", "ETH-USDT"}
    assert float(book.bids[0][0]) < float(book.asks[0][0])
    assert len(bars.data) == 1_500


async def test_the_socket_opens_by_bullet_and_delivers(client):
    seen, enough = [], threading.Event()

    def on_book(topic, subject, data):
        seen.append(data)
        if len(seen) > 3:
            enough.set()

    def use():
        public = client.ws_service().new_spot_public_ws()
        public.start()
        subscription = public.orderbook_increment(["BTC-USDT"], on_book)
        got = enough.wait(20)
        public.unsubscribe(subscription)
        public.stop()
        return got

    assert await asyncio.to_thread(use)
    for before, data in itertools.pairwise(seen):
        assert data.sequence_start == before.sequence_end + 1
