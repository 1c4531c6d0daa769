"""The search in every venue's listing: likeliest first, fast, and without waiting."""

import pytest
from fake_link import FakeLink
from fake_market import status
from wide_market import wide_listing

from core.model import commands as cmd
from core.model.errors import LinkError
from core.model.views import StatusChanged
from tui.symbols import Symbols


@pytest.fixture
def symbols(link):
    made = Symbols(link, lambda work: work.close())
    made.take(wide_listing())
    return made


@pytest.mark.parametrize(
    ("words", "first"),
    [
        ("btc", "BTC-USDT.binance"),
        ("btcusdt", "BTC-USDT.binance"),
        ("BTC perp", "BTC-USDT-PERP.binance-usdm"),
        ("eth perp bybit", "ETH-USDT-PERP.bybit"),
        ("btc 100000 c", "BTC-27DEC26-100000-C.deribit"),
        ("sol kraken", "SOL-USDT.kraken"),
    ],
)
def test_every_word_narrows_and_the_likeliest_comes_first(symbols, words, first):
    assert symbols.search(words)[0].id == first


def test_what_begins_with_the_word_comes_before_what_only_has_it(symbols):
    found = [item.symbol for item in symbols.search("sol", 50)]
    starts = [symbol.startswith("SOL") for symbol in found]
    assert starts == sorted(starts, reverse=True)


def test_what_nobody_lists_is_not_found(symbols):
    assert symbols.search("nosuchcoin") == []


def test_all_of_the_listing_is_searched(symbols):
    assert len(symbols) > 14_000
    assert len(symbols.search("eth deribit", 20_000)) == 2_000


async def test_the_listing_is_asked_for_once_a_session_and_again_of_another_engine():
    link = FakeLink()
    link.come_up()
    works = []
    symbols = Symbols(link, works.append)
    symbols.fetch()
    assert len(symbols) == 6, "what the replica knows holds meanwhile"
    symbols.fetch()
    assert len(works) == 1, "one question at a time"
    await works.pop()
    assert "ADA-USDT-PERP.bybit" in symbols
    symbols.fetch()
    assert works == []
    link.fact(StatusChanged(status=status(session="another")))
    symbols.fetch()
    assert len(works) == 1
    await works.pop()
    assert [type(item) for item in link.requests] == [cmd.GetListing, cmd.GetListing]


async def test_venues_that_list_later_are_found_too_and_then_it_is_asked_for_seldom():
    link = FakeLink()
    link.come_up()
    works, now = [], [0.0]
    symbols = Symbols(link, works.append, lambda: now[0])
    parts = list(wide_listing())
    link.answers[cmd.GetListing] = lambda _: tuple(parts[:2])
    asked = 0
    for moment, expected in ((0, 1), (14, 1), (16, 2), (40, 3), (60, 3), (500, 3), (700, 4)):
        now[0] = moment
        if moment == 16:
            link.answers[cmd.GetListing] = lambda _: tuple(parts)
        symbols.fetch()
        for work in works:
            await work
            asked += 1
        works.clear()
        assert asked == expected, moment
    assert "BTC-USDT-PERP.okx" in symbols


async def test_a_lost_link_leaves_what_is_known_and_the_next_search_asks_again():
    link = FakeLink()
    link.come_up()
    link.answers[cmd.GetListing] = lambda _: LinkError("the link broke")
    works = []
    symbols = Symbols(link, works.append)
    symbols.fetch()
    await works.pop()
    assert symbols.search("btc")[0].id == "BTC-USDT.binance"
    symbols.fetch()
    assert len(works) == 1
    works.pop().close()


def test_halted_symbols_come_last(link):
    link.come_up()
    symbols = Symbols(link, lambda work: work.close())
    symbols.take(link.answer(cmd.GetListing()))
    assert not symbols.search("", 100)[-1].trading
