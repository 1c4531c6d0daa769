"""Every recorded message of an account is read by a test, or a reason stands here why it is not."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

DATA = Path(os.environ.get("CLX_RECORDED_DATA", Path(__file__).parents[4] / "shared" / "data"))
pytestmark = pytest.mark.skipif(
    not DATA.is_dir(), reason=f"{DATA} is absent; set CLX_RECORDED_DATA to the recorded data"
)
TESTS = Path(__file__).parents[2]
HERE = "core/venues/"
CCXT, FRAMES = HERE + "ccxt_pro/test_recorded.py", HERE + "ccxt_pro/test_recorded_frames.py"

READ: dict[str, dict[str, str]] = {
    "binance_spot/messages_nautilus.jsonl": {
        HERE + "binance/test_messages.py": """
            account_response.json all_orders_response.json cancel_order_response.json
            new_order_full_response.json account_position.json execution_report_canceled.json
            execution_report_new.json execution_report_trade.json""",
        HERE + "binance/test_recorded.py": """
            balance_update.json list_status_wrapped.json
            ws_spot_execution_report_calculated.json ws_spot_execution_report_custom_client_id.json
            ws_spot_execution_report_expired.json ws_spot_execution_report_rejected.json
            ws_spot_execution_report_new_limit_if_touched_price_match.json
            ws_spot_execution_report_new_stop_limit_price_match.json
            ws_spot_execution_report_trade_l_zero.json
            ws_spot_execution_report_trade_l_zero_expired.json
            ws_spot_execution_report_trade_l_zero_partial.json""",
    },
    "binance_spot/ws_gocryptotrader.jsonl": {
        HERE + "binance/test_recorded.py": "wsHandleData.json#3",
        HERE + "binance/test_messages.py": "ws_gocryptotrader.jsonl:wsHandleData.json#4",
    },
    "binance_usdm/messages_nautilus.jsonl": {
        HERE + "binance_usdm/test_messages.py": """
            open_algo_orders.json account_update.json algo_update_canceled.json
            order_update_trade_partial.json http_futures_account_orders.json
            http_futures_account_positions_hedge.json ws_futures_algo_update_triggered.json""",
        HERE + "binance_usdm/test_recorded.py": """
            position_risk.json order_update_adl.json order_update_calculated_pending.json
            order_update_insurance.json order_update_settlement.json
            http_futures_account_symbol_config.json ws_futures_algo_update_finished.json
            ws_futures_order_update_adl.json ws_futures_order_update_liquidation.json
            ws_futures_order_update_new_limit_if_touched_price_match.json
            ws_futures_order_update_new_reduce_only_qty.json
            ws_futures_order_update_settlement.json""",
    },
    "binance_usdm/ws_frames_jkorf.jsonl": {
        HERE + "binance_usdm/test_messages.py": "MarginUpdate.txt",
        HERE + "binance_usdm/test_recorded.py": "AlgoOrderUpdate.txt OrderUpdate.txt",
    },
    "okx/messages_nautilus.jsonl": {
        HERE + "okx/test_parse.py": """
            http_get_account_balance.json http_get_positions.json
            orders_algo_pending_attached_oco.json:http_get_orders_algo_pending_attached_oco.json
            http_place_algo_order_rejected.json""",
        HERE + "okx/test_recorded.py": """
            http_balance_detail_old_fields.json http_get_orders_algo_history.json
            http_get_orders_history.json http_get_orders_pending_with_attached_tp_sl.json
            http_place_order_response.json http_transaction_detail.json ws_account.json
            ws_orders_adl.json ws_orders_fok.json ws_orders_liquidation.json
            ws_orders_option.json""",
    },
    "okx/ws_frames_jkorf.jsonl": {
        HERE + "okx/test_parse.py": "BalanceAndPosition.txt#2 AlgoOrder.txt#2 Order.txt#2",
    },
    "okx/ws_gocryptotrader.jsonl": {
        HERE + "okx/test_recorded.py": "wsOrders.json wsOrders.json#2",
    },
    "deribit/messages_nautilus.jsonl": {
        HERE + "deribit/test_parse.py": """
            http_get_account_summaries.json ws_order_buy_response.json ws_order_edit_response.json
            ws_order_stop_market_no_filled_amount.json ws_portfolio.json""",
    },
    "alpaca/rest_trading.jsonl": {
        HERE + "alpaca/test_recorded.py": """
            test_account_routes.py#L11 test_order_routes.py#L88 test_order_routes.py#L398
            test_order_routes.py#L573 test_position_routes.py#L153 accounts.md#L1261
            events.md#L191 rebalancing.md#L704#2 rebalancing.md#L892 orders.md#L428
            positions.md#L18""",
    },
    "alpaca/ws_2026_08_ccxt.jsonl": {
        HERE + "alpaca/test_recorded.py": "pending_new:alpaca.json",
    },
    "alpaca/ws_documented.jsonl": {
        HERE + "alpaca/test_recorded.py": """
            listening:streaming.md#L35 authorized:streaming.md#L74 unauthorized:streaming.md#L99""",
    },
    "bybit_v5/messages_nautilus.jsonl": {
        CCXT: """
            http_get_orders_history_with_duplicate.json http_get_orders_realtime_tp_sl.json
            ws_account_execution.json ws_account_order.json ws_account_order_filled.json
            ws_account_order_market_if_touched.json ws_account_order_sell_market_if_touched.json
            ws_account_order_stop_loss.json ws_account_order_take_profit.json""",
        FRAMES: """
            http_get_positions_with_open_time.json http_get_wallet_balance_spot_short.json
            ws_account_execution_fast.json""",
    },
    "bybit_v5/ws_gocryptotrader.jsonl": {FRAMES: "wsAuth.json#3"},
    "coinbase_advanced/messages_nautilus.jsonl": {
        CCXT: "http_order.json",
        FRAMES: "http_accounts.json ws_user.json",
    },
    "coinbase_advanced/ws_frames_jkorf.jsonl": {FRAMES: "User.txt#2"},
    "kraken_v2/messages_nautilus.jsonl": {CCXT: "http_closed_orders.json"},
    "kucoin/rest_documented_sdk.jsonl": {
        CCXT: """
            test_get_order_by_order_id_resp_model test_get_open_orders_resp_model
            test_get_closed_orders_resp_model test_get_orders_list_old_resp_model
            test_get_order_by_order_id_old_resp_model
            test_get_recent_trade_history_old_resp_model""",
    },
    "kucoin/ws_documented_sdk.jsonl": {FRAMES: "test_order_v1_resp_model"},
    "kucoin/ws_frames_jkorf.jsonl": {FRAMES: "MatchOrder.txt OrderUpdate.txt"},
    "kucoin/ws_gocryptotrader.jsonl": {
        FRAMES: "wsHandleData.json#6 wsHandleData.json#7 wsHandleData.json#17",
    },
    "kucoin_futures/ws_documented_sdk.jsonl": {FRAMES: "test_all_order_resp_model"},
    "kucoin_futures/ws_frames_jkorf.jsonl": {FRAMES: "Order.txt"},
}
"""By file and by the test module that reads it. `word:name` where the module has another word."""

