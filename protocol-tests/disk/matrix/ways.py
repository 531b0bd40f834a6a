"""The ways in which a file can be other than it was written. Each takes the path of the file, and of a sibling of the
same kind; those in `PLAIN` need no knowledge of what the file holds."""

import os
import shutil

HUGE = 1 << 40


def missing(path, _sibling):
    os.unlink(path)


def empty(path, _sibling):
    os.truncate(path, 0)


def cut(path, _sibling):
    """Ends in the middle, and hardly ever where something in it ends."""
    os.truncate(path, os.path.getsize(path) * 3 // 5)


def cut_by_one(path, _sibling):
    os.truncate(path, max(os.path.getsize(path) - 1, 0))


def zeroed(path, _sibling):
    write(path, bytes(os.path.getsize(path)))


def zeroed_tail(path, _sibling):
    with open(path, "rb") as file:
        content = file.read()
    kept = len(content) // 2
    write(path, content[:kept] + bytes(len(content) - kept))


def flipped_first(path, _sibling):
    flip(path, 0)


def flipped_middle(path, _sibling):
    flip(path, os.path.getsize(path) // 2)


def flipped_last(path, _sibling):
    flip(path, max(os.path.getsize(path) - 1, 0))


def swapped(path, sibling):
    aside = path + "-aside"
    os.rename(path, aside)
    os.rename(sibling, path)
    os.rename(aside, sibling)


def linked(path, _sibling):
    """The file was moved to another disk, and a symbolic link stands in its place."""
    elsewhere = elsewhere_of(path)
    shutil.move(path, elsewhere)
    os.symlink(elsewhere, path)


def linked_to_nothing(path, _sibling):
    """The same, and the other disk is not mounted."""
    elsewhere = elsewhere_of(path)
    shutil.move(path, elsewhere + "-unmounted")
    os.symlink(elsewhere, path)


def fifo(path, _sibling):
    os.unlink(path)
    os.mkfifo(path)


def directory(path, _sibling):
    os.unlink(path)
    os.mkdir(path)


def huge(path, _sibling):
    """Longer than any such file can be, and nearly all of it a hole."""
    os.truncate(path, HUGE)


PLAIN = [missing, empty, cut, cut_by_one, zeroed, zeroed_tail, flipped_first, flipped_middle, flipped_last, swapped,
         linked, linked_to_nothing, fifo, directory, huge]


def name_of(way):
    return way.__name__.replace("_", "-")


def flip(path, position, bit=2):
    with open(path, "r+b") as file:
        file.seek(position)
        byte = file.read(1)
        if byte:
            file.seek(position)
            file.write(bytes([byte[0] ^ (1 << bit)]))


def write(path, content):
    with open(path, "r+b") as file:
        file.write(content)


def elsewhere_of(path):
    """A place beside all data directories."""
    root = os.environ["MATRIX_ELSEWHERE"]
    os.makedirs(root, exist_ok=True)
    return os.path.join(root, f"{len(os.listdir(root))}-{os.path.basename(path)}")
