package main

import (
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"zurau/expect"
)

// errorsOfRecords: bad records get the error that belongs to them, and the client that sent one can go on.
func errorsOfRecords() {
	limited := topic("limited", 1, map[string]*string{"max.message.bytes": kadm.StringPtr("2000")})
	for _, options := range [][]kgo.Opt{{}, {kgo.DisableIdempotentWrite()}} {
		sender := producer(append(options, kgo.ProducerBatchCompression(kgo.NoCompression()))...)
		large := &kgo.Record{Topic: limited, Value: []byte(strings.Repeat("x", 5000))}
		refused("too large a record", sendError(sender, large), kerr.MessageTooLarge)
		expect.NoError("a good one after it", sendError(sender, &kgo.Record{Topic: limited, Value: []byte("small")}))
		sender.Close()
	}
	reader := from(limited, map[int32]kgo.Offset{0: at(0)})
	for _, record := range read(reader, 2) {
		expect.Same("only the good ones are stored", string(record.Value), "small")
	}
	nothingMore(reader)
	reader.Close()

	for _, name := range []string{"a b", "a/b", strings.Repeat("x", 250)} {
		sender := producer(kgo.RecordDeliveryTimeout(5 * time.Second))
		err := sendError(sender, &kgo.Record{Topic: name, Value: []byte("x")})
		refused("producing to the name "+name, err, kerr.InvalidTopicException)
		sender.Close()
	}

	compacted := topic("compacted", 1, map[string]*string{"cleanup.policy": kadm.StringPtr("compact")})
	sender := producer()
	refused("a record without a key", sendError(sender, &kgo.Record{Topic: compacted, Value: []byte("x")}), kerr.InvalidRecord)
	expect.NoError("a record with one", sendError(sender, &kgo.Record{Topic: compacted, Key: []byte("k"), Value: []byte("x")}))
	sender.Close()
}

// withoutAutoCreate: a broker that makes no topics by itself says so to producers and consumers, and makes none.
func withoutAutoCreate() {
	missing := expect.Unique("missing")
	sender := client(kgo.AllowAutoTopicCreation(), kgo.UnknownTopicRetries(2), kgo.RecordDeliveryTimeout(20*time.Second))
	refused("a producer is told", sendError(sender, &kgo.Record{Topic: missing, Value: []byte("x")}), kerr.UnknownTopicOrPartition)
	operator := admin()
	defer operator.Close()
	asked, err := operator.ListTopics(patient(), missing)
	expect.NoError("asking for the topic", err)
	refused("who asks is told", asked[missing].Err, kerr.UnknownTopicOrPartition)
	details, err := operator.ListTopics(patient())
	expect.NoError("listing topics", err)
	expect.Check("nothing was made", !details.Has(missing), details.Names())
	made := topic("made", 1, nil)
	expect.NoError("a topic that was made on purpose works", sendError(sender, &kgo.Record{Topic: made, Value: []byte("x")}))
	sender.Close()
}
