"""What a model file says about itself, and the seal that shows it is whole."""

from __future__ import annotations

import hashlib
import re
from typing import Final

import msgspec

from core.model.errors import DataError
from core.model.market import Timeframe

CARD_KEY: Final = "clx.card"
SEAL_KEY: Final = "clx.file_sha256"
FORMAT: Final = 1
_BLANK: Final = b"0" * 64
# In the file: the key's text, a tag and a length of the value, then the value.
_SEAL: Final = re.compile(rb"clx\.file_sha256.{1,4}?([0-9a-f]{64})", re.DOTALL)


class Card(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The metadata of a model, kept as JSON under ``clx.card`` in the ONNX file."""

    format: int
    id: str
    title: str
    timeframe: Timeframe
    horizon_bars: int
    features: tuple[str, ...]
    schema_sha256: str
    """Of the feature rows it was trained on; other rows are refused."""
    target: str
    trained_on: str
    train_range: tuple[str, str]
    """First and last bar, ISO 8601 UTC."""
    data_kind: str
    """``simulated`` or ``recorded``."""
    data_sha256: str
    seed: int
    metrics: dict[str, float]
    """Walk-forward, out of sample, each beside its base rate."""
    golden_in: list[list[float | None]]
    """Rows to try the file with; None is NaN."""
    golden_out: list[list[float | None]]
    """Per row: p_up, low, median and high return, valid."""


def seal(file: bytes) -> bytes:
    """Return a file whose seal is the hash of its bytes, the seal itself taken as zeros.

    Raises:
        DataError: The file has no place for a seal, or several.
    """
    start, end = _seal_span(file)
    blank = file[:start] + _BLANK + file[end:]
    return blank[:start] + hashlib.sha256(blank).hexdigest().encode() + blank[end:]


def check_seal(file: bytes) -> None:
    """Check that no byte changed since `seal`.

    Raises:
        DataError: It is no file of ours, or it was changed or damaged.
    """
    start, end = _seal_span(file)
    blank = file[:start] + _BLANK + file[end:]
    if hashlib.sha256(blank).hexdigest().encode() != file[start:end]:
        raise DataError("its bytes do not match its seal: damaged or changed")


def _seal_span(file: bytes) -> tuple[int, int]:
    found = [match.span(1) for match in _SEAL.finditer(file)]
    if len(found) != 1:
        raise DataError(f"it must carry one {SEAL_KEY}, it has {len(found)}: not a clx model")
    return found[0]
