"""A group of processes that may have so much memory and no more; of cgroups version 1 or 2, whichever can be made."""

import os

VERSION_1 = "/sys/fs/cgroup/memory"
VERSION_2 = "/sys/fs/cgroup"


class MemoryGroup:
    """A limit of memory for one broker. Without cgroups it has no folder, and the arena watches from outside."""

    def __init__(self, name, limit):
        self.limit = limit
        self.folder = None
        for parent, setting in ((VERSION_1, "memory.limit_in_bytes"), (VERSION_2, "memory.max")):
            folder = os.path.join(parent, name)
            try:
                os.mkdir(folder)
            except OSError:
                continue
            try:
                with open(os.path.join(folder, setting), "w") as file:
                    file.write(str(limit))
            except OSError:
                os.rmdir(folder)
                continue
            self.folder = folder
            return

    def command(self):
        """The words in front of a command that run it within the group."""
        if not self.folder:
            return []
        return ["sh", "-c", 'echo $$ > "$0" && exec "$@"', os.path.join(self.folder, "cgroup.procs")]

    def remove(self):
        """Takes the group away when its last process has gone."""
        if self.folder:
            try:
                os.rmdir(self.folder)
            except OSError as problem:
                print(f"{self.folder} stays: {problem}", flush=True)
