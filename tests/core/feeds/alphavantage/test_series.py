from __future__ import annotations

import csv
import io
import json
from datetime import UTC, datetime

import pytest

from core.feeds.alphavantage.series import parse_csv, parse_json
from core.model.errors import DataError
from core.model.market import Bar, Timeframe

HEAD = "timestamp,open,high,low,close,volume\n"


def ns(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()) * 10**9


def test_csv_comes_newest_first_in_new_york_and_is_given_oldest_first_in_utc(listed):
    body = (HEAD + "2024-03-11 04:00:00,2,3,1,2.5,7\n2024-03-08 19:55:00,1,2,1,1.5,5\n").encode()
    winter, summer = parse_csv(body, listed["AAPL"], Timeframe.M5)
    assert winter == Bar(
        listed["AAPL"].id, Timeframe.M5, ns("2024-03-09T00:55:00"), 10_000, 20_000, 10_000, 15_000,
        5, 0,
    )  # fmt: skip
    # The clocks went forward between the two.
    assert summer.ts_open_ns == ns("2024-03-11T08:00:00")


def test_days_have_a_date_alone(listed):
    body = (HEAD + "2024-03-11,2,3,1,2.5,7\n").encode()
    (day,) = parse_csv(body, listed["AAPL"], Timeframe.D1)
    assert day.ts_open_ns == ns("2024-03-11T00:00:00")


def test_json_is_read_in_the_zone_its_head_names(listed):
    body = json.dumps(
        {"Meta Data": {"2. Symbol": "IBM", "6. Time Zone": "US/Eastern"},
         "Time Series (5min)": {"2020-05-08 14:05:00": {"1. open": "121.7900", "2. high": "121.86",
          "3. low": "121.7225", "4. close": "121.7400", "5. volume": "31454"}}}
    ).encode()  # fmt: skip
    (bar,) = parse_json(body, listed["AAPL"], Timeframe.M5)
    assert (bar.ts_open_ns, bar.low_ticks, bar.volume_lots) == (
        ns("2020-05-08T18:05:00"), 1_217_225, 31_454,
    )  # fmt: skip


def test_older_series_of_coins_name_the_currency_of_each_price(listed):
    row = {
        "1a. open (CNY)": "50004.8",
        "1b. open (USD)": "7548.64",
        "2b. high (USD)": "7650",
        "3b. low (USD)": "7500",
        "4b. close (USD)": "7636.33",
        "5. volume": "15.1913188",
    }
    body = json.dumps(
        {"Meta Data": {"7. Time Zone": "UTC"}, "Time Series (Digital Currency Daily)":
         {"2017-11-08": row}}
    ).encode()  # fmt: skip
    (bar,) = parse_json(body, listed["BTC/USD"], Timeframe.D1)
    assert (bar.open_ticks, bar.volume_lots) == (754_864_000_000, 1_519_131_880)


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"", "must be a table"),
        (b"<html>", "must be a table"),
        (HEAD.encode() + b"2024-03-11 04:00:00,x,3,1,2,7\n", "in row"),
        (HEAD.encode() + b"2024-03-11 04:00:00,2,3\n", "in row"),
        (HEAD.encode() + b"2024-03-11 04:00:01,2,3,1,2,7\n", "no begin of a bar"),
        (HEAD.encode() + b"2024-03-11 04:00:00,2,3,1,2,7\n" * 2, "is doubled"),
        (HEAD.encode() + b"yesterday,2,3,1,2,7\n", "expected a local time"),
        (HEAD.encode() + b"2024-03-11T04:00:00Z,2,3,1,2,7\n", "without a zone"),
        (HEAD.encode() + b"2024-03-11 04:00:00,2,3,4,2,7\n", "must enclose"),
        (HEAD.encode() + b"2024-03-11 04:00:00,NaN,3,1,2,7\n", "above 0"),
        (b"\xff\xfe", "decode"),
    ],
)
def test_a_table_that_is_none_is_refused(listed, body, words):
    with pytest.raises(DataError, match=words):
        parse_csv(body, listed["AAPL"], Timeframe.M5)


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"[]", "Expected `object`"),
        (b'{"Meta Data":{"6. Time Zone":"UTC"}}', "one series"),
        (b'{"Time Series":{}}', "time zone"),
        (b'{"Meta Data":{"6. Time Zone":"Mars"},"S":{}}', "unknown time zone"),
        (b'{"Meta Data":{"6. Time Zone":"UTC"},"S":{"2020-01-01":5}}', "must be an object"),
        (b'{"Meta Data":{"6. Time Zone":"UTC"},"S":{"2020-01-01":{"1. open":"1"}}}', "high"),
    ],
)
def test_a_series_that_is_none_is_refused(listed, body, words):
    with pytest.raises(DataError, match=words):
        parse_json(body, listed["AAPL"], Timeframe.D1)


def test_recorded_extended_hours_are_read_row_for_row(recorded, listed):
    import zstandard

    path = recorded / "alphavantage" / "time_series_intraday_extended_MSFT_1min.csv.zst"
    body = zstandard.ZstdDecompressor().stream_reader(io.BytesIO(path.read_bytes())).read()
    bars = parse_csv(body, listed["MSFT"], Timeframe.M1, stamped_at_close=True)
    rows = list(csv.DictReader(body.decode().splitlines()))
    assert len(bars) == len(rows) == 11190
    item = listed["MSFT"]
    for bar, row in zip(bars, reversed(rows), strict=True):
        values = [bar.open_ticks, bar.high_ticks, bar.low_ticks, bar.close_ticks]
        for ticks, name in zip(values, ("open", "high", "low", "close"), strict=True):
            assert abs(float(item.price(ticks)) - float(row[name])) < 1e-4
        assert bar.volume_lots == int(row["volume"])
    # Monday's first minute that traded, 04:00 in New York, and Friday's last.
    assert (bars[0].ts_open_ns, bars[-1].ts_open_ns) == (
        ns("2020-11-23T09:00:00"), ns("2020-12-19T00:59:00"),
    )  # fmt: skip
