//go:build !franz_go_old

package main

import (
	"context"
	"errors"
	"io"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"zurau/expect"
)

func init() { scenarios["admin-reads"] = adminReads }

// adminReads: whatever an administrator can ask. What there is is told; what there is not is refused in words, and soon.
func adminReads() {
	name := topic("looked-at", 2, nil)
	sender := producer()
	sendAll(sender, []*kgo.Record{{Topic: name, Partition: 0, Value: []byte("one")}, {Topic: name, Partition: 0, Value: []byte("two")}}, 0)
	sender.Close()
	operator := admin()
	defer operator.Close()
	group := expect.Unique("looked-at-group")
	var offsets kadm.Offsets
	offsets.AddOffset(name, 0, 1, -1)
	expect.NoError("committing", operator.CommitAllOffsets(patient(), group, offsets))

	producersOf(operator, name)
	withoutAuthorizer(operator)
	withoutUsers(operator)
	transactionsOf(operator)

	set := kadm.TopicsSet{}
	set.Add(name, 0, 1)
	user := []kadm.DescribeClientQuotaComponent{{Type: "user", MatchType: 2}}
	answered := map[string]func(context.Context) (any, error){
		"versions":               func(c context.Context) (any, error) { return operator.ApiVersions(c) },
		"metadata":               func(c context.Context) (any, error) { return operator.Metadata(c) },
		"brokers":                func(c context.Context) (any, error) { return operator.ListBrokers(c) },
		"topics":                 func(c context.Context) (any, error) { return operator.ListTopicsWithInternal(c) },
		"start offsets":          func(c context.Context) (any, error) { return operator.ListStartOffsets(c, name) },
		"end offsets":            func(c context.Context) (any, error) { return operator.ListEndOffsets(c, name) },
		"committed offsets":      func(c context.Context) (any, error) { return operator.ListCommittedOffsets(c, name) },
		"greatest timestamps":    func(c context.Context) (any, error) { return operator.ListMaxTimestampOffsets(c, name) },
		"offsets by time":        func(c context.Context) (any, error) { return operator.ListOffsetsAfterMilli(c, 0, name) },
		"settings of a topic":    func(c context.Context) (any, error) { return operator.DescribeTopicConfigs(c, name) },
		"settings of the broker": func(c context.Context) (any, error) { return operator.DescribeBrokerConfigs(c, 1) },
		"log directories":        func(c context.Context) (any, error) { return operator.DescribeAllLogDirs(c, set) },
		"groups":                 func(c context.Context) (any, error) { return operator.ListGroups(c) },
		"a group":                func(c context.Context) (any, error) { return operator.DescribeGroups(c, group) },
		"offsets of a group":     func(c context.Context) (any, error) { return operator.FetchOffsets(c, group) },
		"lag":                    func(c context.Context) (any, error) { return operator.Lag(c, group) },
		"all quotas":             func(c context.Context) (any, error) { return operator.DescribeClientQuotas(c, false, nil) },
		"quotas of users":        func(c context.Context) (any, error) { return operator.DescribeClientQuotas(c, true, user) },
	}
	for what, ask := range answered {
		_, err := soon(what, ask)
		expect.NoError(what, err)
	}
	// Not every broker has these. That it has not is an answer, a connection that ends is none.
	perhaps := map[string]func(context.Context) (any, error){
		"reassignments":          func(c context.Context) (any, error) { return operator.ListPartitionReassignments(c, set) },
		"resources":              func(c context.Context) (any, error) { return operator.ListConfigResources(c) },
		"tokens":                 func(c context.Context) (any, error) { return operator.DescribeDelegationTokens(c) },
		"groups of the new kind": func(c context.Context) (any, error) { return operator.DescribeConsumerGroups(c, group) },
		"share groups":           func(c context.Context) (any, error) { return operator.DescribeShareGroups(c, group) },
		"offsets in tiers":       func(c context.Context) (any, error) { return operator.ListLocalLogStartOffsets(c, name) },
	}
	for what, ask := range perhaps {
		_, err := soon(what, ask)
		expect.Check(what+" in words", err == nil || inWords(err), err)
	}
}

