package main

import (
	"context"
	"errors"
	"sort"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"zurau/expect"
)

// group is what all members know: who owns what, and which values were seen. No partition has two owners at any time.
type group struct {
	name, topic string
	balancer    kgo.GroupBalancer
	mutex       sync.Mutex
	owners      map[int32]string
	members     map[string]*member
	seen        []string
}

// member is a consumer that commits what it has seen before it gives a partition away.
type member struct {
	group  *group
	name   string
	client *kgo.Client
	stop   context.CancelFunc
	ended  chan struct{}
}

func newGroup(name, topic string, balancer kgo.GroupBalancer) *group {
	return &group{name: expect.Unique(name), topic: topic, balancer: balancer, owners: map[int32]string{}, members: map[string]*member{}}
}

func (group *group) join(name string) *member {
	running, stop := context.WithCancel(context.Background())
	joining := &member{group: group, name: name, stop: stop, ended: make(chan struct{})}
	group.mutex.Lock()
	group.members[name] = joining
	group.mutex.Unlock()
	joining.client = client(kgo.ClientID(name), kgo.ConsumerGroup(group.name), kgo.ConsumeTopics(group.topic), kgo.Balancers(group.balancer),
		kgo.DisableAutoCommit(), kgo.HeartbeatInterval(300*time.Millisecond), kgo.BlockRebalanceOnPoll(), kgo.OnPartitionsAssigned(joining.assigned), kgo.OnPartitionsRevoked(joining.revoked),
		kgo.OnPartitionsLost(func(_ context.Context, _ *kgo.Client, lost map[string][]int32) {
			// A member that leaves may be told so of what it had none of.
			expect.Same(name+" lost partitions without being asked to give them up", len(lost[group.topic]), 0)
		}))
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
		member.group.mutex.Lock()
		fetches.EachRecord(func(record *kgo.Record) {
			expect.Same("owner of what was read", member.group.owners[record.Partition], member.name)
			member.group.seen = append(member.group.seen, string(record.Value))
		})
		member.group.mutex.Unlock()
		member.client.AllowRebalance()
	}
	member.client.CloseAllowingRebalance()
}

// leave returns when the member has left its group.
func (member *member) leave() {
	member.stop()
	<-member.ended
	member.group.mutex.Lock()
	delete(member.group.members, member.name)
	member.group.mutex.Unlock()
}

func (member *member) assigned(_ context.Context, _ *kgo.Client, gained map[string][]int32) {
	member.group.mutex.Lock()
	defer member.group.mutex.Unlock()
	for _, partition := range gained[member.group.topic] {
		owner, taken := member.group.owners[partition]
		expect.Check("a partition was given to "+member.name+" while another has it", !taken, owner)
		member.group.owners[partition] = member.name
	}
}

func (member *member) revoked(_ context.Context, client *kgo.Client, given map[string][]int32) {
	// While the others join, Kafka takes no commits and says so.
	expect.Until(member.name+" commits", func() bool {
		err := client.CommitUncommittedOffsets(patient())
		expect.Check("commit on giving partitions up", err == nil || errors.Is(err, kerr.RebalanceInProgress), err)
		return err == nil
	})
	member.group.mutex.Lock()
	defer member.group.mutex.Unlock()
	for _, partition := range given[member.group.topic] {
		delete(member.group.owners, partition)
	}
}

// shares are the sorted partitions of every member.
func (group *group) shares() map[string][]int32 {
	group.mutex.Lock()
	defer group.mutex.Unlock()
	shares := map[string][]int32{}
	for name := range group.members {
		shares[name] = []int32{}
	}
	for partition, owner := range group.owners {
		shares[owner] = append(shares[owner], partition)
	}
	for _, share := range shares {
		sort.Slice(share, func(a, b int) bool { return share[a] < share[b] })
	}
	return shares
}

// balanced waits until so many members have equal shares of so many partitions.
func (group *group) balanced(members, partitions int) {
	expect.Until("equal shares", func() bool {
		shares := group.shares()
		for _, share := range shares {
			if len(share) != partitions/members {
				return false
			}
		}
		return len(shares) == members
	})
}

func (group *group) seenCount() int {
	group.mutex.Lock()
	defer group.mutex.Unlock()
	return len(group.seen)
}
