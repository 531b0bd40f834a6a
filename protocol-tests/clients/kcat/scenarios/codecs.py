"""Every codec, in batches large and small; also mixed in one partition, and read from the middle of a batch."""

from kcat_command import check, consume, kcat, payloads, produce, same, topic

CODECS = ["none", "gzip", "snappy", "lz4", "zstd"]

lines = [f"line {number} " + "abcdefgh" * (number % 50) for number in range(5000)]
given = "".join(line + "\n" for line in lines)

for codec in CODECS:
    name = topic(f"codec-{codec}", 2)
    produce(name, given, "-z", codec, "-p", 1)
    got = consume(name, "-p", 1)
    same(f"{codec}: number of records", len(got), len(lines))
    check(f"{codec}: records unchanged and in order", payloads(got) == lines)
    # An offset inside a compressed batch: the broker sends the whole batch, the client skips.
    tail = consume(name, "-p", 1, "-o", 4321, "-c", 3)
    same(f"{codec}: from the middle", payloads(tail), lines[4321:4324])

# One partition with batches of all codecs, one after another.
mixed = topic("codec-mixed")
for codec in CODECS:
    produce(mixed, f"{codec} one\n{codec} two\n", "-z", codec)
same("all codecs in one partition", payloads(consume(mixed)), [f"{c} {n}" for c in CODECS for n in ("one", "two")])

# One large compressible record per codec: 900 kB raw, well below the limit of a record.
for codec in CODECS:
    name = topic(f"large-{codec}")
    produce(name, "x" * 900_000 + "\n", "-z", codec)
    check(f"{codec}: large record", kcat("-C", "-t", name, "-e", "-q", "-f", "%s") == b"x" * 900_000)

# A topic that names a codec of its own: what producers sent is stored in that codec.
recompressed = topic("recompressed", compression_type="gzip")
produce(recompressed, "".join(line + "\n" for line in lines[:200]), "-z", "lz4")
produce(recompressed, "plain\n", "-z", "none")
same("a topic with a codec of its own", payloads(consume(recompressed)), lines[:200] + ["plain"])
