"""One training loop: seeded, single-threaded, the same bits twice."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import torch

from core.ai.features import FEATURES
from core.ai.training.network import TinyNet, loss

F64 = npt.NDArray[np.float64]
Progress = Callable[[int, int, float], None]
"""Told (step, steps, mean loss since last told)."""
_TELL_EVERY = 100


def fit(
    rows: F64, returns: F64, horizon: int, *, seed: int, epochs: int, batch: int, tell: Progress
) -> TinyNet:
    """Train on these samples; mean and deviation are theirs alone."""
    torch.manual_seed(seed)
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    rng = np.random.default_rng(seed)
    features, unit = rows[:, :-1], rows[:, -1]
    net = TinyNet(
        _tensor(features.mean(axis=0)),
        _tensor(np.maximum(features.std(axis=0), 1e-6)),
        _tensor(np.array([item.clip for item in FEATURES])),
        horizon,
    )
    x = _tensor(features)
    standard = _tensor(np.clip(returns / (unit * np.sqrt(horizon)), -8, 8))
    up = _tensor((returns > 0).astype(np.float64))
    per_epoch = max(1, len(rows) // batch)
    steps = epochs * per_epoch
    optimiser = torch.optim.AdamW(net.parameters(), lr=3e-3, weight_decay=1e-2)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, max_lr=3e-3, total_steps=steps)
    step, summed, since = 0, 0.0, 0
    for _ in range(epochs):
        order = torch.from_numpy(rng.permutation(len(rows)))
        for start in range(per_epoch):
            pick = order[start * batch : (start + 1) * batch]
            optimiser.zero_grad()
            cost = loss(*net.standardised(x[pick]), up[pick], standard[pick])
            cost.backward()
            torch.nn.utils.clip_grad_norm_(net.parameters(), 1.0)
            optimiser.step()
            schedule.step()
            step, summed, since = step + 1, summed + float(cost.detach()), since + 1
            if since == _TELL_EVERY or step == steps:
                tell(step, steps, summed / since)
                summed, since = 0.0, 0
    net.eval()
    return net


def answers(net: TinyNet, rows: F64) -> tuple[F64, F64]:
    """Return p_up and quantiles for rows."""
    with torch.no_grad():
        p_up, quantiles, _ = net(_tensor(rows))
    return p_up.double().numpy(), quantiles.double().numpy()


def _tensor(values: F64) -> torch.Tensor:
    return torch.from_numpy(np.ascontiguousarray(values, np.float32))
