from __future__ import annotations

import errno
import sys

import click
import pytest

from clx.cli.exits import Exit, run


def test_reader_that_went_away_is_no_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    @click.command()
    def verb() -> None:
        raise BrokenPipeError(errno.EPIPE, "Broken pipe")

    for name in ("stdout", "stderr"):
        monkeypatch.setattr(sys, name, getattr(sys, name))  # click wraps both
    monkeypatch.setattr(sys, "argv", ["clx"])
    assert run(verb) is Exit.OK
