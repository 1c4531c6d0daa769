"""The model card: what a person should know before believing a model."""

from __future__ import annotations

import hashlib

from core.ai.card import Card


def describe(card: Card, file: bytes, samples: int) -> str:
    """Return the card as markdown."""
    m = card.metrics
    edge = m["accuracy_low"] > m["accuracy_base"]
    verdict = (
        "its direction beats the base rate out of sample"
        if edge
        else "**no edge in direction**: its accuracy is not above the base rate"
    )
    width = (
        "its quantiles are better than constant ones scaled by volatility"
        if m["pinball_skill"] > 0.001
        else "its quantiles are no better than constant ones scaled by volatility"
    )
    source = (
        "It learns the simulator's structure. It says nothing about your market until you train\n"
        "it again or watch it in the shadow on your own data."
        if card.data_kind == "simulated"
        else "Past figures on one market say little about the next."
    )
    return f"""# {card.title} (`{card.id}`)

Verdict: {verdict}; {width}.

{source}

| | |
|---|---|
| predicts | {card.target} |
| from | one closed {card.timeframe.value} bar and the features of the bars before it |
| trained on | {card.trained_on} ({samples:,} samples) |
| data | `{card.data_kind}`, sha256 `{card.data_sha256[:16]}` |
| seed | {card.seed} |
| features | {", ".join(card.features)} |
| schema | sha256 `{card.schema_sha256[:16]}` |
| file | {len(file):,} bytes, version `{hashlib.sha256(file).hexdigest()[:12]}` |

## Out of sample

Expanding walk-forward; labels that reach into a test span are purged, and as much again is left out. The figures are
those of the models of the folds; the file holds one trained on everything with the same settings.

| figure | model | base rate |
|---|---|---|
| predictions judged | {m["n"]:,.0f} | |
| direction right | {m["accuracy"]:.4f} (95 %: {m["accuracy_low"]:.4f} to {m["accuracy_high"]:.4f}, days drawn together) | {m["accuracy_base"]:.4f} |
| log loss | {m["log_loss"]:.5f} | {m["log_loss_base"]:.5f} |
| Brier skill | {m["brier_skill"]:+.5f} | 0 |
| rank correlation of p with the return | {m["rank_ic"]:+.5f} | 0 |
| inside the 10 to 90 % band | {m["coverage_80"]:.4f} | 0.8 |
| quantile loss saved, against constant quantiles scaled by volatility | {m["pinball_skill"]:+.5f} | 0 |
| quantile loss saved, against constant quantiles | {m["pinball_skill_fixed"]:+.5f} | 0 |

No costs are in these figures: an edge smaller than spread and fees is no edge. An input that is not finite gives an
answer marked invalid, never a number.
"""  # noqa: E501  a table row is one line
