"""Consumer groups: what was committed is not read again, what was not is; two members share the work."""

import json
import subprocess

from kcat_command import BOOTSTRAP, PREFIX, check, kcat, produce, same, topic

RESET = ["-X", "auto.offset.reset=earliest"]


def group_read(group, name, *arguments):
    """Reads to the end as a group of one, commits and leaves; sorted payloads."""
    output = kcat("-G", group, "-e", "-q", "-J", *RESET, *arguments, name)
    return sorted((json.loads(line)["payload"] for line in output.splitlines()), key=int)


name = topic("grouped", 3)
group = PREFIX + "group"
produce(name, "".join(f"k{n}:{n}\n" for n in range(300)), "-K:")
same("the first reader gets everything", group_read(group, name), [str(n) for n in range(300)])
same("the second reader of the group gets nothing", group_read(group, name), [])
produce(name, "".join(f"k{n}:{n}\n" for n in range(300, 350)), "-K:")
same("then only what is new", group_read(group, name), [str(n) for n in range(300, 350)])
same("another group reads everything", len(group_read(PREFIX + "other-group", name)), 350)

# Each kind of assignor that librdkafka 2.0 knows.
for assignor in ("range", "roundrobin", "cooperative-sticky"):
    read = group_read(f"{PREFIX}{assignor}", name, "-X", f"partition.assignment.strategy={assignor}")
    same(f"assignor {assignor}", len(read), 350)

# Two topics in one subscription.
second = topic("grouped-too", 1)
produce(second, "1000\n1001\n")
output = kcat("-G", PREFIX + "two-topics", "-e", "-q", "-J", *RESET, name, second)
same("two topics", len(output.splitlines()), 352)

# Two members at once: both get partitions, together they see every record once.
shared = topic("shared", 4)
members = [
    subprocess.Popen(["kcat", "-b", BOOTSTRAP, "-G", PREFIX + "pair", "-u", "-J", *RESET, shared],
                     stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    for _ in range(2)
]
try:
    # kcat reports assignments on standard error: wait until both have said that they hold some.
    held = []
    for member in members:
        while True:
            line = member.stderr.readline().decode()
            check("a member ended early", line)
            # With two members of four partitions each one's share settles at two.
            if "rebalanced" in line and "assigned" in line and line.count("[") == 2:
                held.append({word for word in line.replace(",", " ").split() if word.startswith("[")})
                break
    same("shares are disjoint and whole", (held[0] | held[1], held[0] & held[1]), ({"[0]", "[1]", "[2]", "[3]"}, set()))
    for partition in range(4):
        produce(shared, "".join(f"{partition * 100 + n}\n" for n in range(100)), "-p", partition)
    # Each has what is its own when it has read so much; it is not told to end before.
    read = [[member.stdout.readline() for _ in range(200)] for member in members]
finally:
    for member in members:
        member.terminate()
seen = []
for member, lines in zip(members, read):
    output, _ = member.communicate(timeout=30)
    part = [json.loads(line)["payload"] for line in lines + output.splitlines()]
    same("each member read its two partitions", len(part), 200)
    seen += part
same("together they saw every record once", sorted(seen, key=int), [str(n) for n in range(400)])
