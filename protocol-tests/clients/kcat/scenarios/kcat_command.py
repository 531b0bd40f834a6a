"""Calls kcat the way a person at a shell does, and looks hard at what it says."""

import json
import os
import subprocess
import sys

BOOTSTRAP = os.environ["BOOTSTRAP_SERVERS"]
PREFIX = os.environ["TOPIC_PREFIX"]
WORK = os.environ["WORK_DIRECTORY"]


def topic(name, partitions=1, **configs):
    """Makes a topic (kcat has no command for that) and returns its unique name."""
    full = PREFIX + name
    settings = [f"{key.replace('_', '.')}={value}" for key, value in configs.items()]
    subprocess.run([os.environ["CREATE_TOPIC"], full, str(partitions), *settings], check=True)
    return full


def kcat_result(*arguments, given=None, timeout=60):
    """Runs kcat whatever comes of it: the completed process, with bytes for output."""
    words = ["kcat", "-b", BOOTSTRAP, *map(str, arguments)]
    given = given.encode() if isinstance(given, str) else given
    return subprocess.run(words, input=given if given is not None else b"", capture_output=True, timeout=timeout)


def kcat(*arguments, given=None, timeout=60):
    """Runs kcat, which must succeed, and returns its standard output as bytes."""
    result = kcat_result(*arguments, given=given, timeout=timeout)
    if result.returncode != 0:
        fail(f"kcat {' '.join(map(str, arguments))} ended with {result.returncode}\n{result.stderr.decode()}")
    return result.stdout


def produce(name, given, *arguments, timeout=60):
    return kcat("-P", "-t", name, *arguments, given=given, timeout=timeout)


def consume(name, *arguments, timeout=60):
    """Every record up to the end, as the dicts of kcat's JSON output in the order of arrival."""
    output = kcat("-C", "-t", name, "-e", "-q", "-J", *arguments, timeout=timeout)
    return [json.loads(line) for line in output.splitlines()]


def payloads(records):
    return [record["payload"] for record in records]


def offsets(records):
    return [record["offset"] for record in records]


def metadata(*arguments):
    return json.loads(kcat("-L", "-J", *arguments))


def same(what, got, wanted):
    """The one comparison of these scenarios."""
    if got != wanted:
        fail(f"{what}:\n  got    {shorten(got)}\n  wanted {shorten(wanted)}")


def check(what, condition, detail=""):
    if not condition:
        fail(f"{what} {shorten(detail)}")


def shorten(value):
    text = value if isinstance(value, str) else repr(value)
    return text if len(text) < 1500 else text[:1500] + f"... ({len(text)} characters)"


def fail(message):
    sys.exit(f"FAILED: {message}")
