"""Who asks for protection that is not there must hear it before anybody comes, not read it in a log."""

import os

import kafka_files
from one_shot import overrides, refused, run
from stage import Stage, check, passed, same

AUTHORIZER = "org.apache.kafka.metadata.authorizer.StandardAuthorizer"

REFUSED = {
    "authorizer.class.name": AUTHORIZER,
    "allow.everyone.if.no.acl.found": "false",
    "super.users": "User:admin",
    "ssl.client.auth": "required",
    "ssl.keystore.location": "/etc/kafka/secrets/kafka.keystore.jks",
    "sasl.enabled.mechanisms": "SCRAM-SHA-512",
    "sasl.mechanism.inter.broker.protocol": "PLAIN",
    "security.inter.broker.protocol": "SASL_SSL",
    "listener.name.external.ssl.client.auth": "required",
    "connections.max.reauth.ms": "3600000",
    "principal.builder.class": "org.example.Builder",
    "create.topic.policy.class.name": "org.example.Policy",
    "config.providers": "file",
    "remote.log.storage.system.enable": "true",
}

# Kafka's defaults, written down as many files have them.
DEFAULTS = {
    "authorizer.class.name": "",
    "super.users": "",
    "ssl.client.auth": "none",
    "sasl.enabled.mechanisms": "GSSAPI",
    "security.inter.broker.protocol": "PLAINTEXT",
    "connections.max.reauth.ms": "0",
    "remote.log.storage.system.enable": "false",
    "ssl.endpoint.identification.algorithm": "",
    "group.share.max.size": "200",
    "zookeeper.connect": "",
}


def asked_for(stage):
    directory = stage.path("never-made")
    base = {"log.dirs": directory, "listeners": "PLAINTEXT://127.0.0.1:0"}
    for key, value in REFUSED.items():
        line = refused(f"{key}={value}", run(*overrides({**base, key: value})), key, value, "--override", "; remove it")
        check("has no effect" not in line, f"{key}={value}: refused in the words of a warning: {line}")
    path = stage.path("secured.properties")
    with open(path, "w") as file:
        file.write(f"authorizer.class.name={AUTHORIZER}\n")
    refused("an authorizer in a file", run(path), "authorizer.class.name", path)
    refused("a mechanism in the environment", run(environment={"KAFKA_SASL_ENABLED_MECHANISMS": "PLAIN"}), "KAFKA_SASL_ENABLED_MECHANISMS", "PLAIN")
    refused("what is printed is refused too", run("config", "--override", f"authorizer.class.name={AUTHORIZER}"), AUTHORIZER)
    secret = refused("a password", run(*overrides({"ssl.keystore.password": "hush-hush"})), "ssl.keystore.password")
    check("hush-hush" not in secret, f"a password is shown: {secret}")
    refused("Kafka's image with TLS", run(environment={**kafka_files.image_with_tls(), "KAFKA_LOG_DIRS": directory}), "SSL")
    check(not os.path.exists(directory), "a refused configuration has made a data directory")
    passed("protection that is not there")


def listeners(_stage):
    """Nobody is told to call them plain."""
    for protocol in ("SSL", "SASL_PLAINTEXT", "SASL_SSL"):
        line = refused(f"a listener with {protocol}", run(environment={"KAFKA_LISTENERS": f"PLAINTEXT://127.0.0.1:0,{protocol}://:9093"}),
                       f"{protocol}://:9093", "KAFKA_LISTENERS", "not served yet")
        check(f"{protocol}:PLAINTEXT" not in line and "map " not in line, f"advice to call {protocol} plain: {line}")
    line = refused("a listener with TLS of another name", run(environment={
        "KAFKA_LISTENERS": "CLIENT://127.0.0.1:0", "KAFKA_LISTENER_SECURITY_PROTOCOL_MAP": "CLIENT:SSL"}), "CLIENT", "SSL", "KAFKA_LISTENERS")
    check("CLIENT:PLAINTEXT" not in line, f"advice to call it plain: {line}")
    passed("listeners with TLS and SASL")


def defaults(_stage):
    """Kafka's default, given explicitly, asks for nothing."""
    printed = run("config", *overrides(DEFAULTS))
    same(f"status with Kafka's defaults ({printed.errors!r})", printed.status, 0)
    same("what is said of Kafka's defaults", printed.errors, "")
    passed("Kafka's defaults")


with Stage(seconds=60) as stage:
    stage.step(asked_for)
    stage.step(listeners)
    stage.step(defaults)