ASKED = "what a client sends, not what a venue says"
FEES = "fee rates are not asked for: fills tell what was paid"
MARKET = "market data under a name that does not tell, or with order ids of everybody"
SUBS = "sub-accounts, keys and settings are not the adapter's"
BROKER = "Alpaca's API for brokers, which clx is not"
MONEY = "balances and positions of ccxt's exchanges are asked for, not subscribed to"
STOPS = "triggers are held by the engine: the exchange's own lists of them are not used"
MARGIN = "loans and margin accounts of spot are not traded"
SPREADS = "spreads are not traded"
BOTS = "grids run by the exchange are not used"
KRAKEN_FUTURES = (
    "Kraken's futures are not traded: their money is JSON numbers, ccxt has no exact text"
)
OLD_SOCKET = "Kraken's first socket, which ccxt has left for the second"
ONLY_IDS = "ccxt gives the id alone, which the loopback exchanges answer to orders and cancels"

UNREAD: dict[str, dict[str, str]] = {
    "binance_spot/messages_nautilus.jsonl": {FEES: "http_wallet_trading_fee.json"},
    "binance_spot/ws_frames_jkorf.jsonl": {
        "the answer to a subscription": "AccountPosition.txt",
        MARGIN: "MarginCall.txt",
    },
    "binance_spot/ws_gocryptotrader.jsonl": {
        MARKET: "wsHandleData.json wsHandleData.json#2",
    },
    "binance_usdm/messages_nautilus.jsonl": {
        "the account as a whole is not asked for: balances, positions and settings apart are": (
            "account_info_v2.json"
        ),
        FEES: "http_futures_wallet_commission_rate_btcusdt_quarterly.json",
        MARKET: """
            http_futures_market_global_long_short_account_ratio.json
            http_futures_market_top_long_short_account_ratio.json""",
    },
    "binance_usdm/ws_frames_jkorf.jsonl": {
        BOTS: "GridUpdate.txt",
        "a short form of ORDER_TRADE_UPDATE, without the fee": "TradeUpdate.txt",
    },
    "okx/messages_nautilus.jsonl": {
        "no message: values for a parser of somebody else's": "common_optional_string_to_u64.json",
        SPREADS: "http_get_spread_trades.json ws_sprd_orders.json",
        FEES: "http_get_trade_fee_response.json",
    },
    "okx/ws_frames_jkorf.jsonl": {
        "greeks are computed": "Greeks.txt#2",
        "the fills channel has no fees and is for the highest tier": "UserTrade.txt#2",
    },
    "alpaca/rest_trading.jsonl": {
        SUBS: "test_account_routes.py#L89 trading-configurations.md#L14 watchlists.md#L14",
        BROKER: """
            account-activities.md#L17 accounts.md#L25 accounts.md#L457 accounts.md#L813
            accounts.md#L915 assets.md#L43 clock.md#L21 announcements.md#L144 documents.md#L70
            events.md#L45 events.md#L321 events.md#L388 events.md#L388#2 events.md#L432 ACH.md#L62
            bank.md#L156 just-in-time.md#L140 transfers.md#L133 journals-v2.md#L47
            journals-v3.md#L142 journals.md#L42 journals.md#L351 oauth.md#L45 oauth.md#L163
            rebalancing.md#L174 rebalancing.md#L405 rebalancing.md#L490 rebalancing.md#L559
            rebalancing.md#L704 orders.md#L141 orders.md#L229""",
        "listings and the market's own stream, no account's": """
            test_asset_routes.py#L106 test_option_routes.py#L14 test_option_routes.py#L104
            real-time.md#L89 real-time.md#L103 real-time.md#L130 real-time.md#L166
            real-time.md#L178 real-time.md#L190 real-time.md#L202 real-time.md#L214
            real-time.md#L226""",
    },
    "alpaca/ws_documented.jsonl": {
        "the market's own stream": "realtime.md#L45 realtime.md#L103 realtime.md#L120 "
        "realtime.md#L216",
    },
    "bybit_v5/messages_nautilus.jsonl": {
        SUBS: """
            http_get_account_info.json http_get_user_escrow_sub_members.json
            http_get_user_sub_apikeys.json http_get_user_sub_members_paged.json
            http_post_user_update_master_api.json""",
        FEES: "http_get_fee_rate.json",
        MONEY: """
            ws_account_position_short.json ws_account_wallet.json
            ws_account_wallet_small_order.json""",
        "orders go over REST": "ws_order_response.json ws_auth_success.json",
    },
    "bybit_v5/ws_frames_jkorf.jsonl": {MONEY: "Balance.txt#3"},
    "bybit_v5/ws_gocryptotrader.jsonl": {MONEY: "wsAuth.json wsAuth.json#2 wsAuth.json#4"},
    "coinbase_advanced/messages_nautilus.jsonl": {
        "Coinbase's futures are not traded": "http_cfm_balance_summary.json http_cfm_positions.json"
    },
    "coinbase_advanced/ws_frames_jkorf.jsonl": {
        "the answer to a subscription": "FuturesBalance.txt"
    },
    "kraken_v1/ws_gocryptotrader.jsonl": {
        OLD_SOCKET: """
            wsHandleData.json wsHandleData.json#2 wsOpenTrades.json wsOpenTrades.json#2
            wsOpenTrades.json#3""",
    },
    "kraken_v2/messages_nautilus.jsonl": {
        ONLY_IDS: "http_add_order_spot.json",
        "of an endpoint without what is held; BalanceEx is asked": "http_spot_balance.json",
        MARGIN: "http_spot_trade_balance.json",
        "orders go over REST": "ws_add_order_response_success.json",
        ASKED: """
            ws_add_order_request.json ws_batch_add_request.json ws_cancel_order_request.json""",
        MARKET: "ws_l3_update_add.json ws_l3_update_modify_price.json",
    },
    "kraken_futures/messages_nautilus.jsonl": {
        KRAKEN_FUTURES: """
            http_cancel_order_futures.json http_futures_fills.json http_futures_open_orders.json
            http_futures_order_events.json http_send_order_futures_unknown_trigger.json
            ws_futures_fills_delta.json ws_futures_open_orders_cancel.json
            ws_futures_open_orders_delta.json ws_futures_open_orders_snapshot.json""",
    },
    "kraken_futures/ws_frames_jkorf.jsonl": {KRAKEN_FUTURES: "OrderUpdate.txt#3 UserTrade.txt#2"},
    "kucoin/rest_documented_sdk.jsonl": {
        ONLY_IDS: """
            test_add_order_resp_model test_batch_add_orders_resp_model
            test_cancel_order_by_order_id_resp_model test_cancel_order_by_client_oid_resp_model
            test_cancel_partial_order_resp_model test_cancel_all_orders_resp_model
            test_add_order_old_resp_model test_batch_add_orders_old_resp_model
            test_cancel_order_by_client_oid_old_resp_model""",
        "the switch's answer is not read but for its code": "test_get_dcp_resp_model",
        STOPS: """
            test_add_stop_order_resp_model test_cancel_stop_order_by_order_id_resp_model
            test_get_stop_order_by_order_id_resp_model test_add_oco_order_resp_model
            test_cancel_oco_order_by_client_oid_resp_model test_get_oco_order_by_order_id_resp_model
            test_get_oco_order_detail_by_order_id_resp_model""",
    },
    "kucoin/ws_documented_sdk.jsonl": {STOPS: "test_stop_order_resp_model"},
    "kucoin/ws_frames_jkorf.jsonl": {
        MARGIN: """
            DebtRatio.txt IsolatedMarginPosition.txt MarginNewOrder.txt MarginOrderUpdate.txt""",
        "the answer to a subscription": "Balance.txt#2",
    },
    "kucoin/ws_gocryptotrader.jsonl": {
        MONEY: "wsHandleData.json#8 wsHandleData.json#14 wsHandleData.json#15 wsHandleData.json#16",
        MARGIN: "wsHandleData.json#9 wsHandleData.json#10",
        STOPS: "wsHandleData.json#11",
        MARKET: """
            wsHandleData.json wsHandleData.json#2 wsHandleData.json#3 wsHandleData.json#4
            wsHandleData.json#5 wsHandleData.json#12 wsHandleData.json#13 wsHandleData.json#18
            wsHandleData.json#19 wsHandleData.json#20""",
    },
    "kucoin_futures/ws_documented_sdk.jsonl": {
        MONEY: "test_balance_resp_model",
        SUBS: "test_margin_mode_resp_model",
    },
    "kucoin_futures/ws_frames_jkorf.jsonl": {
        MONEY: "Balance.txt Position.txt RiskAdjust.txt Withdrawable.txt",
        STOPS: "StopOrder.txt",
    },
}
"""What is not read, by file and reason."""

