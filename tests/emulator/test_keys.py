"""What clx asks of a key, answered by the emulated venues: signatures are really checked."""

import pytest

from core.engine.clock import SystemClock
from core.model.credentials import AccountName, Credentials
from core.model.errors import VenueError
from core.venues.permissions.ask import ask_permissions
from emulator.app import Emulator

KEY, SECRET = "the-key-of-the-emulator-00000001", "the-secret-of-the-emulator-00001"
VENUES = ("binance", "okx", "deribit", "alpaca")
PREFIXES = {"binance": "/binance", "okx": "/okx", "deribit": "/deribit", "alpaca": "/alpaca"}


@pytest.fixture
async def emulator():
    made = Emulator(
        seed=7,
        api_key=KEY,
        api_secret=SECRET,
        control_token="control",
        history_days=2,
        flow=False,
        venues=VENUES,
    )
    await made.start()
    yield made
    await made.stop()


async def _ask(emulator, venue, secret=SECRET, key=KEY):
    credentials = Credentials(
        account=AccountName("main"),
        venue=venue,
        environment="live",
        api_key=key,
        api_secret=secret,
        passphrase="the-passphrase",
    )
    url = f"http://127.0.0.1:{emulator.port}{PREFIXES[venue]}"
    return (await ask_permissions(credentials, clock=SystemClock(), rest_url=url)).permissions


async def test_every_venue_says_what_its_key_may_and_checks_who_asks(emulator) -> None:
    for venue in VENUES:
        may = await _ask(emulator, venue)
        assert (may.read, may.trade, may.withdraw) == (True, True, False), venue
        emulator.venues[venue].switch("withdrawing_keys", on=True)
        assert (await _ask(emulator, venue)).withdraw is True, venue
        with pytest.raises(VenueError):
            await _ask(emulator, venue, secret="another-secret-0000000000000001")
        with pytest.raises(VenueError):
            await _ask(emulator, venue, key="another-key-00000000000000000001")
