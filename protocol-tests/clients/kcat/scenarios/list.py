"""kcat -L, for people and as JSON: brokers, topics, partitions."""

from kcat_command import BOOTSTRAP, check, kcat, kcat_result, metadata, same, topic

name = topic("listed", 3)
other = topic("listed-too", 1)

# As text, as a person sees it.
text = kcat("-L").decode()
check("one broker is named", "1 brokers:" in text, text)
check("the topic is there with its partitions", f'topic "{name}" with 3 partitions:' in text, text)
# Of this topic alone, since other scenarios' topics may have any name.
alone = kcat("-L", "-t", name).decode()
check("nothing about it is an error", "error" not in alone.lower() and "Broker:" not in alone, alone)

# As JSON.
everything = metadata()
same("number of brokers", len(everything["brokers"]), 1)
broker = everything["brokers"][0]
same("the address that clients get is the one they came by", broker["name"], BOOTSTRAP)
same("the controller is that broker", everything["controllerid"], broker["id"])
listed = {entry["topic"]: entry for entry in everything["topics"]}
check("both topics are listed", {name, other} <= set(listed), sorted(listed))
for number, partition in enumerate(sorted(listed[name]["partitions"], key=lambda entry: entry["partition"])):
    same("partition numbers are dense", partition["partition"], number)
    same("leader", partition["leader"], broker["id"])
    same("replicas", [entry["id"] for entry in partition["replicas"]], [broker["id"]])
    same("in-sync replicas", [entry["id"] for entry in partition["isrs"]], [broker["id"]])

# One topic only.
only = metadata("-t", other)
same("asked for one topic", [entry["topic"] for entry in only["topics"]], [other])
same("its partitions", len(only["topics"][0]["partitions"]), 1)

# A broker that is not there: an error message and a failing exit status, in bounded time.
nobody = kcat_result("-L", "-m", "2", "-b", "127.0.0.1:1")
check("no broker is a failing exit status", nobody.returncode != 0, nobody)
