package main

import (
	"context"
	"errors"
	"sort"
	"sync"

	"github.com/IBM/sarama"
	"zurau/expect"
)

// group is what all members know: who owns what, and which values were seen. No partition has two owners at any time.
type group struct {
	name, topic string
	strategy    sarama.BalanceStrategy
	mutex       sync.Mutex
	owners      map[int32]string
	members     map[string]*member
	seen        []string
}

// member is a consumer that Sarama has commit what it has seen, at the latest when it gives a partition away.
type member struct {
	group *group
	name  string
	stop  context.CancelFunc
	ended chan struct{}
}

func newGroup(name, topic string, strategy sarama.BalanceStrategy) *group {
	return &group{name: expect.Unique(name), topic: topic, strategy: strategy, owners: map[int32]string{}, members: map[string]*member{}}
}

func (group *group) join(name string) *member {
	config := settings()
	config.ClientID = name
	config.Consumer.Group.Rebalance.GroupStrategies = []sarama.BalanceStrategy{group.strategy}
	consumer, err := sarama.NewConsumerGroup([]string{expect.Bootstrap}, group.name, config)
	expect.NoError("a member", err)
	running, stop := context.WithCancel(context.Background())
	joining := &member{group: group, name: name, stop: stop, ended: make(chan struct{})}
	group.mutex.Lock()
	group.members[name] = joining
	group.mutex.Unlock()
	go func() {
		for problem := range consumer.Errors() {
			expect.Fail("%s: %v", name, problem)
		}
	}()
	go func() {
		defer close(joining.ended)
		// Each call lasts until the group is rebalanced.
		for running.Err() == nil {
			err := consumer.Consume(running, []string{group.topic}, joining)
			expect.Check(name+" consumes", err == nil || errors.Is(err, context.Canceled), err)
		}
		expect.NoError("leaving", consumer.Close())
	}()
	return joining
}

// leave returns when the member has left its group.
func (member *member) leave() {
	member.stop()
	<-member.ended
	member.group.mutex.Lock()
	delete(member.group.members, member.name)
	member.group.mutex.Unlock()
}

// Setup is called with what the member was given.
func (member *member) Setup(session sarama.ConsumerGroupSession) error {
	member.group.mutex.Lock()
	defer member.group.mutex.Unlock()
	for _, partition := range session.Claims()[member.group.topic] {
		owner, taken := member.group.owners[partition]
		expect.Check("a partition was given to "+member.name+" while another has it", !taken, owner)
		member.group.owners[partition] = member.name
	}
	return nil
}

// Cleanup is called before all that the member has is given up.
func (member *member) Cleanup(session sarama.ConsumerGroupSession) error {
	member.group.mutex.Lock()
	defer member.group.mutex.Unlock()
	for _, partition := range session.Claims()[member.group.topic] {
		delete(member.group.owners, partition)
	}
	return nil
}

// ConsumeClaim reads one partition until it is given up.
func (member *member) ConsumeClaim(session sarama.ConsumerGroupSession, claim sarama.ConsumerGroupClaim) error {
	for {
		select {
		case message, open := <-claim.Messages():
			if !open {
				return nil
			}
			member.group.mutex.Lock()
			member.group.seen = append(member.group.seen, string(message.Value))
			member.group.mutex.Unlock()
			session.MarkMessage(message, "")
		case <-session.Context().Done():
			return nil
		}
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
