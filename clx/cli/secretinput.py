"""Reads secrets from a person or from stdin, never from the command line."""

from __future__ import annotations

import getpass
import json
import os
from collections.abc import Callable
from typing import Final, TextIO

from core.model.errors import ConfigError
from core.model.wording import counted

_NAMES: Final = {
    "key": ("key", "api_key", "apiKey", "name", "client_id"),
    "secret": ("secret", "api_secret", "apiSecret", "privateKey", "client_secret"),
    "passphrase": ("passphrase", "password"),
}
"""What venues call the parts in the files they give."""
_MOST: Final = 1 << 16


def read_secrets(venue: str, *, passphrase: bool, stdin: TextIO) -> tuple[str, str, str]:
    """Return key, secret and passphrase ("" where the venue has none).

    On a terminal they are asked for without being shown; else all of stdin is read: a JSON object,
    or a line for each part.

    Raises:
        ConfigError: A part is missing; what was read is never shown.
    """
    if stdin.isatty():
        key = getpass.getpass(f"{venue} key: ").strip()
        secret = getpass.getpass(f"{venue} secret: ").strip()
        third = getpass.getpass(f"{venue} passphrase: ") if passphrase else ""
    else:
        key, secret, third = _parts(stdin.read(_MOST))
    for name, value in (("key", key), ("secret", secret)):
        if not value:
            raise ConfigError(f"no {name} was given: type it, or give it on stdin, one part a line")
    if passphrase and not third:
        raise ConfigError(f"keys of {venue} have a passphrase as well: give it as the third part")
    return key, secret, third


def prompt_for_passphrase() -> Callable[[bool], str] | None:
    """Return what asks for the passphrase of the key file, None where nobody sits at a terminal.

    The terminal itself is asked, for stdin may hold the keys.
    """
    try:
        os.close(os.open("/dev/tty", os.O_RDWR | os.O_NOCTTY))
    except OSError:
        return None

    def ask(new: bool) -> str:
        if not new:
            return getpass.getpass("passphrase of the key file: ")
        first = getpass.getpass("a new passphrase for the key file: ")
        if getpass.getpass("the same again: ") != first:
            raise ConfigError("the two passphrases were not the same; nothing was kept")
        return first

    return ask


def _parts(text: str) -> tuple[str, str, str]:
    if text.lstrip().startswith("{"):
        return _of_json(text)
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    if len(lines) > 3 and "-----BEGIN" in lines[1]:
        # A private key in its usual form, after the key's name.
        return lines[0], "\n".join(lines[1:]), ""
    if len(lines) > 3:
        raise ConfigError(
            f"stdin must hold key, secret and passphrase, was {counted(len(lines), 'line')}"
        )
    key, secret, passphrase, *_ = (*lines, "", "", "")
    return key, secret, passphrase


def _of_json(text: str) -> tuple[str, str, str]:
    try:
        tree = json.loads(text)
    except ValueError:
        raise ConfigError("stdin begins like JSON and is none") from None
    found = []
    for names in _NAMES.values():
        value = next((tree[name] for name in names if isinstance(tree.get(name), str)), "")
        found.append(value.strip())
    key, secret, passphrase = found
    return key, secret, passphrase
