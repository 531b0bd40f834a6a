"""A broker with auto.create.topics.enable=false makes no topic for anyone who merely asks."""

from kcat_command import PREFIX, check, kcat, kcat_result, metadata, produce, same, topic

missing = PREFIX + "missing"
result = kcat_result("-P", "-t", missing, "-X", "message.timeout.ms=4000", given="x\n")
check("a producer to an unknown topic fails", result.returncode != 0 or b"nknown topic" in result.stderr, result)
check("and hears why", b"nknown topic" in result.stderr or b"timed out" in result.stderr.lower(), result.stderr)
result = kcat_result("-C", "-t", missing, "-e", "-q", "-X", "allow.auto.create.topics=true")
check("a consumer that would create it fails", result.returncode != 0, result)
check("and hears why", b"nknown topic" in result.stderr, result.stderr)
same("asked for by name", metadata("-t", missing)["topics"][0].get("error", ""), "Broker: Unknown topic or partition")
check("nothing was created", missing not in [entry["topic"] for entry in metadata()["topics"]])

made = topic("made")
produce(made, "still works\n")
same("a topic that was made on purpose works", kcat("-C", "-t", made, "-e", "-q"), b"still works\n")
