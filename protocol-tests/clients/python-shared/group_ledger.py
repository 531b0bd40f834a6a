"""Who of a group owns which partition, and what the group has read: no partition has two owners at any time."""

import threading

from expectations import fail


class GroupLedger:
    def __init__(self):
        self._lock = threading.Lock()
        self._owners = {}
        self._members = set()
        self._values = []

    def gained(self, member, partitions):
        with self._lock:
            self._members.add(member)
            for partition in partitions:
                owner = self._owners.get(partition, member)
                if owner != member:
                    fail(f"partition {partition} given to {member} while {owner} has it")
                self._owners[partition] = member

    def gave_up(self, member, partitions):
        with self._lock:
            for partition in partitions:
                if self._owners.get(partition) == member:
                    del self._owners[partition]

    def left(self, member):
        with self._lock:
            self._members.discard(member)
            kept = [partition for partition, owner in self._owners.items() if owner == member]
            if kept:
                fail(f"{member} left and did not give up {kept}")

    def read(self, member, partition, value):
        with self._lock:
            if self._owners.get(partition) != member:
                fail(f"{member} read partition {partition} which it does not own")
            self._values.append(value)

    def values(self):
        with self._lock:
            return list(self._values)

    def shares(self):
        """The sorted partitions of every member."""
        with self._lock:
            return {member: sorted(p for p, owner in self._owners.items() if owner == member) for member in self._members}

    def balanced(self, members, partitions):
        """Whether so many members own all partitions in shares of equal size."""
        sizes = [len(share) for share in self.shares().values()]
        return len(sizes) == members and sum(sizes) == partitions and max(sizes) - min(sizes) <= 1
