"""The files of a partition: segments, indexes, snapshots, epochs, the topic id, and the directory itself."""

import os
import shutil
import struct

from . import ways
from .case import Case

PLACES = {"first": 0, "middle": 1, "last": -1}
SMALL_FILES = ("leader-epoch-checkpoint", "partition.metadata")
# Offsets in a batch's header, and of what is behind it.
BASE_OFFSET, LENGTH, MAGIC, RECORDS = 0, 8, 16, 70


def plain(ending, place, way):
    def damage(data):
        files = data.files(ending)
        at = PLACES[place]
        way(files[at], files[at - 1])

    return damage


def small(name, way):
    """The sibling is that of another topic."""

    def damage(data):
        others = sorted(entry for entry in os.listdir(data.path) if entry.startswith("unharmed"))
        way(os.path.join(data.replica, name), os.path.join(data.path, others[0], name))

    return damage


def batch_positions(path):
    with open(path, "rb") as file:
        content = file.read()
    at, found = 0, []
    while at + 12 <= len(content):
        found.append(at)
        at += 12 + struct.unpack_from(">i", content, at + 8)[0]
    return found


def flipped_in_batch(place, batch, byte, bit=2):
    def damage(data):
        path = data.files(".log")[PLACES[place]]
        ways.flip(path, batch_positions(path)[batch] + byte, bit)

    return damage


def cut_at_batch(place):
    """The file ends where a batch ends: nothing in it looks torn."""

    def damage(data):
        path = data.files(".log")[PLACES[place]]
        os.truncate(path, batch_positions(path)[4])

    return damage


def without_index(place, batch, byte):
    """A damaged batch, and the index was removed."""

    def damage(data):
        flipped_in_batch(place, batch, byte)(data)
        os.unlink(data.files(".index")[PLACES[place]])

    return damage


def whole_segment(place):
    def damage(data):
        stem = os.path.basename(data.files(".log")[PLACES[place]])[:20]
        for name in os.listdir(data.replica):
            if name.startswith(stem):
                os.unlink(os.path.join(data.replica, name))

    return damage


def all_files(data):
    for name in os.listdir(data.replica):
        os.unlink(os.path.join(data.replica, name))


def no_directory(data):
    shutil.rmtree(data.replica)


def linked_directory(data):
    elsewhere = ways.elsewhere_of(data.replica)
    shutil.move(data.replica, elsewhere)
    os.symlink(elsewhere, data.replica)


CASES = [
    *(Case(f"log-{place}/{ways.name_of(way)}", plain(".log", place, way)) for place in PLACES for way in ways.PLAIN),
    *(Case(f"{kind}-{place}/{ways.name_of(way)}", plain(f".{kind}", place, way))
      for kind in ("index", "timeindex") for place in ("middle", "last") for way in ways.PLAIN),
    *(Case(f"snapshot-last/{ways.name_of(way)}", plain(".snapshot", "last", way)) for way in ways.PLAIN),
    *(Case(f"{name}/{ways.name_of(way)}", small(name, way)) for name in SMALL_FILES for way in ways.PLAIN),
    *(Case(f"batch-{place}-{batch}/{name}", flipped_in_batch(place, batch, byte, bit))
      for place in PLACES for batch in (0, 3, 7)
      for name, byte, bit in (("base-offset", BASE_OFFSET + 7, 5), ("base-offset-high", BASE_OFFSET + 2, 1),
                              ("length", LENGTH + 2, 1), ("magic", MAGIC, 0), ("records", RECORDS, 4))),
    *(Case(f"log-{place}/cut-at-batch", cut_at_batch(place)) for place in PLACES),
    *(Case(f"log-{place}/flipped-and-no-index", without_index(place, 3, RECORDS)) for place in PLACES),
    *(Case(f"segment-{place}/missing", whole_segment(place)) for place in PLACES),
    Case("replica/all-files-missing", all_files),
    Case("replica/missing", no_directory),
    Case("replica/linked", linked_directory),
]
