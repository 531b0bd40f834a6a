package main

import (
	"fmt"
	"sort"
	"sync/atomic"
	"time"

	"github.com/IBM/sarama"
	"zurau/expect"
)

const groupPartitions = 6

// The variables that name the strategies are old-fashioned, but every release has them.
func groupRange()  { membersComeAndGo(sarama.BalanceStrategyRange) }
func groupSticky() { membersComeAndGo(sarama.BalanceStrategySticky) }

// membersComeAndGo: a group of three, of whom one leaves, and one joins, while records flow. Each is seen exactly once.
func membersComeAndGo(strategy sarama.BalanceStrategy) {
	name := topic("group", groupPartitions, nil)
	group := newGroup("members", name, strategy)
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
	fourth := group.join("fourth")
	group.ledger.UntilBalanced(3, groupPartitions)
	flow()
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
	late := newGroup("members", name, strategy)
	member := late.join("late")
	late.ledger.UntilBalanced(1, groupPartitions)
	sender := producer(settings())
	expect.NoError("a late record", sendError(sender, &sarama.ProducerMessage{Topic: name, Value: sarama.StringEncoder("late")}))
	expect.NoError("closing", sender.Close())
	expect.Until("the late record is seen", func() bool { return late.ledger.ValueCount() > 0 })
	member.leave()
	expect.Same("and nothing old", late.ledger.Values(), []string{"late"})
	fmt.Printf("figures: %d records\n", sent.Load())
}

// keepSending sends to each partition in turn, without a pause for rebalances.
func keepSending(name string, sent *atomic.Int64, stop, stopped chan struct{}) {
	sender := producer(settings())
	acknowledged := make(chan struct{})
	go func() {
		for range sender.Successes() {
		}
		close(acknowledged)
	}()
	go func() {
		for problem := range sender.Errors() {
			expect.Fail("producing: %v", problem)
		}
	}()
	for open := true; open; {
		for row := 0; row < 30; row++ {
			number := sent.Add(1) - 1
			sender.Input() <- &sarama.ProducerMessage{Topic: name, Partition: int32(number % groupPartitions),
				Value: sarama.StringEncoder(fmt.Sprint(number))}
		}
		select {
		case <-stop:
			open = false
		case <-time.After(20 * time.Millisecond):
		}
	}
	sender.AsyncClose()
	<-acknowledged
	close(stopped)
}
