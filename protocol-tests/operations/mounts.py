"""Small file systems of a scenario's own, which vanish with it.

They are mounted in a mount namespace that only this process and its children see: nothing has to be
unmounted, even after SIGKILL, and nobody else notices.
"""

import ctypes
import os
import subprocess

from stage import fail

CLONE_NEWNS = 0x00020000
CLONE_NEWUSER = 0x10000000


def enter_private_namespace():
    """From now on mounts are this process's own. Must come before any thread is started."""
    libc = ctypes.CDLL(None, use_errno=True)
    user, group = os.getuid(), os.getgid()
    if libc.unshare(CLONE_NEWNS) != 0:
        # Who is not root may be the root of a user namespace, where the system allows those.
        if libc.unshare(CLONE_NEWNS | CLONE_NEWUSER) != 0:
            fail(f"cannot make a mount namespace ({os.strerror(ctypes.get_errno())}): run as root")
        write("/proc/self/setgroups", "deny")
        write("/proc/self/uid_map", f"0 {user} 1")
        write("/proc/self/gid_map", f"0 {group} 1")
    # Without this, mounts would still spread to the namespace that we came from.
    mount("--make-rprivate", "/")


def mount_memory(path, mebibytes):
    """A file system of this size in memory."""
    os.makedirs(path, exist_ok=True)
    mount("-t", "tmpfs", "-o", f"size={mebibytes}m,mode=0755", "tmpfs", path)


def mount_read_only(source, path):
    """The same files, where nobody can change them, not even root."""
    os.makedirs(path, exist_ok=True)
    mount("--bind", source, path)
    mount("-o", "remount,bind,ro", path)


def mount(*words):
    done = subprocess.run(["mount", *words], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=20)
    if done.returncode:
        fail(f"mount {' '.join(words)}: {done.stderr.strip()}")


def write(path, text):
    with open(path, "w") as file:
        file.write(text)


def free_bytes(path):
    space = os.statvfs(path)
    return space.f_bavail * space.f_frsize


def leave_free(path, foreign_file, wanted):
    """Writes somebody else's file until no more than `wanted` bytes are free; 0 is to the last byte."""
    with open(foreign_file, "ab", buffering=0) as file:
        while free_bytes(path) > wanted:
            piece = min(1 << 20, max(free_bytes(path) - wanted, 1))
            try:
                file.write(b"\xaa" * piece)
            except OSError:
                # No space left: that is as full as it gets.
                return
