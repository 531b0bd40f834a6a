"""Fields of Kafka messages and how they look on the wire, at every version.

A schema is a list of `Field`; a message is a dict. A field that the dict lacks takes its default, so a
well-formed request of any API and version is `encode(schema, version, {})`.
"""

import struct
import uuid as uuid_module

FIXED = {"bool": ">?", "int8": ">b", "int16": ">h", "uint16": ">H", "int32": ">i", "uint32": ">I", "int64": ">q",
         "float64": ">d"}


class Field:
    """One field: its name, type, the versions that carry it, where it may be null, its tag if any.

    `kind` is a name of FIXED, "string", "bytes", "records", "uuid", "[]" + one of those, or a list of
    fields, which means an array of structures. The shape "{}" makes such a list one structure, "?{}" one
    structure that may be absent.
    """

    def __init__(self, name, kind, versions="0+", null=None, tag=None, default=None, shape="[]"):
        self.name = name
        self.kind = kind
        self.versions = span(versions)
        self.null = span(null) if null else None
        self.tag = tag
        self.default = default
        self.shape = shape

    def present(self, version):
        return self.versions[0] <= version <= self.versions[1]

    def nullable(self, version):
        return self.null is not None and self.null[0] <= version <= self.null[1]


def span(text):
    """Reads "3+" or "1-4" or "2" as an inclusive range of versions."""
    if text.endswith("+"):
        return int(text[:-1]), 32767
    low, _, high = text.partition("-")
    return int(low), int(high or low)


def unsigned_varint(value):
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def varint(value):
    """The zigzag form that records use; for 32 and 64 bits alike."""
    return unsigned_varint(value << 1 if value >= 0 else (-value << 1) - 1)


class Encoder:
    """Writes the fields of one message at one version."""

    def __init__(self, version, flexible):
        self.version = version
        self.flexible = flexible
        self.out = bytearray()

    def structure(self, fields, value):
        tagged = []
        for field in fields:
            if not field.present(self.version):
                continue
            given = value.get(field.name, field.default)
            if field.tag is not None:
                if field.name in value:
                    tagged.append((field.tag, field, given))
                continue
            self.field(field, given)
        if self.flexible:
            self.out += unsigned_varint(len(tagged))
            for tag, field, given in sorted(tagged, key=lambda entry: entry[0]):
                inner = Encoder(self.version, True)
                inner.field(field, given)
                self.out += unsigned_varint(tag) + unsigned_varint(len(inner.out)) + inner.out

    def field(self, field, given):
        kind = field.kind
        if isinstance(kind, list):
            if field.shape == "{}":
                self.structure(kind, given or {})
            elif field.shape == "?{}":
                self.out += b"\xff" if given is None else b"\x01"
                if given is not None:
                    self.structure(kind, given)
            else:
                self.array(given, field, lambda item: self.structure(kind, item))
        elif kind.startswith("[]"):
            self.array(given, field, lambda item: self.primitive(kind[2:], item, False))
        else:
            self.primitive(kind, given, field.nullable(self.version))

    def array(self, given, field, write):
        if given is None and field.nullable(self.version):
            self.length(None, 4)
            return
        given = given or []
        self.length(len(given), 4)
        for item in given:
            write(item)

    def length(self, count, width):
        if self.flexible:
            self.out += unsigned_varint(0 if count is None else count + 1)
        elif width == 2:
            self.out += struct.pack(">h", -1 if count is None else count)
        else:
            self.out += struct.pack(">i", -1 if count is None else count)

    def primitive(self, kind, given, nullable):
        if kind in FIXED:
            self.out += struct.pack(FIXED[kind], given or 0)
        elif kind == "uuid":
            self.out += given.bytes if given else bytes(16)
        else:
            if given is None and not nullable:
                given = b""
            raw = given.encode() if isinstance(given, str) else given
            self.length(None if raw is None else len(raw), 2 if kind == "string" else 4)
            self.out += raw or b""


class Malformed(Exception):
    """The bytes are not the message that they should be."""


class Decoder:
    """Reads the fields of one message at one version."""

    def __init__(self, data, version, flexible):
        self.data = data
        self.at = 0
        self.version = version
        self.flexible = flexible

    def take(self, count):
        if count < 0 or self.at + count > len(self.data):
            raise Malformed(f"wants {count} bytes at {self.at} of {len(self.data)}")
        part = self.data[self.at : self.at + count]
        self.at += count
        return part

    def unsigned_varint(self):
        value = shift = 0
        while True:
            byte = self.take(1)[0]
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                return value
            shift += 7
            if shift > 63:
                raise Malformed("variable-length integer without end")

    def structure(self, fields):
        value = {}
        for field in fields:
            if field.present(self.version) and field.tag is None:
                value[field.name] = self.field(field)
        if self.flexible:
            by_tag = {field.tag: field for field in fields if field.tag is not None}
            for _ in range(self.unsigned_varint()):
                tag = self.unsigned_varint()
                body = self.take(self.unsigned_varint())
                if tag in by_tag:
                    value[by_tag[tag].name] = Decoder(body, self.version, True).field(by_tag[tag])
        return value

    def field(self, field):
        kind = field.kind
        if isinstance(kind, list):
            if field.shape == "{}":
                return self.structure(kind)
            if field.shape == "?{}":
                return self.structure(kind) if self.primitive("int8") >= 0 else None
            return self.array(lambda: self.structure(kind))
        if kind.startswith("[]"):
            return self.array(lambda: self.primitive(kind[2:]))
        return self.primitive(kind)

    def array(self, read):
        count = self.length(4)
        if count is None:
            return None
        if count > len(self.data):
            raise Malformed(f"an array of {count} in {len(self.data)} bytes")
        return [read() for _ in range(count)]

    def length(self, width):
        if self.flexible:
            count = self.unsigned_varint() - 1
        else:
            count = struct.unpack(">h" if width == 2 else ">i", self.take(width))[0]
        return None if count < 0 else count

    def primitive(self, kind):
        if kind in FIXED:
            return struct.unpack(FIXED[kind], self.take(struct.calcsize(FIXED[kind])))[0]
        if kind == "uuid":
            return uuid_module.UUID(bytes=bytes(self.take(16)))
        count = self.length(2 if kind == "string" else 4)
        if count is None:
            return None
        raw = bytes(self.take(count))
        return raw.decode() if kind == "string" else raw

    def finished(self):
        if self.at != len(self.data):
            raise Malformed(f"{len(self.data) - self.at} bytes left over")
