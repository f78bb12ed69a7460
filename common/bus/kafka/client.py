"""How all our Kafka clients are configured and built, and what the driver's errors mean."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

from kafka import errors as driver
from kafka.net.compat import KafkaNetClient

from common.bus import BusUnavailableError, MessageTooLargeError, UnknownTopicError
from common.config import KafkaConfig

CONNECT_TIMEOUT_MS = 5000
REQUEST_TIMEOUT_MS = 5000

_UNKNOWN = (driver.UnknownTopicOrPartitionError, driver.InvalidTopicError)
_TOO_LARGE = (driver.MessageSizeTooLargeError, driver.RecordListTooLargeError)


def arguments_of(config: KafkaConfig, client_id: str) -> dict[str, Any]:
    """Return the keywords that producers, consumers and the admin client share."""
    arguments: dict[str, Any] = {
        "bootstrap_servers": list(config.bootstrap),
        "client_id": client_id,
        "security_protocol": "PLAINTEXT",
        "bootstrap_timeout_ms": CONNECT_TIMEOUT_MS,
        "request_timeout_ms": REQUEST_TIMEOUT_MS,
        "reconnect_backoff_max_ms": 1000,
        "metadata_max_age_ms": 60_000,
    }
    if config.user:
        arguments |= {
            "security_protocol": "SASL_PLAINTEXT",
            "sasl_mechanism": "SCRAM-SHA-512",
            "sasl_plain_username": config.user,
            "sasl_plain_password": config.password.reveal() if config.password else "",
        }
    if config.ca_file:
        secured = {"PLAINTEXT": "SSL", "SASL_PLAINTEXT": "SASL_SSL"}
        arguments["security_protocol"] = secured[arguments["security_protocol"]]
        arguments["ssl_cafile"] = config.ca_file
    return arguments


def build(client_class: Callable[..., Any], **arguments: Any) -> Any:
    """Build one of the driver's clients, which connects; raise `BusUnavailableError`.

    A client whose constructor fails leaves its thread and its sockets behind: we end them, or a
    service would collect some with every retry of an outage.
    """
    parts: list[Any] = []

    def network_of(**configs: Any) -> Any:
        parts.append(KafkaNetClient(**configs))
        return parts[-1]

    try:
        with translated():
            return client_class(**arguments, kafka_client=network_of)
    except BusUnavailableError as error:
        user = arguments.get("sasl_plain_username")
        # a broker that refuses a SCRAM password just hangs up: the driver cannot tell us more
        hint = f" (no broker answers, or none takes the password of {user})" if user else ""
        raise BusUnavailableError(f"{error}{hint}") from error.__cause__
    finally:
        if sys.exc_info()[0]:
            for part in parts:
                abandon(part)


def abandon(network: Any) -> None:
    """Close a network client and end its thread, whatever state it is in."""
    with suppress(Exception):
        network.close()
    with suppress(Exception):
        network._net.stop()  # noqa: SLF001 - nothing public ends the thread of a failed client


@contextmanager
def translated() -> Iterator[None]:
    """Turn the driver's errors into ours. What is neither our fault nor final is retryable."""
    try:
        yield
    except driver.KafkaConfigurationError:
        raise
    except _UNKNOWN as error:
        raise UnknownTopicError(_text(error)) from error
    except _TOO_LARGE as error:
        raise MessageTooLargeError(_text(error)) from error
    except (driver.KafkaError, OSError) as error:
        raise BusUnavailableError(_text(error)) from error


def _text(error: Exception) -> str:
    return f"Kafka: {type(error).__name__}: {error}"
