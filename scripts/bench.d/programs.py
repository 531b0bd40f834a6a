"""The compiled programs of the benchmarks, kept outside the repository under a hash of their source and command."""

import hashlib
import os
import pathlib
import shutil
import subprocess

FOLDER = pathlib.Path(__file__).resolve().parent
CACHE = pathlib.Path(os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache") / "zurau-bench"


class NotBuildable(Exception):
    """Something that the program needs is not installed; says what."""


def compiled(name, sources, command):
    """The path of the program `name`, compiled by `command` (which writes `-o PATH`) unless that has been done."""
    digest = hashlib.sha256(" ".join(map(str, command)).encode())
    for source in sources:
        digest.update(source.read_bytes())
    program = CACHE / f"{name}-{digest.hexdigest()[:16]}"
    if not program.exists():
        CACHE.mkdir(parents=True, exist_ok=True)
        unfinished = program.with_suffix(f".{os.getpid()}")
        subprocess.run([*map(str, command), "-o", str(unfinished)], check=True)
        unfinished.rename(program)
    return program


def floor():
    source = FOLDER / "floor" / "floor.rs"
    return compiled("floor", [source], ["rustc", "--edition", "2021", "-O", source])


def librdkafka_load():
    folder = FOLDER / "librdkafka"
    if not shutil.which("pkg-config") or subprocess.run(["pkg-config", "--exists", "rdkafka"]).returncode:
        raise NotBuildable("librdkafka's headers are missing (Debian: librdkafka-dev and pkg-config)")
    flags = subprocess.run(["pkg-config", "--cflags", "--libs", "rdkafka"], check=True, capture_output=True, text=True).stdout.split()
    sources = sorted(folder.glob("*.c"))
    return compiled("librdkafka-load", [*sources, *folder.glob("*.h")],
                    ["cc", "-O2", "-Wall", "-Wextra", "-pthread", *sources, *flags])


def librdkafka_version():
    answer = subprocess.run(["pkg-config", "--modversion", "rdkafka"], capture_output=True, text=True)
    return answer.stdout.strip() or None
