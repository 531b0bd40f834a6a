"""Where reading starts: by number, from the end, by time; and the question for an offset by time."""

import re
import time

from kcat_command import consume, kcat, kcat_result, offsets, payloads, produce, same, topic

name = topic("numbers")
produce(name, "".join(f"{number}\n" for number in range(10)))

same("from the beginning", offsets(consume(name, "-o", "beginning")), list(range(10)))
same("from offset 5", offsets(consume(name, "-o", 5)), [5, 6, 7, 8, 9])
same("the last three", offsets(consume(name, "-o", -3)), [7, 8, 9])
same("from the end", consume(name, "-o", "end"), [])
same("from the log end offset", consume(name, "-o", 10), [])
same("a count", offsets(consume(name, "-o", 2, "-c", 4)), [2, 3, 4, 5])
# Beyond the end the client resets; to the beginning when told so.
same("out of range, reset to the beginning",
     offsets(consume(name, "-o", 1000, "-X", "auto.offset.reset=earliest")), list(range(10)))
same("out of range, reset to the end", consume(name, "-o", 1000, "-X", "auto.offset.reset=latest"), [])
refused = kcat_result("-C", "-t", name, "-e", "-q", "-o", 1000, "-X", "auto.offset.reset=error")
same("out of range, told to fail", refused.returncode != 0 and b"out of range" in refused.stderr.lower(), True)

# By time. Batches a little apart, so that a time between them exists.
timed = topic("timed", 2)
between = []
for batch in range(3):
    produce(timed, f"{batch}-a\n{batch}-b\n", "-p", 0)
    time.sleep(0.05)
    between.append(int(time.time() * 1000))
    time.sleep(0.05)
from_start = consume(timed, "-p", 0)
stamps = [record["ts"] for record in from_start]
same("timestamps are create times", {record["tstype"] for record in from_start}, {"create"})
same("timestamps do not run back", stamps, sorted(stamps))
same("from a time", payloads(consume(timed, "-p", 0, "-o", f"s@{between[0]}")), ["1-a", "1-b", "2-a", "2-b"])
same("up to a time", payloads(consume(timed, "-p", 0, "-o", "beginning", "-o", f"e@{between[1]}")),
     ["0-a", "0-b", "1-a", "1-b"])
same("between two times", payloads(consume(timed, "-p", 0, "-o", f"s@{between[0]}", "-o", f"e@{between[1]}")),
     ["1-a", "1-b"])
same("from a time before everything", len(consume(timed, "-p", 0, "-o", "s@1000")), 6)
same("from a time after everything", consume(timed, "-p", 0, "-o", f"s@{int(time.time() * 1000) + 3600_000}"), [])


def asked(partition, when):
    """kcat -Q: the offset that belongs to a time."""
    answer = kcat("-Q", "-t", f"{timed}:{partition}:{when}").decode()
    return int(re.search(r"offset (-?\d+)", answer).group(1))


same("exact time of the third record", asked(0, stamps[2]), 2)
same("a time between", asked(0, between[1]), 4)
same("earliest (-2)", asked(0, -2), 0)
same("latest (-1)", asked(0, -1), 6)
same("latest of an empty partition", asked(1, -1), 0)
