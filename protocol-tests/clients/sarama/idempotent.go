package main

import (
	"fmt"

	"github.com/IBM/sarama"
	"zurau/expect"
)

// idempotent: 20,000 records in small batches, each once, each partition in order; then several producers in turn, each
// with a sequence of its own, and one that is not idempotent.
func idempotent() {
	const count, partitions = 20_000, 4
	name := topic("idempotent", partitions, nil)
	message := func(number int) *sarama.ProducerMessage {
		return &sarama.ProducerMessage{Topic: name, Partition: int32(number % partitions), Value: sarama.StringEncoder(fmt.Sprint(number))}
	}
	var sent []*sarama.ProducerMessage
	for number := 0; number < count; number++ {
		sent = append(sent, message(number))
	}
	config := idempotentSettings()
	// Small batches make many requests, so that order and sequence numbers have something to do.
	config.Producer.Flush.MaxMessages = 50
	sender := producer(config)
	sendAll(sender, sent, 0)
	for partition := 0; partition < partitions; partition++ {
		for offset, got := range readPartition(name, int32(partition), 0, count/partitions) {
			expect.Same("value", string(got.Value), fmt.Sprint(offset*partitions+partition))
		}
	}
	another, plain := producer(idempotentSettings()), producer(settings())
	offset := int64(count / partitions)
	for round := 0; round < 3; round++ {
		for _, turn := range []sarama.AsyncProducer{sender, another, plain} {
			sendAll(turn, []*sarama.ProducerMessage{message(0)}, offset)
			offset++
		}
	}
	for _, turn := range []sarama.AsyncProducer{sender, another, plain} {
		expect.NoError("closing", turn.Close())
	}
}
