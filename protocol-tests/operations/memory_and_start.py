"""How long a start takes and how much memory an idle broker has: bounds of sanity, not measurements."""

import os
import time

from client import Client
from stage import Stage, check, same

READY_SECONDS = 1.0
IDLE_KIBIBYTES = 64 * 1024
# Other work on the machine slows a start down but speeds none up: the best of several is the broker's.
TRIES = 5


def resident(pid):
    with open(f"/proc/{pid}/status") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("VmRSS"))


with Stage(seconds=120) as stage:
    fresh, again, sizes = [], [], []
    for number in range(TRIES):
        broker = stage.broker()
        fresh.append(broker.start())
        with Client(broker) as client:
            client.versions()
            client.create_topic("some", partitions=10)
            client.produce_values("some", [b"value"])
            client.commit("readers", "some", 1)
        same("exit status", broker.stop(), 0)
        # With the fifty partitions of __consumer_offsets to open, as every start but the first has.
        again.append(broker.start())
        with Client(broker) as client:
            same("the record", client.read("some"), [(0, b"value")])
        time.sleep(0.5)
        sizes.append(resident(broker.pid))
        same("exit status", broker.stop(), 0)
    check(min(fresh) < READY_SECONDS, f"a first start takes {min(fresh):.2f} s and more: {fresh}")
    check(min(again) < READY_SECONDS, f"a later start takes {min(again):.2f} s and more: {again}")
    check(min(sizes) < IDLE_KIBIBYTES, f"an idle broker has {min(sizes)} KiB and more: {sizes}")

    # Starts and stops leave the files of partitions that nobody has written to alone, also after a kill.
    broker = stage.broker()
    broker.start()
    with Client(broker) as client:
        client.versions()
        client.create_topic("idle", partitions=500)
        client.produce_values("idle", [b"value"])
    same("exit status", broker.stop(), 0)

    def idle_files():
        found = {}
        for number in range(500):
            with os.scandir(broker.partition_directory("idle", number)) as entries:
                for entry in entries:
                    status = entry.stat()
                    found[number, entry.name] = (status.st_ino, status.st_size, status.st_mtime_ns)
        return found

    before = idle_files()
    check(len(before) > 2000, f"500 partitions have {len(before)} files")
    for ending in (broker.stop, broker.kill9, broker.stop):
        broker.start()
        with Client(broker) as client:
            same("the record", client.read("idle"), [(0, b"value")])
        ending()
    changed = sorted(key for key, value in idle_files().items() if before.get(key) != value)
    check(not changed, f"{len(changed)} files were written of partitions that nobody has touched: {changed[:5]}")
    broker.start()
    same("exit status", broker.stop(), 0)

    # Two hundred silent clients and an idle minute's worth of processor time: next to nothing.
    broker = stage.broker()
    broker.start()
    crowd = [Client(broker) for _ in range(200)]
    for client in crowd:
        client.versions()
    time.sleep(0.5)
    crowded = resident(broker.pid)
    check(crowded < IDLE_KIBIBYTES, f"with 200 idle clients the broker has {crowded} KiB")

    def ticks():
        with open(f"/proc/{broker.pid}/stat") as stat:
            fields = stat.read().rsplit(")", 1)[1].split()
        return int(fields[11]) + int(fields[12])

    before = ticks()
    time.sleep(3)
    busy = (ticks() - before) / os.sysconf("SC_CLK_TCK") / 3
    check(busy < 0.1, f"an idle broker uses {busy:.0%} of a processor core")
    same("exit status", broker.stop(), 0)
    print(f"figures: ready after {min(fresh) * 1000:.0f} ms, {min(again) * 1000:.0f} ms with data, {min(sizes)} KiB idle, "
          f"{crowded} KiB with 200 clients")
