"""The simulated market's process, as SIM mode and the verbs about data start it."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from clx.sim import await_emulator, emulator_log, start_emulator
from core.model.errors import TemporaryError
from core.model.settings import EmulatorSettings
from store.paths import find_paths


def test_a_home_that_is_not_there_yet_is_made_and_an_end_at_once_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    paths = find_paths({"CLX_HOME": str(tmp_path / "new" / "home")})
    ends = tmp_path / "ends"
    ends.write_text("#!/bin/sh\necho no market today\nexit 1\n")
    ends.chmod(0o700)
    monkeypatch.setattr(sys, "executable", str(ends))
    process = start_emulator(EmulatorSettings(), paths)
    assert process is not None
    with pytest.raises(TemporaryError, match="the emulator stopped at once: no market today"):
        await_emulator(process, paths)
    assert emulator_log(paths).stat().st_mode & 0o777 == 0o600
