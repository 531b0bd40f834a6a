"""Runs of the binary that end by themselves: printed settings, refused starts."""

import subprocess

from stage import LEASH, binary, check, clean_environment, fail, same

# A line of text logging: time, level, message. Only the first two matter here.
LEVELS = (" TRACE ", " DEBUG ", " INFO ", " WARN ", " ERROR ")


class Ended:
    def __init__(self, arguments, done):
        self.arguments = arguments
        self.status = done.returncode
        self.output = done.stdout
        self.errors = done.stderr

    def __repr__(self):
        return f"zurau {' '.join(self.arguments)}: status {self.status}, stdout {self.output!r}, stderr {self.errors!r}"

    def error_lines(self):
        return self.errors.splitlines()


def run(*arguments, environment=None, seconds=15, folder=None, before=()):
    """Runs the binary, behind the words of another program, to its end; one that serves instead has failed."""
    arguments = [str(argument) for argument in arguments]
    try:
        done = subprocess.run(
            LEASH + [*before, binary()] + arguments, stdin=subprocess.DEVNULL, capture_output=True, text=True,
            timeout=seconds, env=clean_environment(**(environment or {})), cwd=folder,
        )
    except subprocess.TimeoutExpired as late:
        fail(f"zurau {' '.join(arguments)} does not end within {seconds} s; it said {late.stdout!r} and {late.stderr!r}")
    return Ended(arguments, done)


def overrides(settings):
    return [word for key, value in settings.items() for word in ("--override", f"{key}={value}")]


def refused(what, ended, *named):
    """A start that did not happen: status 1, nothing on standard output, one line that says why.

    What it logged on the way (INFO) may stand before that line; a warning or an error that is logged
    as well would make two reasons out of one.
    """
    if "panicked" in ended.errors:
        fail(f"{what}: it panicked: {ended}")
    same(f"{what}: exit status ({ended})", ended.status, 1)
    same(f"{what}: standard output", ended.output, "")
    reasons = [line for line in ended.error_lines() if " INFO " not in line]
    same(f"{what}: number of lines that say why ({ended.errors!r})", len(reasons), 1)
    for word in named:
        check(str(word).lower() in reasons[0].lower(), f"{what}: {word!r} is not named in {reasons[0]!r}")
    return reasons[0]


def setting_rows(ended):
    """`zurau config` as a dict from key to (value, origin)."""
    same(f"exit status of {ended}", ended.status, 0)
    rows = {}
    for line in ended.output.splitlines():
        key, _, rest = line.partition(" ")
        value, _, origin = rest.strip().partition("  ")
        rows[key] = (value.strip(), origin.strip())
    return rows
