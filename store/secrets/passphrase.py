"""Where the passphrase of the encrypted file comes from; never from the command line.

::

    CLX_PASSPHRASE_FILE  ─►  $CREDENTIALS_DIRECTORY/clx-passphrase (systemd)  ─►  a prompt
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from core.model.errors import ConfigError

VARIABLE: Final = "CLX_PASSPHRASE_FILE"
CREDENTIAL: Final = "clx-passphrase"
SHORTEST: Final = 8
_MOST: Final = 4096

Prompt = Callable[[bool], str]
"""Asks a person; told whether the passphrase is a new one, which is asked for twice."""


class PassphraseSource:
    """Finds the passphrase each time it is asked; a vault remembers it while it lives."""

    def __init__(self, prompt: Prompt | None = None, env: Mapping[str, str] = os.environ) -> None:
        self._prompt = prompt
        self._env = env

    def __repr__(self) -> str:
        return "PassphraseSource()"

    def read(self, path: Path, *, new: bool) -> str:
        """Return the passphrase for a key file.

        Args:
            path: The key file, for messages.
            new: The file is about to be made.

        Raises:
            ConfigError: There is none, its file is open to others or unreadable, or it is too
                short for a new file.
        """
        text = self._find(path, new=new)
        if new and len(text) < SHORTEST:
            raise ConfigError(
                f"the passphrase for {path} must be at least {SHORTEST} characters, was {len(text)}"
            )
        if not text:
            raise ConfigError(f"the passphrase for {path} must not be empty")
        return text

    def _find(self, path: Path, *, new: bool) -> str:
        if file := self._env.get(VARIABLE):
            return _from_file(Path(file).expanduser(), VARIABLE, private=True)
        if folder := self._env.get("CREDENTIALS_DIRECTORY"):
            credential = Path(folder) / CREDENTIAL
            if credential.exists():
                # systemd guards the folder; the files in it may carry access lists.
                return _from_file(credential, "the systemd credential", private=False)
        if self._prompt is not None:
            return self._prompt(new)
        raise ConfigError(
            f"{path} is encrypted and there is nobody to ask for its passphrase: set {VARIABLE} to "
            f"a file (mode 0600) that holds it, give a systemd unit LoadCredential={CREDENTIAL}:"
            "FILE, or run `clx daemon start` in a terminal"
        )


def _from_file(path: Path, source: str, *, private: bool) -> str:
    try:
        with path.open("rb") as file:
            facts = os.fstat(file.fileno())
            if private and stat.S_ISREG(facts.st_mode):
                _refuse_open_to_others(path, facts)
            text = file.read(_MOST + 1)
    except OSError as error:
        raise ConfigError(f"{source}: {path} cannot be read: {error.strerror}") from None
    if len(text) > _MOST:
        raise ConfigError(
            f"{source}: {path} must hold at most {_MOST} bytes; is it the right file?"
        )
    try:
        return text.decode().removesuffix("\n").removesuffix("\r")
    except UnicodeDecodeError:
        raise ConfigError(f"{source}: {path} must be UTF-8 text") from None


def _refuse_open_to_others(path: Path, facts: os.stat_result) -> None:
    if facts.st_uid not in {os.getuid(), 0}:
        raise ConfigError(f"{path} must be yours (uid {os.getuid()}), was uid {facts.st_uid}'s")
    if facts.st_mode & 0o077:
        raise ConfigError(
            f"{path} must be readable by you alone, was mode {facts.st_mode & 0o777:04o}; run "
            f"chmod 600 {path}, and change what it protects if others may have read it"
        )
