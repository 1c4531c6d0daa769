"""One ONNX model behind the predictor port: it proves itself when loaded, or is refused."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Collection
from pathlib import Path
from typing import Final, Protocol

import msgspec
import numpy as np
import numpy.typing as npt

from core.ai.card import CARD_KEY, FORMAT, Card, check_seal
from core.ai.features import COLUMNS, FEATURES, WARMUP, FeatureState, schema_sha256
from core.model.errors import ConfigError, DataError
from core.model.ids import InstrumentId, ModelId
from core.model.market import Bar
from core.model.signals import ModelInfo, Prediction

F32 = npt.NDArray[np.float32]
MAX_FILE: Final = 64 << 20
_OUTPUTS: Final = ["p_up", "quantiles", "valid"]
_TOLERANCE: Final = 1e-4


class _Session(Protocol):
    def run(self, output_names: list[str], feeds: dict[str, F32]) -> list[F32]: ...


class _History:
    """One instrument's features, and one bar back, for a bar that is revised."""

    def __init__(self) -> None:
        self.state = FeatureState()
        self.before = self.state.cells.copy()
        self.ts_open_ns = -1
        self.bars = 0


class OnnxPredictor:
    """Predicts from each closed bar of the model's timeframe; keeps features per instrument.

    Raises:
        ConfigError: The file cannot be read, or is of another model.
        DataError: The file is damaged, was made for other features, or does not compute what it
            did when it was made.
    """

    info: ModelInfo

    def __init__(
        self, model_id: ModelId, path: Path, instruments: Collection[InstrumentId] = ()
    ) -> None:
        file = _read(path)
        check_seal(file)
        self._session, card = _open(file)
        if card.schema_sha256 != schema_sha256():
            raise DataError(
                f"made for features {card.schema_sha256[:12]}, this clx computes"
                f" {schema_sha256()[:12]}; train it again"
            )
        self._check_golden(card)
        self._card = card
        self._sqrt_horizon = math.sqrt(card.horizon_bars)
        self._histories = {name: _History() for name in instruments}
        self._input: F32 = np.zeros((1, COLUMNS), np.float32)
        self.info = ModelInfo(
            id=model_id,
            version=hashlib.sha256(file).hexdigest()[:12],
            title=card.title,
            timeframe=card.timeframe,
            horizon_bars=card.horizon_bars,
            features=card.features,
            schema_sha256=card.schema_sha256,
            trained_on=card.trained_on,
            metrics=card.metrics,
        )

    def on_bar(
        self, bar: Bar, ohlcv: tuple[float, float, float, float, float], ts_ns: int
    ) -> Prediction | None:
        """Take the next closed bar; a revision of the newest one replaces it.

        Returns None while warming up, for other timeframes, and for bars of the past. A bar with
        a figure no price can be gives a prediction that is not valid, and is forgotten.
        """
        if bar.timeframe is not self.info.timeframe:
            return None
        history = self._histories.get(bar.instrument_id)
        if history is None:
            history = self._histories[bar.instrument_id] = _History()
        if bar.ts_open_ns < history.ts_open_ns:
            return None
        if not _plausible(ohlcv):
            return self._prediction(bar, ts_ns, [math.nan] * 4, valid=False)
        if bar.ts_open_ns == history.ts_open_ns:
            history.state.cells[:] = history.before
        else:
            history.before[:] = history.state.cells
            history.ts_open_ns = bar.ts_open_ns
            history.bars += 1
        row = history.state.update(*ohlcv, bar.ts_open_ns)
        if history.bars < WARMUP:
            return None
        self._input[0] = row
        p_up, (low, median, high), valid = self._ask(self._input)[0]
        return self._prediction(bar, ts_ns, [p_up, low, median, high], valid=valid)

    def _ask(self, rows: F32) -> list[tuple[float, list[float], bool]]:
        p_up, quantiles, valid = self._session.run(_OUTPUTS, {"rows": rows})
        return [
            (p, q, bool(v > 0.5))
            for p, q, v in zip(p_up.tolist(), quantiles.tolist(), valid.tolist(), strict=True)
        ]

    def _check_golden(self, card: Card) -> None:
        rows = np.array(card.golden_in, np.float32)
        if not card.golden_in or rows.shape != (len(card.golden_out), COLUMNS):
            raise DataError(f"its trial rows must have {COLUMNS} columns, was {rows.shape}")
        try:
            answers = self._ask(rows)
        except Exception as error:
            # Other inputs or outputs than ours; onnxruntime's exceptions have no common base.
            raise DataError(f"it does not take clx's rows: {error}") from None
        for place, (p_up, quantiles, valid) in enumerate(answers):
            now = np.array([p_up, *quantiles, float(valid)])
            then = np.array(card.golden_out[place], np.float64)
            if not np.allclose(now, then, rtol=_TOLERANCE, atol=1e-8, equal_nan=True):
                raise DataError(
                    f"it does not compute what it did when it was made: trial row {place} gives"
                    f" {now.tolist()}, was {then.tolist()}"
                )

    def _prediction(self, bar: Bar, ts_ns: int, figures: list[float], *, valid: bool) -> Prediction:
        p_up, low, median, high = figures
        return Prediction(
            model_id=self.info.id,
            version=self.info.version,
            instrument_id=bar.instrument_id,
            timeframe=bar.timeframe,
            ts_bar_ns=bar.ts_open_ns,
            ts_ns=ts_ns,
            horizon_bars=self.info.horizon_bars,
            p_up=p_up,
            expected_return=median,
            low_return=low,
            high_return=high,
            valid=valid,
        )


def _plausible(ohlcv: tuple[float, float, float, float, float]) -> bool:
    return all(math.isfinite(x) for x in ohlcv) and min(ohlcv[:4]) > 0 and ohlcv[4] >= 0


def _read(path: Path) -> bytes:
    try:
        if path.stat().st_size > MAX_FILE:
            raise ConfigError(f"model file {path} must be at most {MAX_FILE >> 20} MB")
        return path.read_bytes()
    except OSError as error:
        raise ConfigError(f"model file {path} cannot be read: {error.strerror}") from None


def _open(file: bytes) -> tuple[_Session, Card]:
    # Loaded only where a model is: onnxruntime costs start-up time and memory.
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.execution_mode = onnxruntime.ExecutionMode.ORT_SEQUENTIAL
    options.log_severity_level = 3
    # A spinning pool would burn a core between two bars.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.add_session_config_entry("session.inter_op.allow_spinning", "0")
    try:
        session = onnxruntime.InferenceSession(file, options, providers=["CPUExecutionProvider"])
        text = session.get_modelmeta().custom_metadata_map[CARD_KEY]
        card = msgspec.json.decode(text, type=Card)
    except (KeyError, msgspec.DecodeError) as error:
        raise DataError(f"its card cannot be read: {error}") from None
    except Exception as error:
        # onnxruntime's own exceptions have no common base but this.
        raise DataError(f"onnxruntime cannot load it: {error}") from None
    if card.format != FORMAT:
        raise DataError(f"its card has format {card.format}, this clx reads {FORMAT}")
    if card.features != tuple(feature.name for feature in FEATURES):
        raise DataError("its card names other features than this clx computes; train it again")
    return session, card
