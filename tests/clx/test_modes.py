"""Settings that only together are wrong are refused before anything is opened."""

from __future__ import annotations

import pytest

from clx.modes import check_modes, unfed
from core.model.errors import ConfigError
from core.model.settings import FeedSettings, Settings


def test_unknown_feed_is_refused_with_the_nearest_name() -> None:
    with pytest.raises(
        ConfigError, match=r"feeds.binanse: unknown venue .* did you mean 'binance'"
    ):
        check_modes(Settings(feeds={"binanse": FeedSettings()}))


def test_feed_of_any_name_may_be_of_a_known_kind() -> None:
    check_modes(
        Settings(feeds={"mine": FeedSettings(kind="okx"), "x": FeedSettings(kind="ccxt:gate")})
    )


def test_venue_without_code_for_orders_is_refused() -> None:
    from core.model.settings import VenueSettings

    with pytest.raises(ConfigError, match=r"venues\.mtgox: no such venue"):
        check_modes(Settings(venues={"mtgox": VenueSettings()}))


@pytest.mark.parametrize(
    ("kind", "name", "words"),
    [
        ("accounts", "binanec", r"risk\.accounts\.binanec: .*did you mean 'binance'"),
        ("venues", "okxx", r"risk\.venues\.okxx: there is none of this name.*known: binance"),
        ("strategies", "rsu", r"risk\.strategies\.rsu: .*did you mean 'rsi'"),
        ("instruments", "BTC-USDT.binanec", r"no feed 'binanec' is set up.*'binance'"),
        ("instruments", "BTC", r"risk\.instruments\.BTC: "),
    ],
)
def test_limits_of_what_is_not_set_up_are_refused(kind: str, name: str, words: str) -> None:
    from core.model.settings import LimitSettings, RiskSettings

    risk = RiskSettings.model_validate({kind: {name: LimitSettings()}})
    with pytest.raises(ConfigError, match=words):
        check_modes(Settings(risk=risk))


def test_a_watchlist_of_venues_without_a_feed_is_told() -> None:
    engine = {"watchlist": ["BTC-USDT.okex", "ETH-USDT.okex", "BTC-USDT.okx", "plain"]}
    settings = Settings.model_validate({"engine": engine, "feeds": {"okx": {}}})
    okex, plain = unfed(settings)
    assert okex.startswith("BTC-USDT.okex and 1 more on the watchlist: no feed is called 'okex'")
    assert "did you mean 'okx'?" in okex
    assert plain.startswith("plain on the watchlist: no feed is called 'plain'")
    assert unfed(Settings()) == []
