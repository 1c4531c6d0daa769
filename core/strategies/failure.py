"""Words for what a strategy's code raised: what, and the last line of its own it passed."""

from __future__ import annotations

import traceback
from pathlib import Path
from typing import Final

_WORDS: Final = 400
"""Characters kept of an error's own words."""


def failure(error: BaseException, source: str) -> str:
    """Return ``ValueError: words (file, line 12, in on_bar)``.

    `source` is the strategy's file; the last line of it on the way to the error is named.
    """
    if isinstance(error, SyntaxError) and error.filename is not None:
        return f"{type(error).__name__}: {error.msg} ({error.filename}, line {error.lineno})"
    words = str(error)[:_WORDS]
    text = f"{type(error).__name__}: {words}" if words else type(error).__name__
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if Path(frame.filename) == Path(source)]
    if not own:
        return text
    return f"{text} ({own[-1].filename}, line {own[-1].lineno}, in {own[-1].name})"
