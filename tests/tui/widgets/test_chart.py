"""The chart on the screen: a tick is cheap, the crosshair reads bars, zoom keeps its place."""

import msgspec
from textual.geometry import Offset

from core.model.views import BarColumns, ChartTail
from tui.widgets.chart import ChartWidget


def chart_of(pilot):
    return pilot.app.trade_screen.query_one("#chart", ChartWidget)


def watch_refreshes(monkeypatch, chart):
    asked = {"history": [], "live": [], "axis": []}
    for name, regions in asked.items():
        widget = getattr(chart, name)
        monkeypatch.setattr(widget, "refresh", lambda *r, _into=regions, **_: _into.extend(r))
    return asked


async def test_a_tick_repaints_a_few_cells_beside_the_history(opened, link, monkeypatch):
    async with opened(size=(120, 36)) as pilot:
        chart = chart_of(pilot)
        asked = watch_refreshes(monkeypatch, chart)
        forming = link.replica.forming
        chart.show_forming(
            msgspec.structs.replace(forming, close_ticks=forming.low_ticks), trusted=True
        )
        assert asked["history"] == []
        cells = sum(region.area for region in asked["live"] + asked["axis"])
        assert 0 < cells <= 80


async def test_a_price_beyond_the_scale_redraws_the_history(opened, link, monkeypatch):
    async with opened(size=(120, 36)) as pilot:
        chart = chart_of(pilot)
        asked = watch_refreshes(monkeypatch, chart)
        beyond = int(chart.view.scale.high) + 10_000
        bar = msgspec.structs.replace(link.replica.forming, high_ticks=beyond, close_ticks=beyond)
        chart.show_forming(bar, trusted=True)
        assert asked["history"]
        assert chart.view.scale.holds(beyond)


async def test_i_opens_the_crosshair_and_the_arrows_read_bar_by_bar(opened, look, link, press):
    async with opened(size=(160, 40)) as pilot:
        await press(pilot, "i")
        bars = link.replica.chart.bars
        assert f"C {bars.close[-1] / 100:,.2f}" in look(pilot).splitlines()[1]
        await press(pilot, "left", "left", "left")
        assert f"C {bars.close[-4] / 100:,.2f}" in look(pilot).splitlines()[1]
        await press(pilot, "right")
        assert f"C {bars.close[-3] / 100:,.2f}" in look(pilot).splitlines()[1]
        assert chart_of(pilot).zoom.offset == 0
        await press(pilot, "escape")
        assert chart_of(pilot).zoom.crosshair is None
        assert "EMA 20" in look(pilot).splitlines()[1]


async def test_the_crosshair_takes_the_chart_along_at_its_edge(opened, press):
    async with opened(size=(100, 30)) as pilot:
        await press(pilot, "i", *["H"] * 9)
        chart = chart_of(pilot)
        assert chart.zoom.offset > 0
        index = chart.view.crosshair[0]
        assert index in chart.view.visible(0, chart.view.layout.width)


async def test_a_new_bar_leaves_the_crosshair_on_its_own(opened, look, link, press):
    async with opened(size=(120, 36)) as pilot:
        await press(pilot, "i", "left")
        bars = link.replica.chart.bars
        at, close = chart_of(pilot).zoom.crosshair, bars.close[-2]
        index = chart_of(pilot).view.crosshair[0]
        forming = link.replica.forming
        closed = BarColumns(
            ts_open_ns=[bars.ts_open_ns[-1] + 60_000_000_000],
            open=[forming.open_ticks],
            high=[forming.high_ticks],
            low=[forming.low_ticks],
            close=[forming.close_ticks],
            volume=[forming.volume_lots],
        )
        link.frame(
            ts_ns=link.replica.frame_ts_ns + 1,
            tail=ChartTail(
                instrument_id=forming.instrument_id,
                timeframe=forming.timeframe,
                closed=closed,
                indicators={},
                predictions=[],
                forming=forming,
            ),
        )
        await press(pilot)
        assert chart_of(pilot).view.count == index + 3
        assert chart_of(pilot).zoom.crosshair == at
        assert chart_of(pilot).view.crosshair[0] == index
        assert f"{close / 100:,.2f}" in look(pilot).splitlines()[1]


async def test_a_click_reads_the_bar_below_and_a_second_one_ends_it(opened):
    async with opened(size=(120, 36)) as pilot:
        chart = chart_of(pilot)
        x = chart.view.x_of(chart.view.count - 10)
        await pilot.click(chart.history, offset=Offset(x, 4))
        assert chart.view.crosshair == (chart.view.count - 10, 4)
        await pilot.click(chart.history, offset=Offset(x, 9))
        assert chart.view.crosshair is None


async def test_zoom_and_scroll_stay_in_their_bounds(opened, press):
    async with opened(size=(120, 36)) as pilot:
        await press(pilot, "2", *["plus"] * 5)
        assert chart_of(pilot).view.pitch == 3
        await press(pilot, *["minus"] * 5)
        assert chart_of(pilot).view.pitch == 1
        await press(pilot, *["right"] * 2)
        assert chart_of(pilot).zoom.offset == 0
        await press(pilot, "ctrl+left", "end")
        assert chart_of(pilot).zoom.offset == 0
