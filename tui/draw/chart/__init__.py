"""The candle chart: scale, candles, overlays, sub-panes and axes, all as runs."""
