package main

import (
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"zurau/expect"
)

// positions: starting and seeking by offset and by time, ends of partitions, offsets out of range, pausing.
func positions() {
	const count = 100
	name := topic("positions", 2, nil)
	base := time.UnixMilli(time.Now().UnixMilli() - 1_000_000)
	// Partition 0: a second apart. Partition 1: nothing.
	var sent []*kgo.Record
	for number := 0; number < count; number++ {
		sent = append(sent, &kgo.Record{Topic: name, Value: []byte(fmt.Sprint(number)), Timestamp: base.Add(time.Duration(number) * time.Second)})
	}
	sender := producer()
	sendAll(sender, sent, 0)

	operator := admin()
	defer operator.Close()
	byTime := func(milliseconds int64, partition int32) int64 {
		answer, err := operator.ListOffsetsAfterMilli(patient(), milliseconds, name)
		expect.NoError("offsets by time", err)
		entry, _ := answer.Lookup(name, partition)
		expect.NoError("an offset by time", entry.Err)
		return entry.Offset
	}
	start := base.UnixMilli()
	expect.Same("exactly the time of a record", byTime(start+30_000, 0), 30)
	expect.Same("between two records", byTime(start+30_001, 0), 31)
	expect.Same("before all records", byTime(0, 0), 0)
	expect.Same("after all records: the end", byTime(start+99_001, 0), 100)
	expect.Same("in an empty partition: its end", byTime(start, 1), 0)
	starts, err := operator.ListStartOffsets(patient(), name)
	expect.NoError("starts", err)
	ends, err := operator.ListEndOffsets(patient(), name)
	expect.NoError("ends", err)
	for partition, wanted := range []int64{count, 0} {
		expect.Same("start", starts[name][int32(partition)].Offset, 0)
		expect.Same("end", ends[name][int32(partition)].Offset, wanted)
	}

	for what, expected := range map[string]struct {
		offset kgo.Offset
		first  int64
	}{
		"an offset":              {at(90), 90},
		"the start":              {kgo.NewOffset().AtStart(), 0},
		"three before the end":   {kgo.NewOffset().AtEnd().Relative(-3), 97},
		"a time":                 {kgo.NewOffset().AfterMilli(start + 41_500), 42},
		"beyond the end (reset)": {at(5000), 0},
	} {
		reader := from(name, map[int32]kgo.Offset{0: expected.offset}, kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
		records := read(reader, count-int(expected.first))
		expect.Same("from "+what, records[0].Offset, expected.first)
		reader.Close()
	}

	reader := from(name, map[int32]kgo.Offset{0: at(0), 1: at(0)})
	read(reader, count)
	for _, target := range []int64{90, 5, 42} {
		reader.SetOffsets(map[string]map[int32]kgo.EpochOffset{name: {0: {Epoch: -1, Offset: target}}})
		records := read(reader, count-int(target))
		expect.Same("after a seek", records[0].Offset, target)
	}
	// Pause one of two partitions: only the other one flows; resume: nothing was skipped.
	reader.PauseFetchPartitions(map[string][]int32{name: {0}})
	sendAll(sender, []*kgo.Record{{Topic: name, Value: []byte("paused")}}, count)
	sendAll(sender, []*kgo.Record{{Topic: name, Partition: 1, Value: []byte("flows")}}, 0)
	expect.Same("what flows", string(read(reader, 1)[0].Value), "flows")
	nothingMore(reader)
	reader.ResumeFetchPartitions(map[string][]int32{name: {0}})
	expect.Same("what was held back", string(read(reader, 1)[0].Value), "paused")
	reader.Close()
	sender.Close()
}
