"""A minimal Kafka protocol in Python's standard library, for tests that real clients cannot do.

Real clients send only good bytes. The hostile scenarios need every served request at every version,
and then need to break it; the shell clients need a topic with partitions and have no command for it.
Everything is written by hand from the protocol's published message fields, independent of the broker's
own codec, so that the two cannot be wrong in the same way.
"""
