"""Models: fed with closed bars, their predictions kept, told, and judged when the time has come."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import Final

import msgspec

from core.engine.demand import Series
from core.engine.factlog import FactLog
from core.engine.scale import Ohlcv
from core.model.errors import ClxError, StoreError
from core.model.ids import InstrumentId, ModelId
from core.model.market import Bar, Timeframe
from core.model.ports import PredictionStore, Predictor
from core.model.settings import ModelSettings
from core.model.signals import ModelInfo, Prediction
from core.model.views import ModelChanged, ModelView

MAX_KEPT: Final = 5000
"""Predictions kept in memory per series, as many as the longest chart has bars."""


class _Pending(msgspec.Struct, frozen=True):
    prediction: Prediction
    close_ticks: int

    @property
    def due_ns(self) -> int:
        """Open time of the bar that decides."""
        made = self.prediction
        return made.ts_bar_ns + made.horizon_bars * made.timeframe.ns


class _Model:
    """One model on all its instruments."""

    def __init__(self, predictor: Predictor, instruments: Sequence[InstrumentId]) -> None:
        self.predictor = predictor
        self.info: ModelInfo = predictor.info
        self.instruments = frozenset(instruments)
        self.last: Prediction | None = None
        self.predictions = 0
        self.hits = 0
        self.judged = 0
        self.pending: dict[InstrumentId, deque[_Pending]] = {}
        self.last_close: dict[InstrumentId, int] = {}
        self.warm: set[InstrumentId] = set()

    def view(self) -> ModelView:
        """Return the model as clients see it."""
        return ModelView(
            info=self.info,
            last=self.last,
            predictions=self.predictions,
            hits=self.hits,
            judged=self.judged,
        )


class Forecasts:
    """All models. One that cannot be loaded or raises is shown as refused and left out."""

    def __init__(
        self,
        predictors: Mapping[ModelId, Callable[[], Predictor]],
        settings: Mapping[str, ModelSettings],
        store: PredictionStore,
        log: FactLog,
    ) -> None:
        self._factories = dict(predictors)
        self._settings = settings
        self._store = store
        self._log = log
        self._models: dict[ModelId, _Model] = {}
        self._refused: dict[ModelId, ModelView] = {}
        self._kept: dict[Series, deque[Prediction]] = {}
        self._now_ns = 0
        self.version: dict[Series, int] = {}
        """Counts the predictions made per series, for those who follow them."""

    def load(self, model_id: ModelId, watchlist: Sequence[InstrumentId], now_ns: int) -> None:
        """Build a model; one that is switched off or refused is only shown so."""
        settings = self._settings.get(model_id, ModelSettings())
        instruments = [InstrumentId(name) for name in settings.instruments] or list(watchlist)
        try:
            model = _Model(self._factories[model_id](), instruments)
        except ClxError as error:
            self._log.alert("error", f"model {model_id}", str(error), now_ns)
            self._refused[model_id] = _unusable(model_id, f"refused: {error}")
            self._log.emit(ModelChanged(model=self._refused[model_id]))
            return
        if not settings.enabled:
            self._refused[model_id] = ModelView(
                info=msgspec.structs.replace(model.info, state="off")
            )
            return
        self._models[model_id] = model
        self._log.emit(ModelChanged(model=model.view()))

    def watched(self, instruments: Sequence[InstrumentId]) -> None:
        """Follow the watchlist with the models that name no instruments of their own."""
        for model_id, model in self._models.items():
            if not self._settings.get(model_id, ModelSettings()).instruments:
                model.instruments = frozenset(instruments)
                model.warm &= model.instruments

    def series(self) -> list[Series]:
        """Return the bar histories the models need."""
        return [
            (instrument_id, model.info.timeframe)
            for model in self._models.values()
            for instrument_id in sorted(model.instruments)
        ]

    def views(self) -> tuple[ModelView, ...]:
        """Return all models as clients see them."""
        return (*(model.view() for model in self._models.values()), *self._refused.values())

    def seed(self, bars: Sequence[tuple[Bar, Ohlcv]], now_ns: int) -> None:
        """Give the models the history of one series, oldest first, before its first live bar.

        Only what the newest bar leads to counts as a prediction: it is the only one whose future
        is still open.
        """
        if not bars:
            return
        self._now_ns = now_ns
        newest = bars[-1][0]
        for model in self._models.values():
            if not self._wants(model, newest) or newest.instrument_id in model.warm:
                continue
            model.warm.add(newest.instrument_id)
            prediction = None
            for bar, ohlcv in bars:
                prediction = self._ask(model, bar, ohlcv, now_ns)
            model.last_close[newest.instrument_id] = newest.close_ticks
            self._keep(model, newest, prediction)

    def on_bar(self, bar: Bar, ohlcv: Ohlcv, now_ns: int) -> None:
        """Take a live closed bar: judge what it decides, then predict."""
        self._now_ns = now_ns
        for model in tuple(self._models.values()):
            if not self._wants(model, bar):
                continue
            model.warm.add(bar.instrument_id)
            self._judge(model, bar)
            model.last_close[bar.instrument_id] = bar.close_ticks
            self._keep(model, bar, self._ask(model, bar, ohlcv, now_ns))

    def ready(self, series: Series) -> bool:
        """Return whether every model of a series has had its history."""
        return all(
            series[0] in model.warm
            for model in self._models.values()
            if model.info.timeframe is series[1] and series[0] in model.instruments
        )

    def recent(self, series: Series, since_ns: int) -> list[Prediction]:
        """Return kept predictions of a series for bars that opened at `since_ns` or later."""
        return [made for made in self._kept_of(series) if made.ts_bar_ns >= since_ns]

    def newest(self, series: Series, count: int) -> list[Prediction]:
        """Return the newest `count` predictions of a series, oldest first."""
        kept = self._kept_of(series)
        return list(kept)[-count:] if count else []

    def stored(
        self, model_id: ModelId, instrument_id: InstrumentId, limit: int
    ) -> tuple[Prediction, ...]:
        """Return a model's newest stored predictions, oldest first."""
        return tuple(self._store.recent(model_id, instrument_id, limit))

    @property
    def ids(self) -> list[ModelId]:
        """All models, refused ones too."""
        return list(self._factories)

    def _wants(self, model: _Model, bar: Bar) -> bool:
        return model.info.timeframe is bar.timeframe and bar.instrument_id in model.instruments

    def _ask(self, model: _Model, bar: Bar, ohlcv: Ohlcv, now_ns: int) -> Prediction | None:
        try:
            return model.predictor.on_bar(bar, ohlcv, now_ns)
        except Exception as error:  # a model is a plug-in: it may die, the engine goes on
            why = f"refused: {error}" if isinstance(error, ClxError) else f"refused: {error!r}"
            self._models.pop(model.info.id, None)
            model.info = msgspec.structs.replace(model.info, state=why)
            self._refused[model.info.id] = model.view()
            self._log.alert("error", f"model {model.info.id}", why, now_ns)
            self._log.emit(ModelChanged(model=model.view()))
            return None

    def _judge(self, model: _Model, bar: Bar) -> None:
        pending = model.pending.get(bar.instrument_id)
        while pending and pending[0].due_ns <= bar.ts_open_ns:
            done = pending.popleft()
            # No trade in the deciding bar means no such bar: the close before it stands.
            exact = done.due_ns == bar.ts_open_ns
            close = bar.close_ticks if exact else model.last_close[bar.instrument_id]
            model.judged += 1
            model.hits += (done.prediction.p_up > 0.5) == (close > done.close_ticks)

    def _keep(self, model: _Model, bar: Bar, prediction: Prediction | None) -> None:
        if prediction is None:
            return
        model.last = prediction
        if prediction.valid:
            model.predictions += 1
            pending = model.pending.setdefault(bar.instrument_id, deque(maxlen=MAX_KEPT))
            pending.append(_Pending(prediction, bar.close_ticks))
        series = (bar.instrument_id, bar.timeframe)
        self._kept_of(series).append(prediction)
        self.version[series] = self.version.get(series, 0) + 1
        try:
            self._store.put([prediction])
        except StoreError as error:
            self._log.alert(
                "warning", "predictions", f"not stored: {error}", prediction.ts_ns, topic="store"
            )
        self._log.emit(ModelChanged(model=model.view()))

    def _kept_of(self, series: Series) -> deque[Prediction]:
        kept = self._kept.get(series)
        if kept is None:
            kept = self._kept[series] = deque(maxlen=MAX_KEPT)
            instrument_id, timeframe = series
            stored: list[Prediction] = []
            for model in self._models.values():
                if model.info.timeframe is timeframe:
                    stored += self._stored(model.info.id, instrument_id)
            kept.extend(sorted(stored, key=lambda made: (made.ts_bar_ns, made.model_id)))
        return kept

    def _stored(self, model_id: ModelId, instrument_id: InstrumentId) -> Sequence[Prediction]:
        """Return what is on disk of earlier sessions; without it a model works all the same."""
        try:
            return self._store.recent(model_id, instrument_id, MAX_KEPT)
        except StoreError as error:
            self._log.alert("warning", "predictions", str(error), self._now_ns)
            return ()


def _unusable(model_id: ModelId, state: str) -> ModelView:
    return ModelView(
        info=ModelInfo(
            id=model_id,
            version="",
            title=model_id,
            timeframe=Timeframe.M1,
            horizon_bars=0,
            features=(),
            schema_sha256="",
            trained_on="",
            state=state,
        )
    )
