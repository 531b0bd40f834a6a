"""What the run tells its workers, and the settings that all their clients have."""

import os

BOOTSTRAP = os.environ["BOOTSTRAP_SERVERS"]
PREFIX = os.environ["TOPIC_PREFIX"]
HISTORIES = os.environ["HISTORY_DIRECTORY"]
INPUTS = int(os.environ["INPUT_PARTITIONS"])
OUTPUTS = int(os.environ["OUTPUT_PARTITIONS"])
TIMEOUT_MS = int(os.environ["TRANSACTION_TIMEOUT_MS"])
SEED = os.environ["SEED"]
GROUP = PREFIX + "loops"

# Clients must find a broker that is back at once, or the run measures their patience.
IMPATIENT = {"bootstrap.servers": BOOTSTRAP, "reconnect.backoff.ms": 10, "reconnect.backoff.max.ms": 100,
             "socket.connection.setup.timeout.ms": 2000, "log_level": 0,
             # With "rebootstrap" librdkafka 2.16 gives up the broker that it knew as the group's coordinator, and a
             # send_offsets_to_transaction after a restart waits for that one for ever.
             "metadata.recovery.strategy": "none"}

INPUT_PLACES = [f"in-{number}" for number in range(INPUTS)]
OUTPUT_PLACES = [f"out-{number}" for number in range(OUTPUTS)]


def topic_partition(place):
    """The topic and partition of a place."""
    name, _, number = place.rpartition("-")
    return PREFIX + name, int(number)


def place_of(message):
    return f"{message.topic()[len(PREFIX):]}-{message.partition()}"
