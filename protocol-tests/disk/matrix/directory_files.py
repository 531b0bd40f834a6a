"""What all topics share: the files of a log directory, and those of the metadata log in it."""

import os
import re
import shutil

from . import ways
from .case import Alone

METADATA = "__cluster_metadata-0"
# Each file of a log directory, and one of the same form.
FILES = {
    "meta.properties": "replication-offset-checkpoint",
    ".lock": ".kafka_cleanshutdown",
    ".kafka_cleanshutdown": ".lock",
    "recovery-point-offset-checkpoint": "replication-offset-checkpoint",
    "replication-offset-checkpoint": "recovery-point-offset-checkpoint",
    "log-start-offset-checkpoint": "recovery-point-offset-checkpoint",
    "metadata-offset-checkpoint": "recovery-point-offset-checkpoint",
}
WAYS = (ways.missing, ways.empty, ways.cut, ways.zeroed, ways.flipped_middle, ways.swapped, ways.linked, ways.linked_to_nothing,
        ways.fifo, ways.directory, ways.huge)


def newest(data, ending, number=-1):
    directory = data.file(METADATA)
    names = sorted(name for name in os.listdir(directory) if name.endswith(ending))
    return os.path.join(directory, names[number])


def if_there(way, path, sibling):
    """A clean stop leaves a marker, a kill none; where there is nothing, something else can stand."""
    if not os.path.lexists(path):
        if way not in (ways.fifo, ways.directory):
            return
        open(path, "w").close()
    if way is ways.swapped and not os.path.lexists(sibling):
        return
    way(path, sibling)


def of_directory(name, sibling, way):
    return lambda data: if_there(way, data.file(name), data.file(sibling))


def of_metadata(ending, way):
    """The sibling is one of another log, or the snapshot before."""

    def damage(data):
        sibling = newest(data, ending, -2) if ending == ".checkpoint" else data.file(f"orders-0/{os.path.basename(newest(data, ending))}")
        if_there(way, newest(data, ending), sibling)

    return damage


def topics_of(number, bit):
    """A bit of where a batch of the metadata log says that it stands, which no checksum covers."""

    def damage(data):
        path = newest(data, ".log")
        at = 0
        with open(path, "rb") as file:
            content = file.read()
        for _ in range(number):
            at += 12 + int.from_bytes(content[at + 8:at + 12], "big")
        ways.flip(path, at + 7 - bit // 8, bit % 8)

    return damage


def no_metadata_log(data):
    shutil.rmtree(data.file(METADATA))


def empty_metadata_log(data):
    no_metadata_log(data)
    os.mkdir(data.file(METADATA))


def linked_metadata_log(data):
    elsewhere = ways.elsewhere_of(data.file(METADATA))
    shutil.move(data.file(METADATA), elsewhere)
    os.symlink(elsewhere, data.file(METADATA))


def no_sign_of_metadata(data):
    """A log that is gone together with what says how long it was."""
    no_metadata_log(data)
    os.unlink(data.file("metadata-offset-checkpoint"))


def both_snapshots(data):
    for number in (-1, -2):
        os.truncate(newest(data, ".checkpoint", number), 100)


def fifo_for_replica(data):
    """A name that is of no partition, under which nothing can be."""
    os.mkfifo(data.file("letters-0"))


def volume_names(data):
    for name in ("lost+found", ".snapshot", ".zfs"):
        os.mkdir(data.file(name))


def old_identity(data):
    """As releases wrote it that knew no ids of directories."""
    with open(data.file("meta.properties")) as file:
        lines = dict(line.split("=", 1) for line in file.read().splitlines() if re.match(r"\w", line))
    with open(data.file("meta.properties"), "w") as file:
        file.write(f"version=0\ncluster.id={lines['cluster.id']}\nbroker.id={lines['node.id']}\n")


def cases(prefix, told, damage_of, ways_of=WAYS):
    return [Alone(f"{prefix}/{ways.name_of(way)}", damage_of(way), told=told) for way in ways_of]


CASES = [
    *(case for name, sibling in FILES.items()
      for case in cases(f"directory/{name.lstrip('.')}", (), lambda way, name=name, sibling=sibling: of_directory(name, sibling, way))),
    *(case for ending, told in ((".log", "metadata"), (".index", "metadata"), (".checkpoint", "metadata"),
                                ("quorum-state", "quorum-state"), ("leader-epoch-checkpoint", "leader-epoch-checkpoint"),
                                ("partition.metadata", "partition.metadata"))
      for case in cases(f"metadata/{ending.lstrip('.')}", (told,), lambda way, ending=ending: of_metadata(ending, way))),
    *(Alone(f"metadata/base-offset-{number}-{bit}", topics_of(number, bit), told=("damaged at byte",))
      for number in (0, 2, 5) for bit in (0, 1, 9, 40, 63)),
    Alone("metadata/log-missing-whole", no_metadata_log, told=("ends at offset 0", "metadata-offset-checkpoint")),
    Alone("metadata/log-directory-empty", empty_metadata_log, told=("ends at offset 0",)),
    Alone("metadata/log-linked", linked_metadata_log, may_refuse=False),
    Alone("metadata/log-missing-without-trace", no_sign_of_metadata, told=("zurau.stray.partitions.max",)),
    Alone("metadata/both-snapshots-cut", both_snapshots),
    Alone("directory/fifo-beside", fifo_for_replica, may_refuse=False),
    Alone("directory/names-of-volumes", volume_names, may_refuse=False),
    Alone("directory/identity-of-version-0", old_identity, may_refuse=False),
]