// producersOf: who has written to a partition, and that nobody has to the other.
func producersOf(operator *kadm.Client, name string) {
	set := kadm.TopicsSet{}
	set.Add(name, 0, 1)
	described, err := operator.DescribeProducers(patient(), set)
	expect.NoError("producers", err)
	first := described[name].Partitions[0].ActiveProducers.Sorted()
	expect.Same("producers of the first partition", len(first), 1)
	expect.Same("its last sequence, and no transaction", []int64{int64(first[0].LastSequence), first[0].CurrentTxnStartOffset}, []int64{1, -1})
	expect.Check("it has written lately", time.Since(time.UnixMilli(first[0].LastTimestamp)) < expect.Patience, first[0])
	expect.Same("producers of the second partition", len(described[name].Partitions[1].ActiveProducers), 0)
}

// withoutAuthorizer: ACLs can neither be seen nor changed.
func withoutAuthorizer(operator *kadm.Client) {
	all := kadm.NewACLs().AnyResource().Allow().AllowHosts().Deny().DenyHosts().Operations().ResourcePatternType(kadm.ACLPatternAny)
	described, err := operator.DescribeACLs(patient(), all)
	expect.NoError("asking for ACLs", err)
	for _, answer := range described {
		refused("ACLs", answer.Err, kerr.SecurityDisabled)
	}
	one := kadm.NewACLs().Topics("t").Allow("User:somebody").AllowHosts("*").Operations(kadm.OpRead).ResourcePatternType(kadm.ACLPatternLiteral)
	created, err := operator.CreateACLs(patient(), one)
	expect.NoError("asking for an ACL to be added", err)
	refused("an ACL", created[0].Err, kerr.SecurityDisabled)
	deleted, err := operator.DeleteACLs(patient(), all)
	expect.NoError("asking for ACLs to be removed", err)
	for _, answer := range deleted {
		refused("to remove ACLs", answer.Err, kerr.SecurityDisabled)
	}
}

// withoutUsers: there are none, and nobody by this name.
func withoutUsers(operator *kadm.Client) {
	all, err := operator.DescribeUserSCRAMs(patient())
	expect.NoError("all users", err)
	expect.Same("users", len(all), 0)
	named, err := operator.DescribeUserSCRAMs(patient(), "nobody")
	expect.NoError("a user", err)
	refused("a user that there is not", named["nobody"].Err, kerr.ResourceNotFound)
}

// transactionsOf: none was begun; a broker without them may say so.
func transactionsOf(operator *kadm.Client) {
	listed, err := operator.ListTransactions(patient(), nil, []string{"Ongoing"})
	expect.NoError("transactions", err)
	expect.Same("open transactions", len(listed), 0)
	listed, err = operator.ListTransactionsByTxPattern(patient(), nil, nil, "nobody-.*")
	expect.NoError("transactions by name", err)
	expect.Same("transactions of this name", len(listed), 0)
	// Kafka first makes its topic for transactions.
	expect.Until("a transaction that there is not is refused", func() bool {
		answer, err := operator.DescribeTransactions(patient(), "nobody")
		if err == nil {
			err = answer["nobody"].Err
		}
		return errors.Is(err, kerr.TransactionalIDNotFound) || errors.Is(err, kerr.TransactionalIDAuthorizationFailed)
	})
}

// soon asks, and does not wait for long.
func soon(what string, ask func(context.Context) (any, error)) (any, error) {
	bounded, cancel := context.WithTimeout(context.Background(), expect.Patience/2)
	defer cancel()
	answer, err := ask(bounded)
	expect.Check(what+" is answered in time", bounded.Err() == nil, err)
	return answer, err
}

// inWords: an error code of Kafka's, or that the broker does not know the request, which it has told by its versions.
func inWords(err error) bool {
	var code *kerr.Error
	return !errors.Is(err, io.EOF) && (errors.As(err, &code) || strings.Contains(err.Error(), "broker is too old") ||
		strings.Contains(err.Error(), "request key is unknown"))
}
