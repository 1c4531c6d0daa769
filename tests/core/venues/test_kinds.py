from __future__ import annotations

import random

import pytest

from core.engine.clock import SystemClock
from core.model.errors import ConfigError
from core.model.ids import VenueName
from core.model.settings import VenueSettings
from core.venues.binance.venue import HOSTS, BinanceVenue
from core.venues.binance_usdm.venue import HOSTS as USDM_HOSTS
from core.venues.binance_usdm.venue import BinanceUsdmVenue
from core.venues.kinds import hosts_of, market_of, venue_kind
from core.venues.registry import make_venue


def table(**fields):
    return VenueSettings(**{"api_key": "k", "api_secret": "s"} | fields)


@pytest.mark.parametrize(
    ("name", "fields", "made", "market"),
    [
        ("binance", {}, BinanceVenue, "binance"),
        ("second", {"kind": "binance"}, BinanceVenue, "binance"),
        ("perps", {"kind": "binance_usdm", "environment": "demo"}, BinanceUsdmVenue,
         "binance_usdm"),
        ("mine", {"kind": "binance", "market": "my-feed"}, BinanceVenue, "my-feed"),
    ],
)  # fmt: skip
def test_a_table_is_an_account_of_its_kind_and_trades_its_market(name, fields, made, market):
    venue = make_venue(VenueName(name), table(**fields), clock=SystemClock(), rng=random.Random(1))
    assert isinstance(venue, made)
    assert (venue.name, venue.market) == (name, market)
    assert "api_key=***" in repr(venue)


@pytest.mark.parametrize(
    ("name", "fields", "words"),
    [
        ("binanse", {}, r"venues\.binanse: no such venue.*did you mean 'binance'"),
        ("x", {"kind": "okex"}, r"venues\.x\.kind must be one of .*was 'okex'"),
    ],
)
def test_an_unknown_kind_is_refused_with_the_nearest(name, fields, words):
    with pytest.raises(ConfigError, match=words):
        venue_kind(name, table(**fields))


@pytest.mark.parametrize("known", [HOSTS, USDM_HOSTS])
@pytest.mark.parametrize("environment", ["live", "demo", "testnet"])
def test_each_environment_has_hosts_of_its_own(known, environment):
    rest, stream = hosts_of("x", table(environment=environment), known)
    assert rest.startswith("https://")
    assert stream.startswith("wss://")
    assert (environment == "live") is ("testnet" not in rest and "demo" not in rest
                                       and "futures" not in rest)  # fmt: skip


def test_urls_of_the_table_win_and_a_missing_one_is_named():
    given = table(rest_url="http://h/", ws_api_url="ws://h/ws/")
    assert hosts_of("x", given, {}) == ("http://h", "ws://h/ws")
    with pytest.raises(ConfigError, match=r"venues\.x\.environment must be one of live"):
        hosts_of("x", table(environment="demo"), {"live": ("https://a", "wss://a")})


@pytest.mark.parametrize(
    ("given", "lacks"),
    [("rest_url", "ws_api_url"), ("ws_api_url", "rest_url")],
)
def test_half_an_emulator_is_refused(given, lacks):
    scheme = "http" if given == "rest_url" else "ws"
    half = table(**{given: f"{scheme}://127.0.0.1:9/x"})
    with pytest.raises(ConfigError, match=rf"venues\.x\.{lacks} must be given as well: {given} is"):
        hosts_of("x", half, HOSTS)
    # Another of the venue's own hosts may stand beside what was not given.
    regional = table(**{given: f"{scheme}s://api1.binance.com"})
    assert hosts_of("x", regional, HOSTS)[given == "ws_api_url"].endswith("api1.binance.com")


def test_the_market_of_another_kind_is_its_name():
    assert market_of("x", table(kind="ccxt:kraken")) == "kraken"
