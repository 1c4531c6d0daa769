"""Takes the text of live secrets out of whatever is about to leave the process.

One `Redactor` is told every secret as it is opened, and stands at every exit: log, journal, tape,
audit log, link, tracebacks. It is the second line: the first is that nobody but a venue's connector
is given a secret.
"""

from __future__ import annotations

import base64
from collections.abc import Iterable
from typing import Final
from urllib.parse import quote

SHORTEST: Final = 6
"""Secrets of fewer characters are refused when they are stored: taking them out would take half of
every log with them."""
STARS: Final = "***"
_STRONG: Final = 12
_LINE: Final = 16


class Redactor:
    """Replaces every form in which a known secret is written.

    A secret is also found as it stands in JSON, in a URL, in base64 and in Python's `repr`, and a
    key of several lines by each of its lines.
    """

    def __init__(self) -> None:
        self._words: tuple[str, ...] = ()
        self._needles: tuple[bytes, ...] = ()

    def __repr__(self) -> str:
        return f"Redactor({len(self._words)} forms)"

    def learn(self, *secrets: str) -> None:
        """Take these out from now on; empty ones and those too short to be secrets are ignored."""
        words = set(self._words)
        for secret in secrets:
            if len(secret) >= SHORTEST:
                words |= set(_forms(secret))
        # The longest first, so that a secret that holds another leaves no remainder.
        self._words = tuple(sorted(words, key=lambda word: (-len(word), word)))
        self._needles = tuple(word.encode() for word in self._words if _strong(word))

    def text(self, text: str) -> str:
        """Return text for people, with stars in place of secrets."""
        for word in self._words:
            if word in text:
                text = text.replace(word, STARS)
        return text

    def data(self, data: bytes) -> bytes:
        """Return bytes of the same length with stars in place of secrets.

        The length stays, so msgpack and JSON stay what they are. Only what can be nothing but a
        secret is replaced: a passphrase that is also the name of an instrument must not change a
        record of money.
        """
        for needle in self._needles:
            if needle in data:
                data = data.replace(needle, b"*" * len(needle))
        return data


def _strong(word: str) -> bool:
    return (
        len(word) >= _STRONG
        and any(letter.isdigit() for letter in word)
        and any(letter.isalpha() for letter in word)
    )


def _forms(secret: str) -> Iterable[str]:
    import json  # the faces learn no secret, and start without it

    for part in (secret, *_lines(secret)):
        yield part
        yield json.dumps(part)[1:-1]
        yield json.dumps(part, ensure_ascii=False)[1:-1]
        yield repr(part)[1:-1]
        yield quote(part, safe="")
        yield quote(part)
        if len(part) >= _STRONG:
            yield base64.b64encode(part.encode()).decode()


def _lines(secret: str) -> list[str]:
    """Return the lines of a key in PEM form that are of the key itself."""
    # Keys are also handed around on one line with the two characters \n.
    lines = [line.strip() for line in secret.replace("\\n", "\n").splitlines()]
    if len(lines) < 2:
        return []
    return [line for line in lines if len(line) >= _LINE and not line.startswith("-----")]
