from __future__ import annotations

import logging
from pathlib import Path

import pytest

from store.roundtrips import MOST, RoundTripStore


def test_what_was_added_is_there_after_a_restart(tmp_path: Path) -> None:
    path = tmp_path / "roundtrips.json"
    store = RoundTripStore(path)
    assert store.venues() == []
    for ns in range(MOST + 5):
        store.add("binance", "order", ns)
    store.add("okx", "cancel", 7)
    assert store.changed
    store.write(store.image())
    assert not store.changed
    again = RoundTripStore(path)
    assert again.venues() == ["binance", "okx"]
    # The oldest gave way.
    assert again.of("binance") == {"order": list(range(5, MOST + 5))}
    assert again.of("okx") == {"cancel": [7]}
    assert again.of("kraken") == {}


@pytest.mark.parametrize(
    "content", [b"{", b'{"version":1,"venues":{"a":{"order":["x"]}}}', b"\xff"]
)
def test_file_that_cannot_be_read_is_begun_anew_with_a_warning(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, content: bytes
) -> None:
    path = tmp_path / "roundtrips.json"
    path.write_bytes(content)
    with caplog.at_level(logging.WARNING):
        store = RoundTripStore(path)
    assert "is begun anew" in caplog.text
    store.add("okx", "order", 1)
    store.write(store.image())
    assert RoundTripStore(path).of("okx") == {"order": [1]}


def test_disk_that_refuses_is_told_and_tried_again(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    store = RoundTripStore(tmp_path / "gone" / "roundtrips.json")
    store.add("okx", "order", 1)
    with caplog.at_level(logging.WARNING):
        store.write(store.image())
    assert "cannot be written" in caplog.text
    assert store.changed
