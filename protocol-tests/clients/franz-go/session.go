package main

import (
	"context"
	"errors"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
	"zurau/expect"
)

// patient is a context that ends when patience does.
func patient() context.Context {
	bounded, _ := context.WithTimeout(context.Background(), expect.Patience)
	return bounded
}

func client(options ...kgo.Opt) *kgo.Client {
	// By default the client waits seconds before it looks again at what has changed, and in a fetch before it asks for more.
	ours := []kgo.Opt{kgo.SeedBrokers(expect.Bootstrap), kgo.MetadataMinAge(100 * time.Millisecond), kgo.FetchMaxWait(300 * time.Millisecond)}
	made, err := kgo.NewClient(append(ours, options...)...)
	expect.NoError("a client", err)
	return made
}

// producer sends each record to the partition that it names.
func producer(options ...kgo.Opt) *kgo.Client {
	return client(append([]kgo.Opt{kgo.RecordPartitioner(kgo.ManualPartitioner())}, options...)...)
}

func admin() *kadm.Client { return kadm.NewClient(client()) }

// topic makes a topic and returns its unique name once every partition serves.
func topic(name string, partitions int32, configs map[string]*string) string {
	full := expect.Unique(name)
	operator := admin()
	defer operator.Close()
	_, err := operator.CreateTopic(patient(), partitions, 1, configs, full)
	expect.NoError("creating "+full, err)
	// Kafka names a leader a moment before that leader answers.
	expect.Until(full+" serves", func() bool {
		offsets, err := operator.ListEndOffsets(patient(), full)
		return err == nil && offsets.Error() == nil && len(offsets[full]) == int(partitions)
	})
	return full
}

// sendAll produces the records and returns once all are acknowledged, in order and from offset `first` of each partition.
func sendAll(sender *kgo.Client, records []*kgo.Record, first int64) {
	following := map[int32]int64{}
	for _, record := range records {
		sender.Produce(patient(), record, func(record *kgo.Record, err error) {
			expect.NoError("producing", err)
			expect.Same("acknowledged offset", record.Offset, first+following[record.Partition])
			following[record.Partition]++
		})
	}
	expect.NoError("flushing", sender.Flush(patient()))
	acknowledged := 0
	for _, count := range following {
		acknowledged += int(count)
	}
	expect.Same("acknowledged records", acknowledged, len(records))
}

// sendError produces one record and returns what came of it.
func sendError(sender *kgo.Client, record *kgo.Record) error {
	return sender.ProduceSync(patient(), record).FirstErr()
}

// read returns exactly `count` records of what the consumer reads; one too many fails.
func read(reader *kgo.Client, count int) []*kgo.Record {
	var records []*kgo.Record
	for len(records) < count {
		fetches := reader.PollFetches(patient())
		expect.NoError("fetching", fetches.Err())
		records = append(records, fetches.Records()...)
	}
	expect.Same("records read", len(records), count)
	return records
}

// nothingMore gives the consumer a short while, for checks that no record comes.
func nothingMore(reader *kgo.Client) {
	short, cancel := context.WithTimeout(context.Background(), 400*time.Millisecond)
	defer cancel()
	fetches := reader.PollFetches(short)
	if err := fetches.Err(); err != nil && !errors.Is(err, context.DeadlineExceeded) {
		expect.Fail("fetching: %v", err)
	}
	expect.Same("further records", fetches.NumRecords(), 0)
}

// from is a consumer outside of any group that reads partitions of one topic from these offsets.
func from(topic string, offsets map[int32]kgo.Offset, options ...kgo.Opt) *kgo.Client {
	return client(append([]kgo.Opt{kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{topic: offsets})}, options...)...)
}

// at is an offset to start from.
func at(offset int64) kgo.Offset { return kgo.NewOffset().At(offset) }

// refused checks that an error is Kafka's own of this kind.
func refused(what string, err, wanted error) {
	expect.Check(what, errors.Is(err, wanted), err)
}
