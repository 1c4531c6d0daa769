from __future__ import annotations

from decimal import Decimal

import msgspec
import pytest

from core.model.errors import DataError
from core.model.ids import InstrumentId, VenueName
from core.model.instruments import Instrument, InstrumentKind
from core.model.settings import FeedSettings, PaperSettings
from core.model.tiers import MarginTiers, Tier, TierBook, checked, tiers_of

LINEAR = Instrument(
    id=InstrumentId("BTC-USDT-PERP.x"), venue=VenueName("x"), venue_symbol="BTCUSDT",
    base="BTC", quote="USDT", kind=InstrumentKind.PERPETUAL, settle="USDT",
    price_tick=Decimal("0.1"), size_lot=Decimal("0.001"),
)  # fmt: skip
DAY_NS = 86_400_000_000_000


def table(*rows: tuple[str | None, str, str], measure: str = "worth") -> MarginTiers:
    return msgspec.convert(
        {
            "instrument_id": LINEAR.id,
            "measure": measure,
            "tiers": [
                {"up_to": end, "rate": rate, "deduction": off, "max_leverage": "20"}
                for end, rate, off in rows
            ],
            "said": "x's tiers",
        },
        MarginTiers,
    )


# Binance, "How to Calculate Liquidation Price of USDS-M Futures Contracts", and its tables of then.
BTC_2021 = (
    ("50000", "0.004", "0"), ("250000", "0.005", "50"), ("1000000", "0.01", "1300"),
    ("10000000", "0.025", "16300"), ("20000000", "0.05", "266300"),
)  # fmt: skip
ETH_2021 = (
    ("10000", "0.005", "0"), ("100000", "0.0065", "15"), ("500000", "0.01", "365"),
    ("1000000", "0.02", "5365"), ("2000000", "0.05", "35365"), ("5000000", "0.1", "135365"),
)  # fmt: skip


@pytest.mark.parametrize("rows", [BTC_2021, ETH_2021])
def test_the_deduction_of_a_bracket_follows_from_the_one_before(
    rows: tuple[tuple[str, str, str], ...],
) -> None:
    # "Floor of Position Bracket on Level n * (difference between Maintenance Margin Rate on Level
    # n and on Level n-1) + Maintenance Amount on Level n-1": the margin has no step anywhere.
    known = table(*rows)
    for row in rows[:-1]:
        end = Decimal(row[0])
        more = known.maintenance(LINEAR, Decimal(1), end + Decimal("1e-9"))
        assert abs(more - known.maintenance(LINEAR, Decimal(1), end)) < Decimal("1e-8")


@pytest.mark.parametrize(
    ("rows", "size", "entry", "mark", "others_kept", "others_gain", "closed_at"),
    [
        (ETH_2021, "3683.979", "1456.84", "1335.18", "71200.81144", "-56354.57", "1153.26"),
        (BTC_2021, "109.488", "32481.98", "31967.27", "356512.508", "-448192.89", "26316.89"),
    ],
)
def test_liquidation_price_is_the_published_example(
    rows: tuple[tuple[str, str, str], ...], size: str, entry: str, mark: str, others_kept: str,
    others_gain: str, closed_at: str,
) -> None:  # fmt: skip
    spare = Decimal("1535443.01") - Decimal(others_kept) + Decimal(others_gain)
    held = Decimal(size)
    worth = table(*rows).liquidation_worth(
        LINEAR, held, held * Decimal(entry), held * Decimal(mark), spare
    )
    assert worth is not None
    assert round(worth / held, 2) == Decimal(closed_at)


def test_a_tier_by_contracts_holds_for_the_whole_position() -> None:
    # OKX, "Tiered Maintenance Margin Ratio": 60,000 contracts are in the tier of 2 %.
    okx = table(
        ("20000", "0.005", "0"), ("22000", "0.01", "0"), ("50000", "0.015", "0"),
        ("90000", "0.02", "0"), measure="contracts",
    )  # fmt: skip
    assert okx.maintenance(LINEAR, Decimal(60_000), Decimal(1_000)) == 20
    assert okx.maintenance(LINEAR, Decimal(20_000), Decimal(1_000)) == 5


