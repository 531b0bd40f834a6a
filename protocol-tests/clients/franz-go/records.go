package main

import (
	"bytes"
	"fmt"
	"math/rand"
	"reflect"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"zurau/expect"
)

const (
	recordCount      = 100_000
	recordPartitions = 6
)

// records: 100,000 over six partitions; keys, values, headers and timestamps come back byte for byte, in order.
func records() {
	name := topic("records", recordPartitions, nil)
	sent := make([][]*kgo.Record, recordPartitions)
	var all []*kgo.Record
	chance := rand.New(rand.NewSource(6))
	now := time.UnixMilli(time.Now().UnixMilli())
	for number := 0; number < recordCount; number++ {
		record := variedRecord(name, number, chance)
		record.Timestamp = now.Add(time.Duration(number-recordCount) * time.Millisecond)
		sent[record.Partition] = append(sent[record.Partition], record)
		all = append(all, record)
	}
	began := time.Now()
	sender := producer(kgo.ProducerLinger(5 * time.Millisecond))
	sendAll(sender, all, 0)
	sender.Close()
	secondsIn := time.Since(began).Seconds()

	began = time.Now()
	reader := client(kgo.ConsumeTopics(name))
	arrived := read(reader, recordCount)
	secondsOut := time.Since(began).Seconds()
	nothingMore(reader)
	reader.Close()
	following := make([]int, recordPartitions)
	for _, got := range arrived {
		offset := following[got.Partition]
		following[got.Partition]++
		expect.Same("offset", got.Offset, int64(offset))
		sameRecord(got, sent[got.Partition][offset])
	}
	fmt.Printf("figures: in %.1f s, out %.1f s\n", secondsIn, secondsOut)
}

// variedRecord has a null key, an empty one or a short one, the same of values, and headers now and then.
func variedRecord(topic string, number int, chance *rand.Rand) *kgo.Record {
	record := &kgo.Record{Topic: topic, Partition: chance.Int31n(recordPartitions)}
	kind := number % 10
	switch kind {
	case 0:
	case 1:
		record.Key = []byte{}
	default:
		record.Key = []byte(fmt.Sprintf("key-%d", number%1000))
	}
	switch kind {
	case 2:
	case 3:
		record.Value = []byte{}
	default:
		record.Value = make([]byte, kind*15)
		chance.Read(record.Value)
		record.Value = append(record.Value, fmt.Sprint(number)...)
	}
	if kind > 4 {
		text := []byte(fmt.Sprint(number))
		record.Headers = []kgo.RecordHeader{{Key: "number", Value: text}, {Key: "number", Value: []byte("again")},
			{Key: "none"}, {Key: "", Value: []byte{}}}
	}
	return record
}

// sameRecord compares what a record carries, and tells null from empty.
func sameRecord(got, wanted *kgo.Record) {
	where := fmt.Sprintf("partition %d, offset %d", got.Partition, got.Offset)
	expect.Check(where+": key", sameBytes(got.Key, wanted.Key), got.Key)
	expect.Check(where+": value", sameBytes(got.Value, wanted.Value), got.Value)
	expect.Check(where+": headers", len(got.Headers) == len(wanted.Headers) &&
		(len(got.Headers) == 0 || reflect.DeepEqual(got.Headers, wanted.Headers)), got.Headers)
	expect.Check(where+": timestamp", got.Timestamp.Equal(wanted.Timestamp), got.Timestamp)
	expect.Same(where+": kind of timestamp (0 = create time)", got.Attrs.TimestampType(), int8(0))
}

func sameBytes(got, wanted []byte) bool {
	return (got == nil) == (wanted == nil) && bytes.Equal(got, wanted)
}
