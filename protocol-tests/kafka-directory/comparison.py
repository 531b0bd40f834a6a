"""What must be the same when another broker has opened a directory."""

import glob
import hashlib
import os

from stage import fail

# Brokers write to these by themselves when they start and stop; nothing that was in them may be lost.
GROWING = ("__consumer_offsets-", "__transaction_state-", "__share_group_state-")


def differences(before, after, limit=12):
    """Lines that are missing and lines that are new, a few of each."""
    lost, fresh = sorted(set(before) - set(after)), sorted(set(after) - set(before))
    text = [f"- {line[:300]}" for line in lost[:limit]] + [f"+ {line[:300]}" for line in fresh[:limit]]
    return f"{len(lost)} lines are missing, {len(fresh)} are new\n" + "\n".join(text)


def may_grow(line):
    words = line.split()
    if words[0] == "range":
        return words[2].startswith(GROWING)
    return words[0] in ("record", "committed") and words[1].startswith(GROWING)


def compare_contents(where, before, after):
    fixed_before = [line for line in before if not may_grow(line)]
    fixed_after = [line for line in after if not may_grow(line)]
    if fixed_before != fixed_after:
        fail(f"{where}: {differences(fixed_before, fixed_after)}")
    lost = {line for line in before if may_grow(line) and not line.startswith("range ")} - set(after)
    if lost:
        fail(f"{where}: lost from internal topics: {differences(lost, [])}")


def compare_cluster(where, before, after):
    if before != after:
        fail(f"{where}: {differences(before, after)}")


class Bytes:
    """The segments of a directory: what one broker has written stays as it is under the next."""

    def __init__(self, directory):
        self.directory = directory
        self.digests = {}

    def segments(self):
        return glob.glob(os.path.join(glob.escape(self.directory), "*-[0-9]*", "*.log"))

    def note(self):
        self.digests = {}
        for path in self.segments():
            if "-delete" not in path:
                self.digests[path] = (os.path.getsize(path), digest(path, os.path.getsize(path)))

    def still_there(self, where):
        for path, (size, known) in self.digests.items():
            if not os.path.exists(path):
                fail(f"{where}: {path} is gone")
            if os.path.getsize(path) < size or digest(path, size) != known:
                fail(f"{where}: {path} has changed in its first {size} bytes")


def digest(path, size):
    with open(path, "rb") as file:
        return hashlib.sha256(file.read(size)).hexdigest()
