package main

import (
	"fmt"
	"time"

	"github.com/IBM/sarama"
	"zurau/expect"
)

// positions: offsets by time, reading from an offset, from either end, and from where there is nothing.
func positions() {
	const count = 100
	name := topic("positions", 2, nil)
	base := time.UnixMilli(time.Now().UnixMilli() - 1_000_000)
	// Partition 0: a second apart. Partition 1: nothing.
	var sent []*sarama.ProducerMessage
	for number := 0; number < count; number++ {
		sent = append(sent, &sarama.ProducerMessage{Topic: name, Value: sarama.StringEncoder(fmt.Sprint(number)),
			Timestamp: base.Add(time.Duration(number) * time.Second)})
	}
	sender := producer(settings())
	sendAll(sender, sent, 0)

	looking := client(settings())
	byTime := func(what string, milliseconds int64, partition int32, wanted int64) {
		offset, err := looking.GetOffset(name, partition, milliseconds)
		expect.NoError(what, err)
		expect.Same(what, offset, wanted)
	}
	start := base.UnixMilli()
	byTime("exactly the time of a record", start+30_000, 0, 30)
	byTime("between two records", start+30_001, 0, 31)
	byTime("before all records", 0, 0, 0)
	byTime("after all records", start+99_001, 0, -1)
	byTime("in an empty partition", start, 1, -1)
	byTime("the start", sarama.OffsetOldest, 0, 0)
	byTime("the end", sarama.OffsetNewest, 0, count)
	byTime("the end of an empty partition", sarama.OffsetNewest, 1, 0)
	expect.NoError("closing", looking.Close())

	for _, target := range []int64{0, 90, 5, 42, count - 1} {
		expect.Same("first offset", readPartition(name, 0, target, count-int(target))[0].Offset, target)
	}
	consumer, err := sarama.NewConsumer([]string{expect.Bootstrap}, settings())
	expect.NoError("a consumer", err)
	_, err = consumer.ConsumePartition(name, 0, 5000)
	refused("an offset beyond the end", err, sarama.ErrOffsetOutOfRange)
	reader, err := consumer.ConsumePartition(name, 0, sarama.OffsetNewest)
	expect.NoError("reading from the end", err)
	sendAll(sender, []*sarama.ProducerMessage{{Topic: name, Value: sarama.StringEncoder("new")}}, count)
	select {
	case message := <-reader.Messages():
		expect.Same("from the end on", message.Offset, count)
	case <-time.After(expect.Patience):
		expect.Fail("nothing new")
	}
	expect.NoError("closing", reader.Close())
	expect.NoError("closing", consumer.Close())
	expect.NoError("closing", sender.Close())
}
