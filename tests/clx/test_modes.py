"""Settings that only together are wrong are refused before anything is opened."""

from __future__ import annotations

import pytest

from clx.modes import check_modes
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

    with pytest.raises(ConfigError, match=r"venues\.okx: no such venue"):
        check_modes(Settings(venues={"okx": VenueSettings()}))
