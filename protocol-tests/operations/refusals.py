"""Starts that cannot be: each ends with status 1 and one line that names the directory or the address."""

import os
import re
import shutil
import socket

from client import Client
from mounts import enter_private_namespace, mount_read_only
from one_shot import overrides, refused, run
from stage import Stage, check, passed, same

enter_private_namespace()


def start(directory, listeners="PLAINTEXT://127.0.0.1:0", **others):
    settings = {"log.dirs": directory, "listeners": listeners}
    settings.update({key.replace("_", "."): value for key, value in others.items()})
    return run(*overrides(settings))


def edit(path, pattern, replacement):
    with open(path) as file:
        text = file.read()
    changed, count = re.subn(pattern, replacement, text, flags=re.M)
    same(f"places to edit in {text!r}", count, 1)
    with open(path, "w") as file:
        file.write(changed)


def snapshot(directory):
    """Names and sizes of everything in a directory, to see that a refused start has changed nothing."""
    found = {}
    for folder, _, names in os.walk(directory):
        for name in names:
            path = os.path.join(folder, name)
            found[os.path.relpath(path, directory)] = os.path.getsize(path)
    return found


def port_in_use(stage):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        ended = start(stage.path("port-data"), f"PLAINTEXT://127.0.0.1:{port}")
        refused("a port that is in use", ended, "127.0.0.1", port, "in use")
    # What the refused start has begun must not be in the way of the next one.
    broker = stage.broker({"log.dirs": stage.path("port-data")})
    broker.start()
    same("exit status", broker.stop(), 0)
    line = refused("an address of another machine", start(stage.path("port-data"), "PLAINTEXT://192.0.2.1:0"), "192.0.2.1", "--override")
    check("another port" not in line, f"the port is not what is wrong: {line}")
    refused("a host that nobody knows", start(stage.path("port-data"), "PLAINTEXT://no-such-host.invalid:0"), "no-such-host.invalid", "name")
    passed("addresses that cannot be had")


def privileged_port(stage):
    """It is not taken by anybody: another cure."""
    with open("/proc/sys/net/ipv4/ip_unprivileged_port_start") as first:
        if int(first.read()) <= 1:
            print("every port can be had here by everybody: privileged ports are not tried", flush=True)
            return
    words = ["setpriv", "--bounding-set=-net_bind_service", "--inh-caps=-net_bind_service"]
    settings = {"log.dirs": stage.path("privileged-data"), "listeners": "PLAINTEXT://127.0.0.1:1"}
    line = refused("a privileged port", run(*overrides(settings), before=words), "127.0.0.1:1", "permission denied", "privilege", "--override")
    check("listens there" not in line, f"a privileged port is taken for one in use: {line}")
    passed("a privileged port")


def prepared(stage, name):
    """A data directory with a topic in it, closed cleanly."""
    broker = stage.broker(name=name)
    broker.start()
    with Client(broker) as client:
        client.create_topic("kept")
        client.produce_values("kept", [b"value"])
    same("exit status", broker.stop(), 0)
    return broker.data_directory


def no_directory(stage):
    path = stage.path("plain-file")
    with open(path, "w") as file:
        file.write("not a directory")
    refused("a log directory that is a file", start(path), path, "is a file and no directory", "log.dirs")
    # Beside others it costs only itself, as a disk that is not there does.
    broker = stage.broker({"log.dirs": f"{stage.path('beside-a-file')},{path}"})
    broker.start()
    same("lines about a file among log directories", len(broker.logged(" ERROR ", path, "is a file and no directory")), 1)
    same("exit status", broker.stop(), 0)
    below = os.path.join(path, "below")
    refused("a log directory below a file", start(below), below)
    refused("a log directory where none can be made", start("/proc/none/data"), "/proc/none/data")
    passed("paths that are no directory")


def somebody_elses(stage):
    data = prepared(stage, "identity")
    properties = os.path.join(data, "meta.properties")
    shutil.copy(properties, stage.path("good.properties"))
    before = snapshot(data)
    refused("a directory of another node", start(data, node_id=7), data, "7", "1")
    edit(properties, r"^node\.id=1$", "node.id=42")
    refused("a directory whose node id was edited", start(data), data, "42")
    edit(properties, r"^node\.id=42$", "")
    refused("a directory without a node id", start(data), data, "node.id")
    shutil.copy(stage.path("good.properties"), properties)
    edit(properties, r"^cluster\.id=.*$", "")
    refused("a directory without a cluster id", start(data), data, "cluster.id")
    shutil.copy(stage.path("good.properties"), properties)
    edit(properties, r"^version=1$", "version=9")
    refused("a directory of a version from the future", start(data), data, "version")
    shutil.copy(stage.path("good.properties"), properties)
    edit(properties, r"^directory\.id=.*$", "directory.id=not-an-id")
    refused("a directory whose id is none", start(data), data, "directory.id")
    shutil.copy(stage.path("good.properties"), properties)
    after = snapshot(data)
    for name, size in before.items():
        # Epochs of the metadata log may have moved; the records must be as they were.
        if name.startswith("kept-0"):
            same(f"size of {name} after the refused starts", after.get(name), size)
    broker = stage.broker(name="identity")
    broker.start()
    with Client(broker) as client:
        same("and the directory is still good", client.read("kept"), [(0, b"value")])
    same("exit status", broker.stop(), 0)
    passed("directories of somebody else")


