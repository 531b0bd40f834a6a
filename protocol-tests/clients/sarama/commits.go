package main

import (
	"context"
	"fmt"

	"github.com/IBM/sarama"
	"zurau/expect"
)

// reading is one visit to a group: it hands messages on, marks those that `mark` wants, commits and leaves.
type reading struct {
	mark     func(*sarama.ConsumerMessage) bool
	messages chan *sarama.ConsumerMessage
	done     chan struct{}
}

func (*reading) Setup(sarama.ConsumerGroupSession) error { return nil }

func (*reading) Cleanup(session sarama.ConsumerGroupSession) error {
	session.Commit()
	return nil
}

func (reading *reading) ConsumeClaim(session sarama.ConsumerGroupSession, claim sarama.ConsumerGroupClaim) error {
	for {
		select {
		case message, open := <-claim.Messages():
			if !open {
				return nil
			}
			if reading.mark(message) {
				session.MarkMessage(message, "a note")
			}
			reading.messages <- message
		case <-reading.done:
			return nil
		case <-session.Context().Done():
			return nil
		}
	}
}

// visit returns the offset of the first message of each partition that a member of the group gets.
func visit(group, topic string, count int, mark func(*sarama.ConsumerMessage) bool) map[int32]int64 {
	config := settings()
	config.Consumer.Offsets.AutoCommit.Enable = false
	consumer, err := sarama.NewConsumerGroup([]string{expect.Bootstrap}, group, config)
	expect.NoError("a member", err)
	bounded, cancel := context.WithTimeout(context.Background(), expect.Patience)
	defer cancel()
	visiting := &reading{mark: mark, messages: make(chan *sarama.ConsumerMessage), done: make(chan struct{})}
	ended := make(chan error)
	go func() { ended <- consumer.Consume(bounded, []string{topic}, visiting) }()
	first := map[int32]int64{}
	for number := 0; number < count; number++ {
		select {
		case message := <-visiting.messages:
			if _, known := first[message.Partition]; !known {
				first[message.Partition] = message.Offset
			}
		case err := <-ended:
			expect.Fail("the visit ended after %d of %d messages: %v", number, count, err)
		}
	}
	close(visiting.done)
	expect.NoError("the visit", <-ended)
	expect.NoError("leaving", consumer.Close())
	return first
}

// commits: what was committed is where the group goes on; offsets are set from outside, backwards too, with a note.
func commits() {
	const count, partitions = 300, 3
	name, group := topic("commits", partitions, nil), expect.Unique("commits")
	sender := producer(settings())
	var sent []*sarama.ProducerMessage
	for number := 0; number < count; number++ {
		sent = append(sent, &sarama.ProducerMessage{Topic: name, Partition: int32(number % partitions), Value: sarama.StringEncoder(fmt.Sprint(number))})
	}
	sendAll(sender, sent, 0)
	expect.NoError("closing", sender.Close())
	operator := admin()
	committed := func() map[int32]string {
		answer, err := operator.ListConsumerGroupOffsets(group, map[string][]int32{name: {0, 1, 2}})
		expect.NoError("listing offsets", err)
		offsets := map[int32]string{}
		for partition, block := range answer.Blocks[name] {
			expect.Same("error of an offset", block.Err, sarama.ErrNoError)
			offsets[partition] = fmt.Sprint(block.Offset, " ", block.Metadata)
		}
		return offsets
	}
	expect.Same("a group that never committed", committed(), map[int32]string{0: "-1 ", 1: "-1 ", 2: "-1 "})

	first := visit(group, name, count, func(message *sarama.ConsumerMessage) bool {
		return message.Partition == 0 && message.Offset < 40 || message.Partition == 2 && message.Offset < 60
	})
	expect.Same("where a new group begins", first, map[int32]int64{0: 0, 1: 0, 2: 0})
	expect.Same("committed", committed(), map[int32]string{0: "40 a note", 1: "-1 ", 2: "60 a note"})
	everything := func(*sarama.ConsumerMessage) bool { return true }
	first = visit(group, name, 60+100+40, everything)
	expect.Same("where it goes on", first, map[int32]int64{0: 40, 1: 0, 2: 60})
	expect.Same("committed", committed(), map[int32]string{0: "100 a note", 1: "100 a note", 2: "100 a note"})

	// Through the offset manager, which commits without being a member.
	looking := client(settings())
	manager, err := sarama.NewOffsetManagerFromClient(group, looking)
	expect.NoError("an offset manager", err)
	for partition, note := range map[int32]string{0: "", 1: "grün ✓"} {
		managed, err := manager.ManagePartition(name, partition)
		expect.NoError("managing a partition", err)
		next, _ := managed.NextOffset()
		expect.Same("next offset", next, 100)
		managed.ResetOffset(7, note)
		manager.Commit()
		expect.NoError("closing", managed.Close())
	}
	expect.NoError("closing", manager.Close())
	expect.NoError("closing", looking.Close())
	expect.Same("set backwards", committed(), map[int32]string{0: "7 ", 1: "7 grün ✓", 2: "100 a note"})
	first = visit(group, name, 93+93, everything)
	expect.Same("where it goes on after that", first, map[int32]int64{0: 7, 1: 7})
	expect.NoError("closing", operator.Close())
}
