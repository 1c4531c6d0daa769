"""Every recorded capture, replayed through the product's own feed code, ends as computed apart."""

from __future__ import annotations

import asyncio
import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from core.backtest.replay import replay
from core.engine.clock import SystemClock

CAPTURES = [
    "binance_spot/capture_btcusdt_20240808",
    "binance_spot/capture_mixed10_20210405",
    "binance_spot/capture_mixed_20211012",
    "binance_usdm/capture_btcusdt_20240808",
    "binance_usdm/capture_mixed_20210722",
    "bybit_v5/capture_linear_20260809",
    "coinbase_advanced/capture_btc_eth_20260809_first_half",
    "coinbase_exchange/capture_level2_20210417_a",
    "deribit/capture_options_20210417",
    "deribit/capture_options_20210722",
    "deribit/rest_instruments_SOL_USDC",
    "kucoin/capture_level2_20210425_a",
    "okx/capture_books_20220513",
    "okx/capture_tbt10_20210722",
]
"""All but those the project does not speak: kraken_v1, kraken_futures, binance_coinm, legacy."""

LAST_ID = ("last_update_id", "last_change_id", "last_sequence", "last_u")
NO_GAPS = ("n_gaps", "change_id_gaps", "sequence_gaps", "n_u_gaps")


def run(path: Path, venue: str) -> dict[str, Any]:
    report = asyncio.run(replay(path, venue=venue, clock=SystemClock(), sleep=asyncio.sleep))
    found: dict[str, Any] = json.loads(report.to_json())
    return found


def decimals(side: list[list[str]]) -> list[list[Decimal]]:
    return [[Decimal(value) for value in level] for level in side]


@pytest.mark.slow
@pytest.mark.parametrize("name", CAPTURES)
def test_capture_ends_with_the_expected_books_counts_and_checks(name: str, recorded: Path) -> None:
    expected = json.loads((recorded / f"{name}.expected.json").read_text())
    found = run(recorded / f"{name}.jsonl.zst", name.partition("/")[0])
    assert found["rejected"] == []
    assert found["frames"] == expected["lines"]
    counts = expected.get("counts") or expected["counts (per event)"]
    assert found["events"] == counts
    assert found["checksums"]["ok"] == expected.get("checksum_ok", 0)
    assert found["checksums"]["bad"] == expected.get("checksum_bad", 0)
    gaps = [gap for item in found["instruments"].values() for gap in item["gaps"]]
    assert len(gaps) == next((expected[key] for key in NO_GAPS if key in expected), 0)
    for symbol, book in expected.get("books", {}).items():
        mine = found["instruments"][symbol.rpartition(".")[2] or symbol]
        assert decimals(mine["bids"]) == decimals(book["bids"]), symbol
        assert decimals(mine["asks"]) == decimals(book["asks"]), symbol
        assert (mine["n_bids"], mine["n_asks"]) == (book["n_bids"], book["n_asks"]), symbol
        assert mine["crossed"] is book.get("crossed_at_end", False)
        last_id = next((book[key] for key in LAST_ID if key in book), None)
        if last_id is not None:
            assert mine["last_id"] == last_id
