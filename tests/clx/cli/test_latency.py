from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from clx.cli.latency import latency, measured
from store.paths import find_paths
from store.roundtrips import RoundTripStore

MS = 1_000_000


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("CLX_HOME", str(tmp_path))
    path = find_paths().round_trips
    path.parent.mkdir(parents=True)
    return path


def test_without_a_measurement_it_says_where_they_come_from(home: Path) -> None:
    result = CliRunner().invoke(latency, [], standalone_mode=False)
    assert "no round trip was measured yet" in result.output


def test_shows_quantiles_and_a_histogram_of_each_venue_and_kind(home: Path) -> None:
    store = RoundTripStore(home)
    for ms in range(1, 101):
        store.add("binance", "order", ms * MS)
    store.add("okx", "cancel", 5 * MS)
    store.write(store.image())
    result = CliRunner().invoke(latency, [], standalone_mode=False)
    first, bars, second, _ = result.output.splitlines()
    assert "median 51 ms   p90 91   p99 100" in first
    assert "█" in bars
    assert "okx" in second
    result = CliRunner().invoke(
        latency, ["--venue", "okx", "--format", "json"], standalone_mode=False
    )
    (row,) = json.loads(result.output)
    assert (row["venue"], row["kind"], row["count"], row["median"]) == ("okx", "cancel", 1, 5.0)


def test_every_round_trip_is_in_a_bin() -> None:
    found = measured("x", "order", [MS, 2 * MS, 4 * MS, 1024 * MS])
    assert sum(found.bins) == 4
    assert (found.bins[0], found.bins[-1]) == (1, 1)
    assert sum(measured("x", "order", [MS, MS]).bins) == 2
