package main

import (
	"errors"
	"os"
	"time"

	"github.com/IBM/sarama"
	"zurau/expect"
)

// settings speak the newest protocol that the release knows; by default Sarama speaks one that is years old.
func settings() *sarama.Config {
	config := sarama.NewConfig()
	config.Version = sarama.MaxVersion
	config.Producer.Return.Successes = true
	config.Metadata.Retry.Backoff = 50 * time.Millisecond
	config.Producer.Partitioner = sarama.NewManualPartitioner
	config.Producer.RequiredAcks = sarama.WaitForAll
	config.Consumer.Return.Errors = true
	// A reader that is closed waits for the fetch that it has under way.
	config.Consumer.MaxWaitTime = 100 * time.Millisecond
	config.Consumer.Offsets.Initial = sarama.OffsetOldest
	// Release 1.38 commits with version 1 of the request, which Kafka 4 no longer has, unless it is to name a retention.
	if os.Getenv("NAME_RETENTION_OF_OFFSETS") != "" {
		config.Consumer.Offsets.Retention = 24 * time.Hour
	}
	config.Consumer.Group.Heartbeat.Interval = 300 * time.Millisecond
	return config
}

// idempotentSettings have what Sarama asks for to send without repetition.
func idempotentSettings() *sarama.Config {
	config := settings()
	config.Producer.Idempotent = true
	config.Net.MaxOpenRequests = 1
	return config
}

func client(config *sarama.Config) sarama.Client {
	made, err := sarama.NewClient([]string{expect.Bootstrap}, config)
	expect.NoError("a client", err)
	return made
}

func admin() sarama.ClusterAdmin {
	made, err := sarama.NewClusterAdmin([]string{expect.Bootstrap}, settings())
	expect.NoError("an admin client", err)
	return made
}

func producer(config *sarama.Config) sarama.AsyncProducer {
	made, err := sarama.NewAsyncProducer([]string{expect.Bootstrap}, config)
	expect.NoError("a producer", err)
	return made
}

// topic makes a topic and returns its unique name once every partition serves.
func topic(name string, partitions int32, configs map[string]*string) string {
	full := expect.Unique(name)
	operator := admin()
	expect.NoError("creating "+full, operator.CreateTopic(full, &sarama.TopicDetail{
		NumPartitions: partitions, ReplicationFactor: 1, ConfigEntries: configs}, false))
	expect.NoError("closing", operator.Close())
	// Kafka names a leader a moment before that leader answers.
	looking := client(settings())
	for partition := int32(0); partition < partitions; partition++ {
		expect.Until(full+" serves", func() bool {
			_, err := looking.GetOffset(full, partition, sarama.OffsetNewest)
			return err == nil
		})
	}
	expect.NoError("closing", looking.Close())
	return full
}

// text is the value of a setting.
func text(value string) *string { return &value }

// sendAll produces the messages and returns once all are acknowledged, in order and from offset `first` of each partition.
func sendAll(sender sarama.AsyncProducer, messages []*sarama.ProducerMessage, first int64) {
	go func() {
		for _, message := range messages {
			sender.Input() <- message
		}
	}()
	following := map[int32]int64{}
	for range messages {
		select {
		case message := <-sender.Successes():
			expect.Same("acknowledged offset", message.Offset, first+following[message.Partition])
			following[message.Partition]++
		case problem := <-sender.Errors():
			expect.Fail("producing: %v", problem.Err)
		case <-time.After(expect.Patience):
			expect.Fail("no acknowledgement")
		}
	}
}

// sendError produces one message and returns what came of it.
func sendError(sender sarama.AsyncProducer, message *sarama.ProducerMessage) error {
	sender.Input() <- message
	select {
	case <-sender.Successes():
		return nil
	case problem := <-sender.Errors():
		return problem.Err
	case <-time.After(expect.Patience):
		return errors.New("no answer at all")
	}
}

// readPartition returns `count` messages from an offset on, and fails when there is one more.
func readPartition(topic string, partition int32, offset int64, count int) []*sarama.ConsumerMessage {
	consumer, err := sarama.NewConsumer([]string{expect.Bootstrap}, settings())
	expect.NoError("a consumer", err)
	reader, err := consumer.ConsumePartition(topic, partition, offset)
	expect.NoError("reading a partition", err)
	var messages []*sarama.ConsumerMessage
	for len(messages) < count {
		select {
		case message := <-reader.Messages():
			messages = append(messages, message)
		case problem := <-reader.Errors():
			expect.Fail("reading: %v", problem)
		case <-time.After(expect.Patience):
			expect.Fail("%d of %d messages", len(messages), count)
		}
	}
	expect.Same("end of the partition", reader.HighWaterMarkOffset(), messages[count-1].Offset+1)
	expect.NoError("closing", reader.Close())
	expect.NoError("closing", consumer.Close())
	return messages
}

// refused checks that an error is Kafka's own of this kind.
func refused(what string, err, wanted error) {
	expect.Check(what, errors.Is(err, wanted), err)
}
