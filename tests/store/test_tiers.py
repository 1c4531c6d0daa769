from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest

from core.model.ids import InstrumentId
from core.model.tiers import MarginTiers, Tier
from store.tiers import TierStore

TABLE = MarginTiers(
    instrument_id=InstrumentId("X.x"),
    measure="contracts",
    tiers=(
        Tier(up_to=Decimal("1E+3"), rate=Decimal("0.004"), max_leverage=Decimal(125)),
        Tier(up_to=None, rate=Decimal("0.05"), deduction=Decimal("1.5")),
    ),
    growth=Decimal("0.00005"),
    said="x",
    ts_ns=7,
)


def test_tables_are_read_as_they_were_written(tmp_path: Path) -> None:
    store = TierStore(tmp_path / "tiers.json")
    assert store.read() == []
    store.write([TABLE])
    assert store.read() == [TABLE]


@pytest.mark.parametrize(
    "text", ["", "{}", '{"version":1,"tables":[{"instrument_id":"X.x","tiers":[]}]}',
             '{"version":1,"tables":[{"instrument_id":"X.x","measure":"worth","tiers":[],"said":""'
             "}]}"],
)  # fmt: skip
def test_a_file_that_makes_no_sense_is_left_out_with_a_warning(
    tmp_path: Path, text: str, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "tiers.json"
    path.write_text(text)
    assert TierStore(path).read() == []
    assert "margin tiers are left out" in caplog.text


def test_a_disk_that_refuses_is_told_in_the_log(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    TierStore(tmp_path / "none" / "tiers.json").write([TABLE])
    assert "cannot be written" in caplog.text
