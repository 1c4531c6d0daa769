"""The tiny network: normalisation, clipping and the guard against NaN are inside the graph."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

LEVELS = (0.1, 0.5, 0.9)
"""The quantiles it answers with."""


class TinyNet(nn.Module):  # type: ignore[misc]  # torch's types are not read
    """Two hidden layers over one feature row; answers in log returns over the horizon.

    Input (batch, features + 1): the last column is the unit. Outputs: p_up (batch,), quantiles
    (batch, 3) rising, valid (batch,) 1 or 0; where it is 0 the others are NaN.
    """

    def __init__(
        self, mean: Tensor, deviation: Tensor, clip: Tensor, horizon: int, hidden: int = 48
    ) -> None:
        super().__init__()
        self.register_buffer("mean", mean)
        self.register_buffer("deviation", deviation)
        self.register_buffer("clip", clip)
        self.root = math.sqrt(horizon)
        width = len(mean)
        self.body = nn.Sequential(
            nn.Linear(width, hidden), nn.SiLU(), nn.Linear(hidden, hidden), nn.SiLU()
        )
        self.head = nn.Linear(hidden, 4)

    def standardised(self, features: Tensor) -> tuple[Tensor, Tensor]:
        """Return the logit of p_up and the quantiles in units, rising, of clean features."""
        x = (features - self.mean) / self.deviation
        x = torch.minimum(torch.maximum(x, -self.clip), self.clip)
        logit, middle, down, up = self.head(self.body(x)).unbind(1)
        # The distances start near those of a normal distribution and stay positive.
        low = middle - nn.functional.softplus(down + 1.0)
        high = middle + nn.functional.softplus(up + 1.0)
        return logit, torch.stack((low, middle, high), dim=1)

    def forward(self, rows: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Answer raw rows, NaN in, NaN out."""
        finite = (rows == rows) & (rows.abs() < 1e30)
        valid = finite.all(dim=1)
        clean = torch.where(finite, rows, torch.zeros_like(rows))
        logit, units = self.standardised(clean[:, :-1])
        nan = torch.full_like(logit, math.nan)
        p_up = torch.where(valid, torch.sigmoid(logit), nan)
        scale = torch.where(valid, clean[:, -1] * self.root, nan)
        return p_up, units * scale.unsqueeze(1), valid.to(rows.dtype)


def loss(logit: Tensor, units: Tensor, up: Tensor, standard: Tensor) -> Tensor:
    """Return log loss of the direction plus pinball loss of the standardised return."""
    levels = torch.tensor(LEVELS)
    error = standard.unsqueeze(1) - units
    pinball = torch.maximum(levels * error, (levels - 1.0) * error).mean()
    return nn.functional.binary_cross_entropy_with_logits(logit, up) + pinball
