"""A real file system on a disk whose writes begin to fail, and later stop to do so.

The file system is an ext4 image on a loop device. Its file lies, with holes, on a small file system in memory:

    ext4 --- loop device --- image (128 MiB, sparse) --- memory (48 MiB)

When that memory is used up, the image cannot grow any more. The file system above does not know: it has room,
takes writes into the page cache, and learns only when these are brought to the disk that the disk refuses. So
write() goes on, and fsync() fails with EIO. With a journal, that fails as well sooner or later, and the kernel makes
the file system read-only. Without, only the data is lost: the next fsync() of the same file says that all is well,
which is why nobody may try again.

Where the kernel has dm-flakey, that stands between the image and the file system instead, and refuses all writes.

All this is in a mount namespace of the scenario's own. The last process in it that ends, however it ends, takes
the mounts along, and with these the loop device, which was told to go when nobody uses it.
"""

import atexit
import os
import shutil
import subprocess

from mounts import free_bytes, leave_free, mount, mount_memory, write
from stage import fail, skip

IMAGE_MEBIBYTES = 128
MEMORY_MEBIBYTES = 48
TOOLS = ("mkfs.ext4", "e2fsck", "losetup", "mount", "umount")


def run(*words, allowed=(0,)):
    done = subprocess.run(words, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=30)
    if done.returncode not in allowed:
        fail(f"{' '.join(words)}: status {done.returncode}: {done.stderr.strip() or done.stdout.strip()}")
    return done.stdout.strip()


def skip_without_loop_devices():
    """To be asked before anything else: what the scenario needs that not every machine has."""
    if os.getuid() != 0:
        skip("needs root, for a file system on a loop device")
    for tool in TOOLS:
        if not shutil.which(tool):
            skip(f"needs {tool}")
    if not os.path.exists("/dev/loop-control"):
        skip("needs loop devices")


def has_flakey():
    if not shutil.which("dmsetup"):
        return False
    done = subprocess.run(["dmsetup", "targets"], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=20)
    return done.returncode == 0 and any(line.startswith("flakey") for line in done.stdout.splitlines())


class FaultyDisk:
    """Mounted at `path` from the beginning."""

    def __init__(self, directory, journal):
        self.path = os.path.join(directory, "disk")
        self.memory = os.path.join(directory, "memory")
        self.image = os.path.join(self.memory, "image")
        self.filler = os.path.join(self.memory, "filler")
        self.flakey = self.limit = None
        os.makedirs(self.path)
        mount_memory(self.memory, MEMORY_MEBIBYTES)
        with open(self.image, "wb") as image:
            image.truncate(IMAGE_MEBIBYTES << 20)
        features = [] if journal else ["-O", "^has_journal"]
        run("mkfs.ext4", "-q", "-F", "-m", "0", "-b", "4096", "-E", "nodiscard", *features, self.image)
        self.mount()

    def mount(self):
        if not has_flakey():
            mount("-o", "loop,nodiscard", self.image, self.path)
            self._forbid_short_writes()
            return
        loop = run("losetup", "--find", "--show", self.image)
        self.flakey = f"zurau-test-{os.getpid()}"
        run("dmsetup", "create", self.flakey, "--table", self._table(loop, "linear"))
        self.loop = loop
        mount("-o", "nodiscard", f"/dev/mapper/{self.flakey}", self.path)
        # Both stay as long as they are used, and go then, also when nobody is there any more to say so.
        run("dmsetup", "remove", "--deferred", self.flakey)
        run("losetup", "--detach", loop)

    def _forbid_short_writes(self):
        """A request of which the image takes only a part is as good as done to Linux's loop driver. One page at a
        time, there are no parts."""
        with open("/proc/self/mounts") as mounts:
            devices = [line.split()[0] for line in mounts if line.split()[1] == self.path]
        self.limit = f"/sys/block/{os.path.basename(devices[-1])}/queue/max_sectors_kb"
        with open(self.limit) as limit:
            self.usual_limit = limit.read()
        atexit.register(self._allow_as_before)
        write(self.limit, "4")

    def _allow_as_before(self):
        """The device is everybody's, later."""
        if self.limit:
            write(self.limit, self.usual_limit)
            self.limit = None

    def unmount(self):
        self._allow_as_before()
        run("umount", self.path)

    def close(self):
        """Nothing of it is needed any more."""
        self.unmount()
        run("umount", self.memory)

    def _table(self, loop, kind):
        sectors = IMAGE_MEBIBYTES << 11
        if kind == "linear":
            return f"0 {sectors} linear {loop} 0"
        # always "down", in which only writes fail
        return f"0 {sectors} flakey {loop} 0 0 3600 1 error_writes"

    def _switch(self, kind):
        run("dmsetup", "suspend", "--noflush", "--nolockfs", self.flakey)
        run("dmsetup", "load", self.flakey, "--table", self._table(self.loop, kind))
        run("dmsetup", "resume", self.flakey)

    def break_writes(self, after_bytes=0):
        """From now on the disk refuses what it has no room for (dm-flakey: everything); `after_bytes` are still taken."""
        if self.flakey:
            self._switch("flakey")
            return
        # What the file system has in memory now must not use the room up by itself.
        os.sync()
        leave_free(self.memory, self.filler, after_bytes)

    def heal(self):
        """Takes writes again."""
        if self.flakey:
            self._switch("linear")
            return
        os.unlink(self.filler)
        if free_bytes(self.memory) < 1 << 20:
            fail("the disk under the file system is still full")

    def as_after_power_loss(self):
        """What is on the disk, and nothing that was only in memory; checked and mended, as at a boot."""
        self.unmount()
        # 1: something was mended, as it must be after an aborted journal
        run("e2fsck", "-f", "-y", self.image, allowed=(0, 1))
        self.mount()
