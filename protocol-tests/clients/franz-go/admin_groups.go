package main

import (
	"errors"
	"fmt"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"zurau/expect"
)

// adminGroups: groups listed, described, their offsets removed, deleted, and refused while in use.
func adminGroups() {
	const partitions = 4
	name := topic("administered", partitions, nil)
	sender := producer()
	for partition := int32(0); partition < partitions; partition++ {
		sendAll(sender, []*kgo.Record{{Topic: name, Partition: partition, Value: []byte(fmt.Sprint(partition))}}, 0)
	}
	sender.Close()
	operator := admin()
	defer operator.Close()
	state := func(group string) string {
		answer, err := operator.DescribeGroups(patient(), group)
		expect.NoError("describing", err)
		return answer[group].State
	}

	living := newGroup("living", name, kgo.RangeBalancer())
	first, second := living.join("first"), living.join("second")
	living.ledger.UntilBalanced(2, partitions)
	expect.Until("stable", func() bool { return state(living.name) == "Stable" })
	listed, err := operator.ListGroups(patient(), "Stable")
	expect.NoError("listing", err)
	expect.Same("listed among the stable", listed[living.name].State, "Stable")
	described, err := operator.DescribeGroups(patient(), living.name)
	expect.NoError("describing", err)
	entry := described[living.name]
	expect.Same("protocol", entry.Protocol, "range")
	shares := map[string][]int32{}
	for _, member := range entry.Members {
		assigned, known := member.Assigned.AsConsumer()
		expect.Check("an assignment that the client understands", known, member)
		shares[member.ClientID] = assigned.Topics[0].Partitions
	}
	expect.Same("who has what", shares, living.ledger.Shares())
	expect.Until("everything is read", func() bool { return living.ledger.ValueCount() == partitions })

	remove := func(group string) error {
		answer, err := operator.DeleteGroups(patient(), group)
		// The old release has the error of a group inside one of the whole call.
		var perBroker *kadm.ShardErrors
		if errors.As(err, &perBroker) {
			return perBroker.Errs[0].Err
		}
		expect.NoError("the request to delete", err)
		return answer[group].Err
	}
	refused("deleting a group with members", remove(living.name), kerr.NonEmptyGroup)
	first.leave()
	second.leave()
	expect.Until("empty", func() bool { return state(living.name) == "Empty" })
	stored, err := operator.FetchOffsets(patient(), living.name)
	expect.NoError("its offsets", err)
	expect.Same("partitions with an offset", len(stored[name]), partitions)

	expect.NoError("deleting", remove(living.name))
	refused("deleting it twice", remove(living.name), kerr.GroupIDNotFound)
	expect.Same("described when gone", state(living.name), "Dead")
	listed, err = operator.ListGroups(patient())
	expect.NoError("listing", err)
	expect.Check("gone from the list", listed[living.name].Group == "", listed)
}
