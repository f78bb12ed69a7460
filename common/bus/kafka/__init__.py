"""The door to Kafka, on kafka-python. No other package imports kafka.

Nothing connects before its first use, and a constructor never fails because no broker is there.
kafka-python has one maintainer; what we found it to do is written where we deal with it.
"""

from common.bus.kafka.bus import KafkaBus

__all__ = ["KafkaBus"]
