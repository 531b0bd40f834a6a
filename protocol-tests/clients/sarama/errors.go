package main

import (
	"strings"

	"github.com/IBM/sarama"
	"zurau/expect"
)

// errorsOfRecords: bad records get the error that belongs to them, and the client that sent one can go on.
func errorsOfRecords() {
	limited := topic("limited", 1, map[string]*string{"max.message.bytes": text("2000")})
	small := func() *sarama.ProducerMessage {
		return &sarama.ProducerMessage{Topic: limited, Value: sarama.StringEncoder("small")}
	}
	for _, config := range []*sarama.Config{settings(), idempotentSettings()} {
		sender := producer(config)
		large := &sarama.ProducerMessage{Topic: limited, Value: sarama.StringEncoder(strings.Repeat("x", 5000))}
		refused("too large a record", sendError(sender, large), sarama.ErrMessageSizeTooLarge)
		expect.NoError("a good one after it", sendError(sender, small()))
		expect.NoError("closing", sender.Close())
	}
	for _, message := range readPartition(limited, 0, 0, 2) {
		expect.Same("only the good ones are stored", string(message.Value), "small")
	}

	sender := producer(settings())
	for _, name := range []string{"a b", "a/b", strings.Repeat("x", 250)} {
		refused("producing to the name "+name, sendError(sender, &sarama.ProducerMessage{Topic: name}), sarama.ErrInvalidTopic)
	}
	compacted := topic("compacted", 1, map[string]*string{"cleanup.policy": text("compact")})
	keyed := &sarama.ProducerMessage{Topic: compacted, Key: sarama.StringEncoder("k"), Value: sarama.StringEncoder("x")}
	refused("a record without a key", sendError(sender, &sarama.ProducerMessage{Topic: compacted, Value: sarama.StringEncoder("x")}),
		sarama.ErrInvalidRecord)
	expect.NoError("a record with one", sendError(sender, keyed))
	expect.NoError("closing", sender.Close())
}

// withoutAutoCreate: a broker that makes no topics by itself says so to producers and consumers, and makes none.
func withoutAutoCreate() {
	missing := expect.Unique("missing")
	sender := producer(settings())
	refused("a producer is told", sendError(sender, &sarama.ProducerMessage{Topic: missing}), sarama.ErrUnknownTopicOrPartition)
	consumer, err := sarama.NewConsumer([]string{expect.Bootstrap}, settings())
	expect.NoError("a consumer", err)
	_, err = consumer.ConsumePartition(missing, 0, sarama.OffsetOldest)
	refused("a consumer is told", err, sarama.ErrUnknownTopicOrPartition)
	expect.NoError("closing", consumer.Close())
	operator := admin()
	details, err := operator.ListTopics()
	expect.NoError("listing topics", err)
	_, found := details[missing]
	expect.Check("nothing was made", !found, details)
	expect.NoError("closing", operator.Close())
	made := topic("made", 1, nil)
	expect.NoError("a topic that was made on purpose works", sendError(sender, &sarama.ProducerMessage{Topic: made, Value: sarama.StringEncoder("x")}))
	expect.NoError("closing", sender.Close())
}
