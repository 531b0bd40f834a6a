package main

import (
	"fmt"

	"github.com/IBM/sarama"
	"zurau/expect"
)

// adminGroups: groups listed, described, their offsets removed, deleted, and refused while in use.
func adminGroups() {
	const partitions = 4
	name := topic("administered", partitions, nil)
	sender := producer(settings())
	for partition := int32(0); partition < partitions; partition++ {
		sendAll(sender, []*sarama.ProducerMessage{{Topic: name, Partition: partition, Value: sarama.StringEncoder(fmt.Sprint(partition))}}, 0)
	}
	expect.NoError("closing", sender.Close())
	operator := admin()
	described := func(group string) *sarama.GroupDescription {
		answer, err := operator.DescribeConsumerGroups([]string{group})
		expect.NoError("describing", err)
		return answer[0]
	}
	listed := func(group string) bool {
		groups, err := operator.ListConsumerGroups()
		expect.NoError("listing", err)
		_, found := groups[group]
		return found
	}

	living := newGroup("living", name, sarama.BalanceStrategyRange)
	first, second := living.join("first"), living.join("second")
	living.ledger.UntilBalanced(2, partitions)
	expect.Until("stable", func() bool { return described(living.name).State == "Stable" })
	expect.Check("listed", listed(living.name), nil)
	entry := described(living.name)
	expect.Same("protocol", entry.Protocol, "range")
	shares := map[string][]int32{}
	for _, member := range entry.Members {
		assigned, err := member.GetMemberAssignment()
		expect.NoError("an assignment that the client understands", err)
		shares[member.ClientId] = assigned.Topics[name]
	}
	expect.Same("who has what", shares, living.ledger.Shares())
	expect.Until("everything is read", func() bool { return living.ledger.ValueCount() == partitions })
	refused("deleting a group with members", operator.DeleteConsumerGroup(living.name), sarama.ErrNonEmptyGroup)
	first.leave()
	second.leave()
	expect.Until("empty", func() bool { return described(living.name).State == "Empty" })
	offsets, err := operator.ListConsumerGroupOffsets(living.name, nil)
	expect.NoError("its offsets", err)
	expect.Same("partitions with an offset", len(offsets.Blocks[name]), partitions)

	expect.NoError("deleting", operator.DeleteConsumerGroup(living.name))
	refused("deleting it twice", operator.DeleteConsumerGroup(living.name), sarama.ErrGroupIDNotFound)
	expect.Check("gone from the list", !listed(living.name), nil)
	expect.Same("described when gone", described(living.name).State, "Dead")
	expect.NoError("closing", operator.Close())
}
