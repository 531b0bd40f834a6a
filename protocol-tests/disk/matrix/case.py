"""What a case is.

    Case("segment/log-first/missing", damage)               a topic of its own; many such cases share a start
    Alone("directory/meta-properties/fifo", damage)         a copy of the data directory, and a start, of its own

`damage` gets the `Data` of the directory while the broker is down, and changes files in it. A `Case` is judged by its own topic,
an `Alone` by all topics of the small directory, which has the topics `SHARED`.
"""

import os

# The topics of the directory that cases have for themselves.
SHARED = ("orders", "payments")


class Case:
    """One damage to the files of one topic, which has one partition."""

    def __init__(self, name, damage):
        self.name = name
        self.damage = damage
        self.topic = name.replace("/", ".")

    def __repr__(self):
        return self.name


class Alone(Case):
    """One damage to what all topics share. Where `may_refuse`, the broker need not start: it must end by itself then, with
    an ERROR or a last line that names `file` (or whatever `told` says)."""

    def __init__(self, name, damage, may_refuse=True, told=()):
        super().__init__(name, damage)
        self.may_refuse = may_refuse
        self.told = tuple(told)


class Data:
    """A data directory without a broker, as damages see it."""

    def __init__(self, path, topic=None):
        self.path = path
        self.topic = topic

    @property
    def replica(self):
        return os.path.join(self.path, f"{self.topic}-0")

    def files(self, ending):
        """Full paths of the replica's files with this ending, in the order of their offsets."""
        return [os.path.join(self.replica, name) for name in sorted(os.listdir(self.replica)) if name.endswith(ending)]

    def file(self, name):
        return os.path.join(self.path, name)
