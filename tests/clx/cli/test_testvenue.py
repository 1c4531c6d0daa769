from __future__ import annotations

import json

from click.testing import CliRunner

from clx.cli.verbs import cli


def test_a_venue_that_passes_says_so_case_by_case() -> None:
    done = CliRunner().invoke(cli, ["test-venue", "binance", "--case", "rests", "--fault", "lost"])
    assert done.exit_code == 0, done.output
    assert "rests and is cancelled" in done.output
    assert "2 of 2 runs passed" in done.output


def test_outcomes_come_as_json() -> None:
    words = ["test-venue", "binance", "--case", "funding", "--fault", "nothing"]
    done = CliRunner().invoke(cli, [*words, "--format", "json"])
    (row,) = json.loads(done.stdout)
    assert (row["result"], row["fault"]) == ("not for this venue", "")


def test_a_case_nobody_knows_is_no_pass() -> None:
    done = CliRunner().invoke(cli, ["test-venue", "binance", "--case", "no such case"])
    assert done.exit_code == 1
