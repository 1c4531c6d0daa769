from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from clx.cli.tape import cut

FRAME = (
    '{"t":"recv","ts_ns":%d,"msg":{"stream":"btcusdt@trade","data":{"e":"trade","E":1700000000000,'
    '"s":"BTCUSDT","t":%d,"p":"100.5","q":"2","T":1700000000000,"m":true,"M":true}}}\n'
)


@pytest.mark.parametrize(("venue", "warned"), [("okx", True), ("binance", False), ("", False)])
def test_cut_warns_of_frames_that_look_like_another_venues(
    tmp_path: Path, venue: str, warned: bool
) -> None:
    tape, into = tmp_path / "tape.jsonl", tmp_path / "cut.jsonl"
    start_ns = 1_700_000_000 * 10**9
    tape.write_text("".join(FRAME % (start_ns + at * 10**9, at + 1) for at in range(5)))
    args = [str(tape), str(into), "--since", "2023-11-14T22:13", "--until", "2023-11-14T22:14"]
    told = CliRunner().invoke(cut, [*args, "--venue", venue] if venue else args)
    assert told.exit_code == 0, told.output
    assert ("the frames look like binance's: read as okx's" in told.output) is warned
    assert "5 frames in" in told.output
