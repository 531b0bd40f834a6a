"""What the node is: one of several it cannot be, and the cluster's id that Kafka's images give is its own."""

import os

import kafka_files
from client import Client
from one_shot import overrides, refused, run
from stage import Stage, check, passed, same

ID = kafka_files.CLUSTER_ID


def nothing_was_made(directory):
    check(not os.path.exists(directory), f"a refused node has made {directory}")


def nodes_of_a_cluster(stage):
    """Each of them would found a cluster of its own."""
    directory = stage.path("one-of-three")
    for node, roles in ((1, "broker,controller"), (2, "broker,controller"), (4, "broker"), (1, "controller")):
        environment = {**kafka_files.image_of_three(node, roles), "KAFKA_LOG_DIRS": directory}
        line = refused(f"node {node} of three with {roles}", run(environment=environment), "runs alone", "environment variable KAFKA_")
        check("KAFKA_PROCESS_ROLES" in line or "KAFKA_CONTROLLER_QUORUM_VOTERS" in line, f"the variable is not named: {line}")
    for name, text, key in (("broker", kafka_files.BROKER, "process.roles"), ("controller", kafka_files.CONTROLLER, "process.roles"),
                            ("zookeeper", kafka_files.ZOOKEEPER, "zookeeper.connect")):
        path = stage.path(f"{name}.properties")
        with open(path, "w") as file:
            file.write(text.format(directory=directory))
        refused(f"Kafka's {name}.properties", run(path), key, path, "runs alone")
    base = {"log.dirs": directory, "listeners": "PLAINTEXT://127.0.0.1:0,CONTROLLER://127.0.0.1:9093", "controller.listener.names": "CONTROLLER"}
    for key, value in (("controller.quorum.voters", "9@127.0.0.1:9093"), ("controller.quorum.voters", "127.0.0.1:9093"),
                       ("controller.quorum.bootstrap.servers", "controller-1:9093"),
                       ("controller.quorum.bootstrap.servers", "127.0.0.1:9093,127.0.0.1:9094"),
                       ("controller.quorum.auto.join.enable", "true"), ("process.roles", "")):
        refused(f"{key}={value}", run(*overrides({**base, key: value})), key, value, "--override")
    nothing_was_made(directory)
    passed("nodes of a cluster")


def node_of_kafkas_image(stage):
    """The variables of the image's example of one node, and its cluster id."""
    broker = stage.broker({"listeners": None, "group.initial.rebalance.delay.ms": None}, environment=kafka_files.image_alone(0))
    broker.chosen_listeners = True
    broker.start()
    same("the cluster's id", broker.cluster_id, ID)
    first = broker.own_lines()
    check(first and f"as node 1 of cluster {ID}" in first[0] and "zurau " in first[0], f"the first line does not say who starts: {first[:1]}")
    same("warnings", broker.logged(" WARN "), [])
    with Client(broker, address=f"127.0.0.1:{broker.listeners['PLAINTEXT_HOST'][1]}") as client:
        same("the cluster's id as clients see it", client.call("Metadata", 9, {"topics": []})["cluster_id"], ID)
    same("exit status", broker.stop(), 0)
    broker.start()
    same("the cluster's id after a restart", broker.cluster_id, ID)
    same("exit status", broker.stop(), 0)
    passed("a node of Kafka's image")
    return broker


def another_cluster(stage):
    broker = stage.broker({}, environment={"CLUSTER_ID": ID})
    broker.start()
    same("the cluster's id", broker.cluster_id, ID)
    same("exit status", broker.stop(), 0)
    given = overrides({"log.dirs": broker.data_directory, "listeners": "PLAINTEXT://127.0.0.1:0"})
    other = "5L6g3nShT-eMCtK--X86sw"
    refused("a directory of another cluster", run(*given, environment={"CLUSTER_ID": other}), broker.data_directory, ID, other, "CLUSTER_ID")
    refused("two ids", run(*given, environment={"CLUSTER_ID": ID, "KAFKA_CLUSTER_ID": other}), "CLUSTER_ID", "KAFKA_CLUSTER_ID", "differ")
    refused("no id", run(*given, environment={"CLUSTER_ID": "not an id"}), "not an id", "environment variable CLUSTER_ID", "random-uuid")
    # Without the variable the directory knows.
    broker.environment = {}
    broker.start()
    same("the cluster's id without the variable", broker.cluster_id, ID)
    same("exit status", broker.stop(), 0)
    # A second directory belongs to the same cluster.
    both = f"{broker.data_directory},{stage.path('second')}"
    second = stage.broker({"log.dirs": both}, environment={"CLUSTER_ID": ID})
    second.start()
    same("the cluster's id with a second directory", second.cluster_id, ID)
    same("exit status", second.stop(), 0)
    passed("another cluster's id")


with Stage(seconds=60) as stage:
    stage.step(nodes_of_a_cluster)
    stage.step(node_of_kafkas_image)
    stage.step(another_cluster)
