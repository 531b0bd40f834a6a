package main

import (
	"fmt"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
	"zurau/expect"
)

// commits: what was committed, by record, by offset or on leaving, is where the group goes on.
func commits() {
	const count, partitions = 300, 3
	name := topic("commits", partitions, nil)
	sender := producer()
	var sent []*kgo.Record
	for number := 0; number < count; number++ {
		sent = append(sent, &kgo.Record{Topic: name, Partition: int32(number % partitions), Value: []byte(fmt.Sprint(number))})
	}
	sendAll(sender, sent, 0)
	sender.Close()
	operator := admin()
	defer operator.Close()
	committed := func(group string) map[int32]int64 {
		answer, err := operator.FetchOffsets(patient(), expect.Unique(group))
		expect.NoError("fetching offsets", err)
		offsets := map[int32]int64{}
		for partition, entry := range answer[name] {
			expect.NoError("an offset", entry.Err)
			offsets[partition] = entry.At
		}
		return offsets
	}
	consumer := func(group string, options ...kgo.Opt) *kgo.Client {
		return client(append([]kgo.Opt{kgo.ConsumerGroup(expect.Unique(group)), kgo.ConsumeTopics(name)}, options...)...)
	}
	expect.Same("a group that never committed", committed("by-record"), map[int32]int64{})

	// By record: the offset after it. One partition of three stays without a commit.
	reader := consumer("by-record", kgo.DisableAutoCommit())
	for _, record := range read(reader, count) {
		if record.Partition == 0 && record.Offset == 39 || record.Partition == 2 && record.Offset == 59 {
			expect.NoError("commit", reader.CommitRecords(patient(), record))
		}
	}
	reader.Close()
	expect.Same("committed by record", committed("by-record"), map[int32]int64{0: 40, 2: 60})
	reader = consumer("by-record", kgo.DisableAutoCommit())
	lowest := map[int32]int64{0: count, 1: count, 2: count}
	for _, record := range read(reader, 60+100+40) {
		lowest[record.Partition] = min(lowest[record.Partition], record.Offset)
	}
	nothingMore(reader)
	expect.Same("where each partition resumes", lowest, map[int32]int64{0: 40, 1: 0, 2: 60})
	reader.Close()

	// On leaving, of everything that was handed out.
	reader = consumer("on-leaving")
	read(reader, count)
	expect.NoError("commit of marked offsets", reader.CommitUncommittedOffsets(patient()))
	reader.Close()
	expect.Same("committed on leaving", committed("on-leaving"), map[int32]int64{0: 100, 1: 100, 2: 100})
	reader = consumer("on-leaving")
	nothingMore(reader)
	reader.Close()

	// By offset from outside of the group, backwards too, and with a note that comes back as it was.
	for _, note := range []string{"a note", "", "grün ✓"} {
		offsets := kadm.Offsets{}
		offsets.Add(kadm.Offset{Topic: name, Partition: 1, At: 7, LeaderEpoch: 0, Metadata: note})
		answer, err := operator.CommitOffsets(patient(), expect.Unique("on-leaving"), offsets)
		expect.NoError("setting an offset", err)
		expect.NoError("setting an offset", answer.Error())
		stored, err := operator.FetchOffsets(patient(), expect.Unique("on-leaving"))
		expect.NoError("fetching offsets", err)
		entry, _ := stored.Lookup(name, 1)
		expect.Same("what was set", fmt.Sprint(entry.At, entry.LeaderEpoch, entry.Metadata), fmt.Sprint(7, 0, note))
	}
	reader = consumer("on-leaving")
	expect.Same("the group goes on there", read(reader, 93)[0].Offset, int64(7))
	reader.Close()
}