FOLDERS = {
    "binance_spot", "binance_usdm", "okx", "deribit", "alpaca", "bybit_v5", "coinbase_advanced",
    "coinbase_exchange", "kraken_v1", "kraken_v2", "kraken_futures", "kucoin", "kucoin_futures",
}  # fmt: skip
OTHERS = {
    "binance_coinm": "not traded", "binance_options": "not traded", "bybit_legacy": "closed",
    "okx_v3_legacy": "closed", "polygon": "no accounts", "twelvedata": "no accounts",
    "alphavantage": "no accounts", "edge_cases": "market data made wrong",
}  # fmt: skip
MARKETS = re.compile(
    r"(?i)ticker|aggregat|agg_trade|book|depth|k_?line|candle|exchange_?info|server_?time|get_time"
    r"|avg_price|instrument|premium|fundingrate|funding_rate|fundingsettlement|mark_?price|index"
    r"|snapshot|_trades?[._]|/trades?[._]|last_trades|liquidations?[._]|symbol|currencies"
    r"|announcement|asset_?pairs|product|heartbeat|ohlc|composit|http_futures_market|spot_market"
    r"|combos|expirations|chart|http_test|bestoffers|concurrent|estimatedprice|interest|pricelimit"
    r"|option_?summary|opt_summary|bbo_tbt|systemstatus|service_status|l2_data|subscri"
    r"|24hr_stats|call_auction|public_token|client_ip|wsAllTrades|wsTicker|blvt|trade_resp"
)
"""Names of market data and of talk about streams; any other is taken for an account's."""
ACCOUNTS = re.compile(
    r"(?i)account|execution|order_?update|user|balance|position|wallet|trade_?fee|margin|_config"
)
"""Names of an account's, though they have a word of the market's: Binance's fields are letters."""
OPEN_FILES = re.compile(
    r"with_expected|rest_gocrypto|rest_market|messages_xchange|coinbase_exchange/"
    r"|(?:okx|kucoin|kraken_v2)/ws_2026|deribit/ws_gocrypto"
)
"""Files of market data alone."""
PRIVATE = {
    "orderid", "ordid", "clordid", "clientorderid", "clientoid", "orderlinkid", "execid",
    "order_id", "client_order_id", "cl_ord_id", "cli_ord_id", "ordertxid", "txid", "walletbalance",
    "availablebalance", "cashbal", "available_balance", "balances", "positionbalance", "userid",
    "posmargin", "filled_qty", "buying_power",
}  # fmt: skip
ASKS = {"subscribe", "unsubscribe", "auth", "login", "challenge", "subscribed"}