def test_margin_that_grows_with_the_coins_is_the_published_example() -> None:
    # Deribit, "Linear Perpetual": 25 BTC at 100,000 need 53,125 USDC at first and 28,125 after.
    deribit = MarginTiers(
        instrument_id=LINEAR.id,
        measure="worth",
        tiers=(Tier(up_to=None, rate=Decimal("0.01"), max_leverage=Decimal(50)),),
        growth=Decimal("0.00005"),
        said="x",
    )
    worth = Decimal(2_500_000)
    assert deribit.least_initial(LINEAR, Decimal(25), worth) == 53_125
    assert deribit.maintenance(LINEAR, Decimal(25), worth) == 28_125
    assert deribit.least_initial(LINEAR, Decimal(350), worth * 14) == 1_312_500


@pytest.mark.parametrize(
    ("rows", "says"),
    [
        ([], "1 to 500 tiers"),
        ([("100", "0.01", "0"), ("100", "0.02", "0")], "tier 2: must end above 100, was 100"),
        ([("100", "1", "0")], "tier 1: the maintenance rate must be 0 to 1, was 1"),
        ([("100", "0.01", "-1")], "the deduction must be 0 or more, was -1"),
        ([("100", "0.01", "0"), ("200", "0.02", "3")], "leaves no maintenance margin at 100"),
        ([(None, "0.01", "0"), ("200", "0.02", "0")], "only the last may have no end"),
        ([("NaN", "0.01", "0")], "must end above 0, was NaN"),
    ],
)
def test_a_table_that_makes_no_sense_is_refused(
    rows: list[tuple[str | None, str, str]], says: str
) -> None:
    with pytest.raises(DataError, match=says):
        checked(table(*rows), "tiers of X")


def test_the_tier_and_its_age_are_said() -> None:
    known = msgspec.structs.replace(table(("100", "0.01", "0"), ("200", "0.02", "1")), ts_ns=DAY_NS)
    assert known.words(Decimal(1), Decimal(150), DAY_NS + 5) == "2 % (x's tiers, tier 2 of 2)"
    old = known.words(Decimal(1), Decimal(50), 4 * DAY_NS)
    assert old == "1 % (x's tiers, tier 1 of 2, told 3 d ago)"


def test_without_tiers_the_cautious_rate_is_at_most_half_of_the_initial_margin() -> None:
    feeds = {"x": FeedSettings(kind="binance_usdm")}
    book = TierBook()
    found = tiers_of(LINEAR, PaperSettings(leverage=Decimal(10)), feeds, book)
    assert (found.tiers[0].rate, found.said) == (
        Decimal("0.025"), "binance_usdm's published rate, its tiers need a key",
    )  # fmt: skip
    tight = tiers_of(LINEAR, PaperSettings(leverage=Decimal(50)), feeds, book)
    assert tight.tiers[0].rate == Decimal("0.01")
    other = tiers_of(LINEAR, PaperSettings(), {}, book)
    assert other.said == "[paper] maintenance_pct, not the venue's tiers"


def test_a_book_keeps_the_newest_of_each_and_no_more_than_it_may() -> None:
    book = TierBook()
    new = msgspec.structs.replace(table(("100", "0.01", "0")), ts_ns=2)
    old = msgspec.structs.replace(new, ts_ns=1, said="old")
    book.learn([new])
    book.learn([old])
    assert book.of(LINEAR.id) == new
    book.learn(
        msgspec.structs.replace(new, instrument_id=InstrumentId(f"{n}.x")) for n in range(2_000)
    )
    assert len(book.tables()) == 2_000
    assert book.of(LINEAR.id) is None
