import msgspec
import pytest

from core.model.commands import COMMANDS, Command, SubmitOrder, Tier, parse_command
from core.model.errors import ConfigError


@pytest.mark.parametrize("command", COMMANDS.values(), ids=COMMANDS)
def test_every_command_has_words_a_tier_and_a_result_that_can_be_decoded(
    command: type[Command],
) -> None:
    assert command.title
    assert command.help.endswith(".")
    assert command.tier in Tier
    msgspec.msgpack.Decoder(command.result)


def test_an_unknown_command_names_the_nearest() -> None:
    with pytest.raises(ConfigError, match="did you mean 'submit_order'"):
        parse_command("submit_ordr", {})


def test_an_unknown_argument_names_the_nearest() -> None:
    with pytest.raises(ConfigError, match=r"submit_order\.instrment.*did you mean 'instrument'"):
        parse_command("submit_order", {"instrment": "BTC-USDT.binance"})


def test_a_wrong_value_is_named() -> None:
    with pytest.raises(ConfigError, match=r"get_book\.depth: .*less than or equal to 500, was 900"):
        parse_command("get_book", {"instrument": "BTC-USDT.binance", "depth": 900})


def test_a_command_round_trips_through_plain_arguments() -> None:
    order = SubmitOrder.model_validate(
        {"client_order_id": "a", "instrument": "B", "side": "buy", "size": "0.10", "price": "7"}
    )
    assert parse_command("submit_order", order.model_dump(mode="json")) == order
