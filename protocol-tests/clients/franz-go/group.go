package main

import (
	"fmt"
	"sort"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"zurau/expect"
)

const groupPartitions = 6

// Range takes everything away at each rebalance.
func groupRange() { membersComeAndGo(kgo.RangeBalancer()) }

// Cooperative-sticky takes away only what moves.
func groupCooperativeSticky() { membersComeAndGo(kgo.CooperativeStickyBalancer()) }

// membersComeAndGo: a group of three, of whom one leaves, and one joins, while records flow. Each is seen exactly once.
func membersComeAndGo(balancer kgo.GroupBalancer, options ...kgo.Opt) {
	name := topic("group", groupPartitions, nil)
	group := newGroup("members", name, balancer, options...)
	var sent atomic.Int64
	stop, stopped := make(chan struct{}), make(chan struct{})
	go keepSending(name, &sent, stop, stopped)
	flow := func() {
		mark := int(sent.Load()) + 300
		expect.Until("records flow", func() bool { return group.ledger.ValueCount() >= mark })
	}

	first := group.join("first")
	group.ledger.UntilBalanced(1, groupPartitions)
	flow()
	second, third := group.join("second"), group.join("third")
	group.ledger.UntilBalanced(3, groupPartitions)
	flow()
	second.leave()
	group.ledger.UntilBalanced(2, groupPartitions)
	flow()
	before := group.ledger.Shares()
	fourth := group.join("fourth")
	group.ledger.UntilBalanced(3, groupPartitions)
	flow()
	if balancer.IsCooperative() {
		after := group.ledger.Shares()
		for _, stayed := range []*member{first, third} {
			for _, partition := range after[stayed.name] {
				expect.Check(stayed.name+" keeps what it had", contains(before[stayed.name], partition), after)
			}
		}
	}
	close(stop)
	<-stopped
	expect.Until("all that was sent is seen", func() bool { return group.ledger.ValueCount() >= int(sent.Load()) })
	for _, member := range []*member{first, third, fourth} {
		member.leave()
	}
	wanted := make([]string, sent.Load())
	for number := range wanted {
		wanted[number] = fmt.Sprint(number)
	}
	sort.Strings(wanted)
	values := group.ledger.Values()
	sort.Strings(values)
	expect.Same("every record exactly once", values, wanted)

	// The commits of those who left carry a new member to the very end.
	late := newGroup("members", name, balancer, options...)
	member := late.join("late")
	late.ledger.UntilBalanced(1, groupPartitions)
	sender := producer()
	expect.NoError("a late record", sendError(sender, &kgo.Record{Topic: name, Value: []byte("late")}))
	sender.Close()
	expect.Until("the late record is seen", func() bool { return late.ledger.ValueCount() > 0 })
	member.leave()
	expect.Same("and nothing old", late.ledger.Values(), []string{"late"})
	fmt.Printf("figures: %d records\n", sent.Load())
}

// keepSending sends to each partition in turn, without a pause for rebalances.
func keepSending(name string, sent *atomic.Int64, stop, stopped chan struct{}) {
	sender := producer()
	for open := true; open; {
		for row := 0; row < 30; row++ {
			number := sent.Add(1) - 1
			record := &kgo.Record{Topic: name, Partition: int32(number % groupPartitions), Value: []byte(fmt.Sprint(number))}
			sender.Produce(patient(), record, func(_ *kgo.Record, err error) { expect.NoError("producing", err) })
		}
		select {
		case <-stop:
			open = false
		case <-time.After(20 * time.Millisecond):
		}
	}
	expect.NoError("flushing", sender.Flush(patient()))
	sender.Close()
	close(stopped)
}

func contains(partitions []int32, wanted int32) bool {
	for _, partition := range partitions {
		if partition == wanted {
			return true
		}
	}
	return false
}
