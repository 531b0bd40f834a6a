"""What a broker knows of an idempotent producer: the last five batches by sequence, gaps, epochs, wrap-around."""

from raw import Partition, connect, create_topic, new_producer_id, same, simple_batch

OUT_OF_ORDER_SEQUENCE_NUMBER = 45
INVALID_PRODUCER_EPOCH = 47

connection = connect()
name, topic_id = create_topic("producer-state")
partition = Partition(connection, name, topic_id)
producer = new_producer_id(connection)["producer_id"]


def send(sequence, values=(b"x",), epoch=0, to=partition, by=None):
    answer = to.produce(simple_batch(list(values), producer_id=by or producer, producer_epoch=epoch, base_sequence=sequence))
    return answer["error_code"], answer["base_offset"]


# Batches of two records: sequences 0, 2, 4, ... land at offsets 0, 2, 4, ...
for number in range(8):
    same(f"batch {number}", send(2 * number, (b"a", b"b")), (0, 2 * number))
# The last five again: their original offsets, and nothing is stored twice.
for number in range(3, 8):
    same(f"batch {number} again", send(2 * number, (b"a", b"b")), (0, 2 * number))
same("log end after repeats", partition.offset(-1)["offset"], 16)
# Older than that is no duplicate that can be recognised, later is a gap; a repeat of another length is neither.
for what, sequence, values in (("too old", 2, (b"a", b"b")), ("a gap", 18, (b"a",)), ("half a repeat", 14, (b"a",))):
    code, _ = send(sequence, values)
    same(f"{what} (out of order, or a duplicate without an offset)", code in (OUT_OF_ORDER_SEQUENCE_NUMBER, 46), True)
same("log end after refusals", partition.offset(-1)["offset"], 16)
same("and in order it goes on", send(16), (0, 16))

# A new epoch starts at sequence 0; the old epoch is over.
same("a new epoch, not from zero", send(5, epoch=1)[0], OUT_OF_ORDER_SEQUENCE_NUMBER)
same("a new epoch from zero", send(0, epoch=1), (0, 17))
same("the old epoch", send(17, epoch=0)[0], INVALID_PRODUCER_EPOCH)

# Producers do not disturb each other; batches without a producer disturb nobody.
other = new_producer_id(connection)["producer_id"]
same("another producer", send(0, by=other), (0, 18))
same("no producer", (partition.produce(simple_batch([b"plain"]))["error_code"]), 0)
same("the first one goes on", send(1, epoch=1), (0, 20))
same("the other one, too", send(1, by=other), (0, 21))

# A producer that is new to the partition may begin anywhere (its state may have expired), and wraps from 2^31-1 to 0.
wrapping_name, wrapping_id = create_topic("wrapping")
wrapping = Partition(connection, wrapping_name, wrapping_id)
last = 2**31 - 1
same("near the end of the sequence", send(last - 1, (b"a",), to=wrapping), (0, 0))
same("a batch over the wrap-around", send(last, (b"a", b"b", b"c"), to=wrapping), (0, 1))
same("goes on behind it", send(2, (b"d",), to=wrapping), (0, 4))
same("a repeat over the wrap-around", send(last, (b"a", b"b", b"c"), to=wrapping), (0, 1))
connection.socket.close()