def fields(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        yield from map(str.lower, value)
        for inner in value.values():
            yield from fields(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from fields(inner)


def handshake(message: Any) -> bool:
    """Return whether a message asks for a stream or a login, or says yes to one."""
    if not isinstance(message, dict) or "data" in message or "retCode" in message:
        return False
    said = (message.get(name) for name in ("op", "method", "type", "action", "event"))
    return any(str(word).lower() in ASKS for word in said)


def named(path: Path) -> Iterator[tuple[str, Any]]:
    """Return what a file has by where it is from; #2 is the second of a name."""
    seen: dict[str, int] = {}
    for line in path.read_text().splitlines():
        row = json.loads(line)
        where = row["src"].partition(" ")[0] if path.parent.name == "alpaca" else row.get("ctx", "")
        name = where.rpartition("/")[2]
        seen[name] = seen.get(name, 0) + 1
        yield (name if seen[name] == 1 else f"{name}#{seen[name]}"), row["msg"]


def accounts(file: str) -> set[str]:
    """Return the names of a file's messages that say something of an account, or may."""
    return {
        name
        for name, message in named(DATA / file)
        if not handshake(message)
        and (
            PRIVATE.intersection(fields(message))
            or ACCOUNTS.search(name)
            or not MARKETS.search(f"/{name}")
        )
    }


def files() -> list[str]:
    found = (path for folder in sorted(FOLDERS) for path in (DATA / folder).glob("*.jsonl"))
    return sorted(f"{path.parent.name}/{path.name}" for path in found)


def listed(table: dict[str, dict[str, str]], file: str) -> list[str]:
    texts = table.get(file, {}).values()
    return [word.rpartition(":")[2] for text in texts for word in text.split()]


def test_no_folder_of_a_provider_is_forgotten() -> None:
    there = {path.parent.relative_to(DATA).parts[0] for path in DATA.rglob("*.jsonl")}
    assert there - FOLDERS == set(OTHERS)


def test_every_message_of_an_account_is_read_or_has_its_reason() -> None:
    forgotten = {
        file: sorted(left)
        for file in files()
        if not OPEN_FILES.search(file)
        and (left := accounts(file) - {*listed(READ, file), *listed(UNREAD, file)})
    }
    assert forgotten == {}


def test_files_of_market_data_say_nothing_of_accounts() -> None:
    told = {
        file: [
            name
            for name, message in named(DATA / file)
            # Single orders of the whole market have ids.
            if not name.startswith("l3_event") and PRIVATE.intersection(fields(message))
        ]
        for file in files()
        if OPEN_FILES.search(file)
    }
    assert len(told) > 10
    assert {file: names for file, names in told.items() if names} == {}


def test_what_is_listed_is_there_once() -> None:
    for file in {*READ, *UNREAD}:
        words = listed(READ, file) + listed(UNREAD, file)
        assert len(words) == len(set(words)), file
        assert set(words) <= {name for name, _ in named(DATA / file)}, file


def test_the_module_that_reads_a_message_names_it() -> None:
    unnamed = []
    for file, by_module in READ.items():
        for module, words in by_module.items():
            text = (TESTS / module).read_text()
            for word in words.split():
                name = re.sub(
                    r"#\d+$|\.(?:json|txt)(?:#\d+)?$|_resp_model$", "", word.split(":")[0]
                )
                # A parametrized table may have the part of a family's names that differs.
                short = name.removeprefix("ws_spot_execution_report_")
                if name not in text and short not in text:
                    unnamed.append((module, word))
            assert file.rpartition("/")[2].partition(".")[0] in text, (module, file)
    assert unnamed == []
