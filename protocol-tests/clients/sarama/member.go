package main

import (
	"context"
	"errors"

	"github.com/IBM/sarama"
	"zurau/expect"
)

// group is what its members have in common.
type group struct {
	name, topic string
	strategy    sarama.BalanceStrategy
	ledger      *expect.GroupLedger
}

// member is a consumer that Sarama has commit what it has seen, at the latest when it gives a partition away.
type member struct {
	group *group
	name  string
	stop  context.CancelFunc
	ended chan struct{}
}

func newGroup(name, topic string, strategy sarama.BalanceStrategy) *group {
	return &group{name: expect.Unique(name), topic: topic, strategy: strategy, ledger: expect.NewGroupLedger()}
}

func (group *group) join(name string) *member {
	config := settings()
	config.ClientID = name
	config.Consumer.Group.Rebalance.GroupStrategies = []sarama.BalanceStrategy{group.strategy}
	consumer, err := sarama.NewConsumerGroup([]string{expect.Bootstrap}, group.name, config)
	expect.NoError("a member", err)
	running, stop := context.WithCancel(context.Background())
	joining := &member{group: group, name: name, stop: stop, ended: make(chan struct{})}
	group.ledger.Joined(name)
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
	member.group.ledger.Left(member.name)
}

// Setup is called with what the member was given.
func (member *member) Setup(session sarama.ConsumerGroupSession) error {
	member.group.ledger.Gained(member.name, session.Claims()[member.group.topic])
	return nil
}

// Cleanup is called before all that the member has is given up.
func (member *member) Cleanup(session sarama.ConsumerGroupSession) error {
	member.group.ledger.GaveUp(session.Claims()[member.group.topic])
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
			member.group.ledger.Read(member.name, message.Partition, string(message.Value))
			session.MarkMessage(message, "")
		case <-session.Context().Done():
			return nil
		}
	}
}
