"""A batch whose acknowledgement was lost in a restart is still recognised when it is sent again."""

import json
import os
import subprocess

from raw import Partition, connect, create_topic, fail, new_producer_id, same, simple_batch

OUT_OF_ORDER_SEQUENCE_NUMBER = 45
DUPLICATE_SEQUENCE_NUMBER = 46

name, topic_id = create_topic("producer-state-restart", segment_bytes=1048576)


def order(word):
    answer = json.loads(subprocess.run([os.environ["BROKER_CONTROL"], word], check=True, capture_output=True).stdout)
    print(word, answer, flush=True)


def send(sequence, values=(b"x",)):
    with connect() as connection:
        batch = simple_batch(list(values), producer_id=producer, producer_epoch=0, base_sequence=sequence)
        answer = Partition(connection, name, topic_id).produce(batch)
    return answer["error_code"], answer["base_offset"]


with connect() as connection:
    producer = new_producer_id(connection)["producer_id"]
    given = {producer}
end = 0
for how in ("stop", "kill9", "kill9", "stop"):
    for _ in range(6):
        same("before", send(end), (0, end))
        end += 1
    order(how)
    order("start")
    same(f"after {how}: the last batch again", send(end - 1), (0, end - 1))
    # A snapshot of producer state, as a clean stop leaves it, holds only each producer's last batch.
    code, offset = send(end - 3)
    if (code, offset) != (0, end - 3) and code not in (OUT_OF_ORDER_SEQUENCE_NUMBER, DUPLICATE_SEQUENCE_NUMBER):
        fail(f"after {how}: an older batch again: error {code}, offset {offset}")
    same(f"after {how}: a gap", send(end + 1)[0], OUT_OF_ORDER_SEQUENCE_NUMBER)
    same(f"after {how}: the next in line", send(end), (0, end))
    end += 1
    # Producer ids are never given twice, whatever happened in between.
    with connect() as connection:
        fresh = new_producer_id(connection)["producer_id"]
    same(f"after {how}: a producer id that was given before", fresh in given, False)
    given.add(fresh)
with connect() as connection:
    same("log end", Partition(connection, name, topic_id).offset(-1)["offset"], end)