def unreadable_quorum_state(stage):
    """Without it the broker would not know which epochs it has led; so it says so."""
    data = prepared(stage, "quorum-state")
    state = os.path.join(data, "__cluster_metadata-0", "quorum-state")
    with open(state) as file:
        good_state = file.read()
    with open(state, "w") as file:
        file.write("not JSON")
    refused("a quorum-state that cannot be read", start(data), state)
    with open(state, "w") as file:
        file.write(good_state)
    passed("a quorum-state that cannot be read")


def older_identity(stage):
    """A directory of an old release gets an id when it is certain that the start goes on, and not before."""
    data = prepared(stage, "older-identity")
    properties = os.path.join(data, "meta.properties")
    edit(properties, r"^version=1$", "version=0")
    edit(properties, r"^directory\.id=.*$", "")
    with open(properties) as file:
        before = file.read()
    os.rename(os.path.join(data, "__cluster_metadata-0"), stage.path("away"))
    refused("a directory whose metadata log is gone", start(data), data, "metadata-offset-checkpoint")
    with open(properties) as file:
        same("meta.properties after the refused start", file.read(), before)
    os.rename(stage.path("away"), os.path.join(data, "__cluster_metadata-0"))
    broker = stage.broker(name="older-identity")
    broker.start()
    with Client(broker) as client:
        same("records", client.read("kept"), [(0, b"value")])
    same("exit status", broker.stop(), 0)
    with open(properties) as file:
        same("directory ids", len(re.findall(r"^directory\.id=\S{22}$", file.read(), re.M)), 1)
    passed("an identity that an older release wrote")


def foreign_directory(stage):
    """What is no partition's may be somebody's work: nothing is done until somebody has looked.

    Only what file systems have in their roots (lost+found, .snapshot) is passed over, since data directories are
    often the root of a volume.
    """
    data = prepared(stage, "foreign")
    os.makedirs(os.path.join(data, "lost+found"))
    os.makedirs(os.path.join(data, ".snapshot"))
    os.makedirs(os.path.join(data, "notes"))
    refused("a directory inside that is no partition's", start(data), os.path.join(data, "notes"))
    os.rmdir(os.path.join(data, "notes"))
    broker = stage.broker(name="foreign")
    broker.start()
    with Client(broker) as client:
        same("records beside lost+found", client.read("kept"), [(0, b"value")])
    same("exit status", broker.stop(), 0)
    passed("directories of nobody")


def another_cluster(stage):
    """A replica directory of one cluster, moved under the identity of another, is not served as its own.

    One directory has nobody to contradict its cluster.id, so the metadata decide: the replica's topic id
    is in no topic. Where that is all that is there it may be the metadata that is wrong, so nothing is changed; when
    somebody has agreed it is set aside under its -stray name with all that it holds.
    """
    first, second = prepared(stage, "first-cluster"), prepared(stage, "second-cluster")
    shutil.rmtree(os.path.join(second, "kept-0"))
    shutil.copytree(os.path.join(first, "kept-0"), os.path.join(second, "kept-0"))
    names = sorted(os.listdir(second))
    refused("a metadata log that knows no partition that is there", start(second), "1 partitions", "kept-0",
            "metadata.log.dir", "zurau.stray.partitions.max=1")
    same("what the refused start has renamed or removed", sorted(os.listdir(second)), names)
    broker = stage.broker({"zurau.stray.partitions.max": 1}, name="second-cluster")
    broker.start()
    with Client(broker) as client:
        same("records of another cluster", client.read("kept"), [])
    same("exit status", broker.stop(), 0)
    strays = [name for name in os.listdir(second) if re.fullmatch(r"kept-0\.[0-9a-f]{32}-stray", name)]
    same(f"directories set aside in {sorted(os.listdir(second))}", len(strays), 1)
    same("its log", os.path.getsize(os.path.join(second, strays[0], "0" * 20 + ".log")),
         os.path.getsize(os.path.join(first, "kept-0", "0" * 20 + ".log")))
    passed("a replica of another cluster")


def locked(stage):
    broker = stage.broker()
    broker.start()
    before = snapshot(broker.data_directory)
    refused("a directory that another broker uses", start(broker.data_directory), broker.data_directory)
    same("what the refused start has changed", snapshot(broker.data_directory), before)
    os.unlink(os.path.join(broker.data_directory, ".lock"))
    refused("a directory whose lock was removed", start(broker.data_directory), broker.data_directory, "locked")
    with Client(broker) as client:
        client.create_topic("unharmed")
        same("the first broker serves on", client.produce_values("unharmed", [b"value"]), 0)
    broker.kill9()
    # A lock that outlives its holder would be worse than none.
    broker.start()
    same("exit status", broker.stop(), 0)
    passed("a locked directory")


def read_only(stage):
    data = prepared(stage, "read-only")
    mount_read_only(data, stage.path("read-only-view"))
    refused("a directory that is read-only", start(stage.path("read-only-view")), stage.path("read-only-view"))
    os.makedirs(stage.path("empty"))
    mount_read_only(stage.path("empty"), stage.path("empty-view"))
    refused("an empty directory that is read-only", start(stage.path("empty-view")), stage.path("empty-view"))
    inside = stage.path("empty-view", "data")
    refused("a directory inside a read-only one", start(inside), inside)
    passed("read-only directories")


with Stage(seconds=100) as stage:
    stage.step(port_in_use)
    stage.step(privileged_port)
    stage.step(no_directory)
    stage.step(somebody_elses)
    stage.step(unreadable_quorum_state)
    stage.step(older_identity)
    stage.step(foreign_directory)
    stage.step(another_cluster)
    stage.step(locked)
    stage.step(read_only)
