import os
from pathlib import Path

import pytest

from core.model.errors import ConfigError
from store.secrets.passphrase import PassphraseSource

KEYS = Path("/home/me/keys.sealed")


def _file(path: Path, text: str, mode: int = 0o600) -> Path:
    path.write_text(text)
    path.chmod(mode)
    return path


def test_a_named_file_is_read_without_its_line_end(tmp_path: Path) -> None:
    file = _file(tmp_path / "phrase", "correct horse \n")
    source = PassphraseSource(env={"CLX_PASSPHRASE_FILE": str(file)})
    assert source.read(KEYS, new=False) == "correct horse "


def test_a_named_file_open_to_others_is_refused_with_the_remedy(tmp_path: Path) -> None:
    file = _file(tmp_path / "phrase", "correct horse", 0o644)
    source = PassphraseSource(env={"CLX_PASSPHRASE_FILE": str(file)})
    with pytest.raises(ConfigError, match=r"was mode 0644; run chmod 600 .* others may have read"):
        source.read(KEYS, new=False)


def test_a_named_file_that_is_missing_is_said_and_nobody_is_asked(tmp_path: Path) -> None:
    source = PassphraseSource(
        lambda _: pytest.fail("asked"), env={"CLX_PASSPHRASE_FILE": str(tmp_path / "none")}
    )
    with pytest.raises(ConfigError, match=r"CLX_PASSPHRASE_FILE: .*none cannot be read: No such"):
        source.read(KEYS, new=False)


def test_a_systemd_credential_is_found(tmp_path: Path) -> None:
    _file(tmp_path / "clx-passphrase", "from systemd\n", 0o440)
    source = PassphraseSource(env={"CREDENTIALS_DIRECTORY": str(tmp_path)})
    assert source.read(KEYS, new=False) == "from systemd"


def test_a_pipe_serves_as_a_file() -> None:
    ours, theirs = os.pipe()
    os.write(theirs, b"through a pipe\n")
    os.close(theirs)
    source = PassphraseSource(env={"CLX_PASSPHRASE_FILE": f"/dev/fd/{ours}"})
    assert source.read(KEYS, new=False) == "through a pipe"
    os.close(ours)


def test_a_person_is_asked_last_and_told_whether_it_is_a_new_one() -> None:
    asked: list[bool] = []

    def ask(new: bool) -> str:
        asked.append(new)
        return "typed by hand"

    source = PassphraseSource(ask, env={})
    assert source.read(KEYS, new=True) == "typed by hand"
    assert source.read(KEYS, new=False) == "typed by hand"
    assert asked == [True, False]


def test_with_nobody_to_ask_every_way_is_named() -> None:
    with pytest.raises(ConfigError) as refused:
        PassphraseSource(env={}).read(KEYS, new=False)
    for way in ("CLX_PASSPHRASE_FILE", "LoadCredential=clx-passphrase", "clx daemon start"):
        assert way in str(refused.value)


def test_an_empty_passphrase_is_none(tmp_path: Path) -> None:
    file = _file(tmp_path / "phrase", "\n")
    with pytest.raises(ConfigError, match="must not be empty"):
        PassphraseSource(env={"CLX_PASSPHRASE_FILE": str(file)}).read(KEYS, new=False)


def test_a_wrong_kind_of_file_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "phrase"
    file.write_bytes(b"\xff\xfe" * 10)
    file.chmod(0o600)
    with pytest.raises(ConfigError, match="must be UTF-8 text"):
        PassphraseSource(env={"CLX_PASSPHRASE_FILE": str(file)}).read(KEYS, new=False)
    file.write_bytes(b"x" * 5000)
    with pytest.raises(ConfigError, match="at most 4096 bytes; is it the right file"):
        PassphraseSource(env={"CLX_PASSPHRASE_FILE": str(file)}).read(KEYS, new=False)
