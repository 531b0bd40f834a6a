package main

import (
	"bytes"
	"fmt"
	"math/rand"
	"time"

	"github.com/IBM/sarama"
	"zurau/expect"
)

const recordPartitions = 6

// records: 100,000 over six partitions; keys, values, headers and timestamps come back byte for byte, in order.
func records() { thereAndBack(settings(), 100_000) }

// defaultVersion: what a program gets that does not say how new its broker is.
func defaultVersion() {
	config := settings()
	config.Version = sarama.NewConfig().Version
	thereAndBack(config, 10_000)
}

func thereAndBack(config *sarama.Config, count int) {
	name := topic("records", recordPartitions, nil)
	sent := make([][]*sarama.ProducerMessage, recordPartitions)
	var all []*sarama.ProducerMessage
	chance := rand.New(rand.NewSource(6))
	now := time.UnixMilli(time.Now().UnixMilli())
	for number := 0; number < count; number++ {
		message := variedMessage(name, number, chance)
		message.Timestamp = now.Add(time.Duration(number-count) * time.Millisecond)
		sent[message.Partition] = append(sent[message.Partition], message)
		all = append(all, message)
	}
	began := time.Now()
	sender := producer(config)
	sendAll(sender, all, 0)
	expect.NoError("closing", sender.Close())
	secondsIn := time.Since(began).Seconds()

	began = time.Now()
	consumer, err := sarama.NewConsumer([]string{expect.Bootstrap}, config)
	expect.NoError("a consumer", err)
	readers := make([]sarama.PartitionConsumer, recordPartitions)
	for partition := range readers {
		readers[partition], err = consumer.ConsumePartition(name, int32(partition), sarama.OffsetOldest)
		expect.NoError("reading a partition", err)
	}
	for partition, wanted := range sent {
		reader := readers[partition]
		for offset := range wanted {
			select {
			case got := <-reader.Messages():
				expect.Same("offset", got.Offset, int64(offset))
				sameMessage(got, wanted[offset])
			case problem := <-reader.Errors():
				expect.Fail("reading: %v", problem)
			case <-time.After(expect.Patience):
				expect.Fail("no message at offset %d", offset)
			}
		}
		expect.Same("end of the partition", reader.HighWaterMarkOffset(), int64(len(wanted)))
		reader.AsyncClose()
	}
	expect.NoError("closing", consumer.Close())
	fmt.Printf("figures: in %.1f s, out %.1f s\n", secondsIn, time.Since(began).Seconds())
}

// variedMessage has a null key, an empty one or a short one, the same of values, and headers now and then.
func variedMessage(topic string, number int, chance *rand.Rand) *sarama.ProducerMessage {
	message := &sarama.ProducerMessage{Topic: topic, Partition: chance.Int31n(recordPartitions)}
	kind := number % 10
	switch kind {
	case 0:
	case 1:
		message.Key = sarama.ByteEncoder{}
	default:
		message.Key = sarama.StringEncoder(fmt.Sprintf("key-%d", number%1000))
	}
	switch kind {
	case 2:
	case 3:
		message.Value = sarama.ByteEncoder{}
	default:
		value := make([]byte, kind*15)
		chance.Read(value)
		message.Value = sarama.ByteEncoder(append(value, fmt.Sprint(number)...))
	}
	if kind > 4 {
		message.Headers = []sarama.RecordHeader{{Key: []byte("number"), Value: []byte(fmt.Sprint(number))},
			{Key: []byte("number"), Value: []byte("again")}, {Key: []byte("none")}, {Key: []byte{}, Value: []byte{}}}
	}
	return message
}

// sameMessage compares what a message carries, and tells null from empty.
func sameMessage(got *sarama.ConsumerMessage, wanted *sarama.ProducerMessage) {
	where := fmt.Sprintf("partition %d, offset %d", got.Partition, got.Offset)
	expect.Check(where+": key", sameBytes(got.Key, wanted.Key), got.Key)
	expect.Check(where+": value", sameBytes(got.Value, wanted.Value), got.Value)
	expect.Same(where+": number of headers", len(got.Headers), len(wanted.Headers))
	for number, header := range got.Headers {
		expect.Same(where+": header", *header, wanted.Headers[number])
	}
	expect.Check(where+": timestamp", got.Timestamp.Equal(wanted.Timestamp), got.Timestamp)
}

func sameBytes(got []byte, wanted sarama.Encoder) bool {
	if wanted == nil || got == nil {
		return wanted == nil && got == nil
	}
	content, err := wanted.Encode()
	return err == nil && bytes.Equal(got, content)
}
