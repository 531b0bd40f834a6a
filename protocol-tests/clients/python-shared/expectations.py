"""What a scenario demands, in plain comparisons that say what they saw."""

import os
import sys
import time

# A broker that answers nothing must fail a scenario, not hang it.
PATIENCE_SECONDS = 60


def same(what, got, wanted):
    if got != wanted:
        fail(f"{what}:\n  got    {shorten(got)}\n  wanted {shorten(wanted)}")


def check(what, condition, detail=""):
    if not condition:
        fail(f"{what} {shorten(detail)}")


def until(what, condition, seconds=PATIENCE_SECONDS):
    """Waits for a condition that must come true."""
    deadline = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            fail(f"not within {seconds} s: {what}")
        time.sleep(0.05)


def shorten(value):
    text = value if isinstance(value, str) else repr(value)
    return text if len(text) < 1500 else text[:1500] + f"... ({len(text)} characters)"


def fail(message):
    # A consumer that is not closed would wait for its group when the interpreter ends.
    print(f"FAILED: {message}", flush=True)
    sys.stdout.flush()
    os._exit(1)
