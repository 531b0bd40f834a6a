package main

import (
	"context"
	"errors"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"zurau/expect"
)

// group is what its members have in common.
type group struct {
	name, topic string
	balancer    kgo.GroupBalancer
	options     []kgo.Opt
	ledger      *expect.GroupLedger
}

// member is a consumer that commits what it has seen before it gives a partition away.
type member struct {
	group  *group
	name   string
	client *kgo.Client
	stop   context.CancelFunc
	ended  chan struct{}
}

func newGroup(name, topic string, balancer kgo.GroupBalancer, options ...kgo.Opt) *group {
	return &group{name: expect.Unique(name), topic: topic, balancer: balancer, options: options, ledger: expect.NewGroupLedger()}
}

func (group *group) join(name string) *member {
	running, stop := context.WithCancel(context.Background())
	joining := &member{group: group, name: name, stop: stop, ended: make(chan struct{})}
	group.ledger.Joined(name)
	options := append([]kgo.Opt{kgo.ClientID(name), kgo.ConsumerGroup(group.name), kgo.ConsumeTopics(group.topic), kgo.Balancers(group.balancer),
		kgo.DisableAutoCommit(), kgo.HeartbeatInterval(300 * time.Millisecond), kgo.BlockRebalanceOnPoll(), kgo.OnPartitionsAssigned(joining.assigned), kgo.OnPartitionsRevoked(joining.revoked),
		kgo.OnPartitionsLost(func(_ context.Context, _ *kgo.Client, lost map[string][]int32) {
			// A member that leaves may be told so of what it had none of.
			expect.Same(name+" lost partitions without being asked to give them up", len(lost[group.topic]), 0)
		})}, group.options...)
	joining.client = client(options...)
	go joining.run(running)
	return joining
}

func (member *member) run(running context.Context) {
	defer close(member.ended)
	for running.Err() == nil {
		fetches := member.client.PollFetches(running)
		if err := fetches.Err(); err != nil && !errors.Is(err, context.Canceled) {
			expect.Fail("%s: %v", member.name, err)
		}
		fetches.EachRecord(func(record *kgo.Record) {
			member.group.ledger.Read(member.name, record.Partition, string(record.Value))
		})
		member.client.AllowRebalance()
	}
	member.client.CloseAllowingRebalance()
}

// leave returns when the member has left its group.
func (member *member) leave() {
	member.stop()
	<-member.ended
	member.group.ledger.Left(member.name)
}

func (member *member) assigned(_ context.Context, _ *kgo.Client, gained map[string][]int32) {
	member.group.ledger.Gained(member.name, gained[member.group.topic])
}

func (member *member) revoked(_ context.Context, client *kgo.Client, given map[string][]int32) {
	// While the others join, Kafka takes no commits and says so.
	expect.Until(member.name+" commits", func() bool {
		err := client.CommitUncommittedOffsets(patient())
		expect.Check("commit on giving partitions up", err == nil || errors.Is(err, kerr.RebalanceInProgress), err)
		return err == nil
	})
	member.group.ledger.GaveUp(given[member.group.topic])
}
