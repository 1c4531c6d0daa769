"""Numbers as options take them."""

from __future__ import annotations

import math

import click


class Number(click.FloatRange):
    """A number within a range; nan, which is in every range for it compares with none, is none."""

    def convert(
        self, value: float, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        """Return the number of a text (click's types call it a float already)."""
        found = float(super().convert(value, param, ctx))
        if not math.isfinite(found):
            self.fail(f"{value!r} is not a number.", param, ctx)
        return found
