"""Which file a model's name stands for, and its predictor."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import TYPE_CHECKING

from core.ai.session import OnnxPredictor
from core.model.errors import ConfigError, DataError, did_you_mean
from core.model.ids import InstrumentId, ModelId

if TYPE_CHECKING:
    from core.model.settings import ModelSettings


def shipped() -> dict[str, Path]:
    """Return the models that come with clx, by name."""
    return {path.stem: path for path in sorted((Path(__file__).parent / "models").glob("*.onnx"))}


def load_predictor(
    model_id: str, settings: ModelSettings, instruments: Collection[InstrumentId] = ()
) -> OnnxPredictor:
    """Return a model ready to predict; `instruments` are prepared, others made room for later.

    Raises:
        ConfigError: There is no such model or file.
        DataError: The file is refused; says why. The engine goes on without it.
    """
    if settings.path:
        path = Path(settings.path).expanduser()
    else:
        known = shipped()
        if model_id not in known:
            raise ConfigError(
                f"no model {model_id!r} comes with clx{did_you_mean(model_id, known)}"
                f" (models.{model_id}.path names a file of yours)"
            )
        path = known[model_id]
    try:
        return OnnxPredictor(ModelId(model_id), path, instruments)
    except DataError as error:
        raise DataError(f"model {model_id} ({path.name}): {error}") from None


def model_card(model_id: str) -> str | None:
    """Return the card of a model that comes with clx, as markdown, or None if there is none."""
    path = shipped().get(model_id)
    card = path.with_suffix(".md") if path is not None else None
    return card.read_text() if card is not None and card.is_file() else None
