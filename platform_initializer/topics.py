"""Makes topics, users, permissions: ``python3 -m platform_initializer.topics [NODE...]``.

Run in a container beside Kafka, since the tool itself may reach the machines by SSH only.
"""

from __future__ import annotations

import os
import sys

from common.bus.kafka import KafkaBus
from common.config import Settings
from common.errors import RotaError
from common.messages.topics import fixed_topics, node_topics
from common.secret import Secret
from platform_initializer.access import access_rules


def main() -> int:
    """Make what is missing and print how many; 1 when Kafka refuses."""
    wanted = [*fixed_topics(), *(topic for node in sys.argv[1:] for topic in node_topics(node))]
    try:
        settings = Settings(os.environ)
        bus = KafkaBus(settings.kafka(), "initializer")
        bus.set_passwords(_passwords(settings))
        made = bus.create_topics(wanted)
        rules = access_rules(sys.argv[1:])
        bus.grant(rules)
        bus.close()
    except RotaError as error:
        print(f"topics: {error}", file=sys.stderr)
        return 1
    print(f"{len(made)} topics made of {len(wanted)}; {len(rules)} permissions")
    return 0


def _passwords(settings: Settings) -> dict[str, Secret]:
    """Read the users' file but for our own line, the first; brokers read it only once."""
    lines = settings.text("KAFKA_USERS").splitlines()[1:]
    pairs = (line.partition(":") for line in lines)
    return {user: Secret(password) for user, _, password in pairs}


if __name__ == "__main__":
    sys.exit(main())
