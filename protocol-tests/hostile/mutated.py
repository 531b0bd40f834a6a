"""Good requests of every served API and version with something broken at random.

The seed is printed; --seed repeats a run. Apache Kafka with a small heap runs out of memory under some seeds,
so the long run with a new seed each time is for Zurau only.
"""

import argparse
import random
import time

from bodies import Bodies
from target import Target, answer_or_hang_up, fail

from wire.connection import encode_request, frame, served

EXTREMES = [b"\x7f\xff\xff\xff", b"\xff\xff\xff\xff", b"\x80\x00\x00\x00", b"\x00\x00\x00\x00", b"\x00\x00\xff\xff",
            b"\xff\xff\xff\xff\x0f", b"\xff\xff\xff\xff\x07", b"\x80\x80\x80\x80\x80\x80", b"\x7f\xff", b"\x80\x00"]


def mutate(chance, good, spare):
    """One to three wounds. `spare` bytes at the end stay as they are."""
    data = bytearray(good)
    for _ in range(chance.randint(1, 3)):
        # The API key and the version decide who decodes the rest: mostly leave them alone.
        start = 0 if chance.random() < 0.05 else 8
        end = max(start + 1, len(data) - spare)
        place = chance.randrange(start, end)
        kind = chance.randrange(6)
        if kind == 0:
            data[place] ^= 1 << chance.randrange(8)
        elif kind == 1:
            data[place] = chance.randrange(256)
        elif kind == 2:
            lie = chance.choice(EXTREMES)
            data[place : min(place + len(lie), end)] = lie[: max(0, end - place)]
        elif kind == 3:
            del data[place : min(place + chance.randint(1, 8), end)]
        elif kind == 4:
            data[place:place] = chance.randbytes(chance.randint(1, 8))
        else:
            piece = data[place : min(place + chance.randint(1, 32), end)]
            data[place:place] = piece
        if len(data) < 9:
            break
    return bytes(data)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(2**32))
    parser.add_argument("--count", type=int, default=5000)
    parser.add_argument("--seconds", type=float, default=60)
    options = parser.parse_args()
    print(f"seed {options.seed}", flush=True)
    chance = random.Random(options.seed)
    target = Target()
    bodies = Bodies(target)
    requests = []
    for api, low, high in served(target.versions):
        # What creates things is only validated; the flag that says so is at the end and is spared.
        spare = 2 if api.name in ("CreateTopics", "CreatePartitions") else 0
        requests += [(api, version, spare) for version in range(low, high + 1)]
    outcome = {"answer": 0, "closed": 0, "silence": 0}
    connection = None
    began = time.monotonic()
    count = 0
    while count < options.count and time.monotonic() - began < options.seconds:
        api, version, spare = requests[count % len(requests)]
        data = mutate(chance, encode_request(api, version, bodies.of(api)), spare)
        count += 1
        try:
            connection = connection or target.connect()
        except OSError as problem:
            fail(f"after {count} requests, this one of {api.name} v{version}: no connection: {problem}")
        try:
            connection.send_bytes(frame(data))
        except OSError:
            connection.socket.close()
            connection = None
            continue
        kind, _ = answer_or_hang_up(connection, 0.03)
        outcome[kind] += 1
        if kind != "answer":
            connection.socket.close()
            connection = None
        if count % 500 == 0:
            target.still_well(f"{count} mutated requests, the last of {api.name} v{version}")
    target.still_well(f"{count} mutated requests")
    now = target.memory()
    print(f"figures: seed {options.seed}, {count} requests, {outcome}, resident {target.before['VmRSS']} -> {now['VmRSS']} KiB")


main()
