"""Connections that send much and are reset at once, again and again: what is still worked on stays counted."""

from functools import partial

from wire.records import simple_batch

from .arena import Flood
from .crowd import NEIGHBOUR
from .readers import fetch_much, sixty_four_mebibytes
from .requests import MEBIBYTE, produce, request
from .visits import send_and_reset

# Of ten connections; two gigabytes at most reach the disk.
ROUNDS = 12


def stormy_topic(arena):
    """What is written here is deleted soon, so that the disk has room for it."""
    arena.create_topic("stormy", 4, segment_bytes=16 * MEBIBYTE, retention_bytes=64 * MEBIBYTE)


def many_produces():
    """Sixteen produces of 1 MB."""
    batch = simple_batch([b"s" * 1_000_000])
    return b"".join(produce("stormy", batch, partition=number % 4) for number in range(16))


def metadata():
    return request("Metadata", 12, {})


def part_of_a_frame():
    """The first 4 MiB of a frame of 64 MiB."""
    return produce("stormy", bytes(64 * MEBIBYTE))[:4 * MEBIBYTE]


FLOODS = [
    Flood("16 MiB of produces and a reset, 10 at once",
          partial(send_and_reset, make=many_produces, connections=10, rounds=ROUNDS), stormy_topic, seconds=5),
    Flood("a fetch of 60 MiB and a reset, 50 at once", partial(send_and_reset, make=fetch_much, connections=50),
          sixty_four_mebibytes),
    Flood("a small request and a reset, 100 at once",
          partial(send_and_reset, make=metadata, connections=100, source=NEIGHBOUR)),
    Flood("4 MiB of a frame and a reset, 50 at once",
          partial(send_and_reset, make=part_of_a_frame, connections=50), stormy_topic),
]
