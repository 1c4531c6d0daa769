from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest

from clx.compose import (
    KEPT_MARKETS,
    Assembly,
    _keep_watched,
    _restore_groups,
    check_modes,
)
from clx.sim import EmulatorAddress
from core.engine.engine import Engine
from core.engine.groups import Groups
from core.model.errors import ConfigError
from core.model.ids import InstrumentId
from core.model.settings import Settings
from core.model.views import InstrumentsChanged, WatchGroup
from store.paths import Paths, find_paths
from store.watchlist import Watched, load_watched


@pytest.fixture
def paths(tmp_path: Path) -> Paths:
    return find_paths({"CLX_HOME": str(tmp_path)})


def settings(**tables: object) -> Settings:
    return Settings.model_validate(tables)


def test_live_mode_alone_is_refused_and_says_what_else_it_needs() -> None:
    with pytest.raises(ConfigError, match=r"set trading\.live = true"):
        check_modes(settings(mode="live"))


def test_live_mode_without_keys_is_refused_and_says_how_to_add_them() -> None:
    with pytest.raises(ConfigError, match=r"`clx keys add` one .* venues\.binance\.account"):
        check_modes(settings(mode="live", trading={"live": True}))


def test_an_unknown_venue_is_refused_with_the_nearest() -> None:
    with pytest.raises(
        ConfigError, match=r"feeds\.binanse: unknown venue .* did you mean 'binance'"
    ):
        check_modes(settings(feeds={"binanse": {}}))


def emulator(key: str) -> EmulatorAddress:
    return EmulatorAddress(
        pid=1,
        port=9,
        api_key=key,
        api_secret="hidden",
        rest_url="http://127.0.0.1:9",
        stream_url="ws://127.0.0.1:9",
        ws_api_url="ws://127.0.0.1:9/ws-api/v3",
    )


def test_each_simulated_market_has_its_own_journal_and_old_ones_go(paths: Paths) -> None:
    paths.data.mkdir(parents=True)
    for key in "abcdefgh":
        Assembly(settings(), paths, emulator(key)).journal().close()
    again = Assembly(settings(), paths, emulator("h"))
    again.journal().close()
    assert len(list(paths.data.glob("journal-sim-*.sqlite"))) == KEPT_MARKETS
    assert not (paths.data / "journal-sim.sqlite").exists()


def test_sim_mode_points_feed_and_venue_at_the_emulator_and_keeps_the_rest(paths: Paths) -> None:
    chosen = settings(feeds={"binance": {"snapshot_levels": 100}})
    assembly = Assembly(chosen, paths, emulator("key"))
    made = assembly.settings
    assert made.feeds["binance"].rest_url == "http://127.0.0.1:9"
    assert made.feeds["binance"].snapshot_levels == 100
    assert made.venues["binance"].rest_url == "http://127.0.0.1:9"
    assert set(assembly.venues(lambda: pytest.fail("not asked"))) == {"binance"}
    assert "hidden" not in repr(made) + repr(emulator("key"))


def test_a_kept_watchlist_wins_over_the_settings(paths: Paths) -> None:
    paths.data.mkdir(parents=True)
    paths.watchlist.write_text('["ETH-USDT.binance"]')
    assert Assembly(settings(), paths, None).settings.engine.watchlist == ("ETH-USDT.binance",)


def test_a_strategy_file_named_relatively_lies_beside_the_settings(paths: Paths) -> None:
    chosen = settings(strategies={"mine": {"kind": "mine.py"}})
    factory = Assembly(chosen, paths, None).strategies()
    with pytest.raises(ConfigError, match=str(paths.config / "mine.py")):
        next(iter(factory.values()))()


def test_groups_are_kept_as_they_change_and_restored_to_the_next_engine(paths: Paths) -> None:
    paths.data.mkdir(parents=True)
    bitcoin = InstrumentId("BTC-USDT.binance")
    groups = (WatchGroup(name="majors", instruments=(bitcoin,)), WatchGroup(name="alts"))
    fact = InstrumentsChanged(instruments=(), watchlist=(bitcoin,), groups=groups)
    _keep_watched(paths, (), 1, fact)
    assert load_watched(paths.watchlist) == Watched((bitcoin,), groups)
    kernel = SimpleNamespace(groups=Groups())
    _restore_groups(cast("Engine", SimpleNamespace(kernel=kernel)), paths)
    assert kernel.groups.views() == groups


def test_a_watchlist_nobody_changed_is_not_written(paths: Paths) -> None:
    paths.data.mkdir(parents=True)
    bitcoin = InstrumentId("BTC-USDT.binance")
    _keep_watched(paths, (bitcoin,), 1, InstrumentsChanged(instruments=(), watchlist=(bitcoin,)))
    assert not paths.watchlist.exists()


def live(**table: object) -> Settings:
    own = {"api_key": "k" * 20, "api_secret": "s" * 20}
    return settings(
        mode="live",
        trading={"live": True},
        keys={"store": "file"},
        venues={"perps": {"kind": "binance_usdm"} | own | table},
    )


def test_live_orders_by_untested_keys_are_refused_before_anything_is_built(paths: Paths) -> None:
    assembly = Assembly(live(), paths, None)
    with pytest.raises(ConfigError, match=r"venues\.perps has keys of its own.*never tested"):
        assembly.venues(lambda: pytest.fail("not asked"))


@pytest.mark.parametrize(
    "table",
    [
        {"environment": "demo"},
        {"environment": "testnet"},
        {"rest_url": "http://127.0.0.1:9", "ws_api_url": "ws://127.0.0.1:9"},
    ],
)
def test_play_money_needs_no_tested_key(paths: Paths, table: dict[str, object]) -> None:
    made = Assembly(live(**table), paths, None).venues(lambda: pytest.fail("not asked"))
    assert made.keys() == {"perps"}
