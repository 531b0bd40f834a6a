package main

import (
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"zurau/expect"
)

// idempotent: 100,000 records in small batches with several requests in flight, each once, each partition in order; then
// several producers in turn, each with a sequence of its own; then one that is not idempotent.
func idempotent() {
	const count, partitions = 100_000, 4
	name := topic("idempotent", partitions, nil)
	var sent []*kgo.Record
	for number := 0; number < count; number++ {
		sent = append(sent, &kgo.Record{Topic: name, Partition: int32(number % partitions), Value: []byte(fmt.Sprint(number))})
	}
	// Small batches make many requests, so that order and sequence numbers have something to do.
	sender := producer(kgo.ProducerBatchMaxBytes(4000), kgo.ProducerLinger(time.Millisecond))
	sendAll(sender, sent, 0)
	sender.Close()
	reader := client(kgo.ConsumeTopics(name))
	following := make([]int, partitions)
	for _, got := range read(reader, count) {
		expect.Same("value", string(got.Value), fmt.Sprint(following[got.Partition]*partitions+int(got.Partition)))
		following[got.Partition]++
	}
	nothingMore(reader)
	reader.Close()

	first, second := producer(), producer()
	// Without sequence numbers acknowledgement by the leader alone is enough.
	third := producer(kgo.DisableIdempotentWrite(), kgo.RequiredAcks(kgo.LeaderAck()))
	offset := int64(count / partitions)
	for round := 0; round < 3; round++ {
		for _, sender := range []*kgo.Client{first, second, third} {
			sendAll(sender, sent[:1:1], offset)
			offset++
		}
	}
	for _, sender := range []*kgo.Client{first, second, third} {
		sender.Close()
	}
}
