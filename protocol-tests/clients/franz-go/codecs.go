package main

import (
	"fmt"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"zurau/expect"
)

// codecs: every codec the client has, in large batches, read whole and from the middle of a batch.
func codecs() {
	const count = 4000
	for number, codec := range map[int8]kgo.CompressionCodec{0: kgo.NoCompression(), 1: kgo.GzipCompression(),
		2: kgo.SnappyCompression(), 3: kgo.Lz4Compression(), 4: kgo.ZstdCompression()} {
		name := topic(fmt.Sprintf("codec-%d", number), 1, nil)
		now := time.UnixMilli(time.Now().UnixMilli())
		var sent []*kgo.Record
		for row := 0; row < count; row++ {
			sent = append(sent, &kgo.Record{Topic: name, Key: []byte(fmt.Sprint(row)), Timestamp: now.Add(time.Duration(row) * time.Millisecond),
				Value:   []byte(strings.Repeat(fmt.Sprintf("value %d ", row), row%40)),
				Headers: []kgo.RecordHeader{{Key: "h", Value: []byte(fmt.Sprint(row))}}})
		}
		sender := producer(kgo.ProducerBatchCompression(codec), kgo.ProducerLinger(20*time.Millisecond))
		sendAll(sender, sent, 0)
		sender.Close()
		reader := from(name, map[int32]kgo.Offset{0: at(0)})
		for offset, got := range read(reader, count) {
			expect.Same("offset", got.Offset, int64(offset))
			sameRecord(got, sent[offset])
			expect.Same("codec of the batch", int8(got.Attrs.CompressionType()), number)
		}
		reader.Close()
		// Most offsets lie inside a batch; the records before them must not show.
		for _, offset := range []int64{1, 1234, count - 1} {
			reader := from(name, map[int32]kgo.Offset{0: at(offset)})
			rest := read(reader, count-int(offset))
			expect.Same("first offset", rest[0].Offset, offset)
			sameRecord(rest[0], sent[offset])
			reader.Close()
		}
	}
}
