package main

import (
	"errors"
	"fmt"
	"sort"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"zurau/expect"
)

// transactional is a producer with a transactional id.
func transactional(name string, options ...kgo.Opt) *kgo.Client {
	return producer(append([]kgo.Opt{kgo.TransactionalID(expect.Unique(name))}, options...)...)
}

func begin(sender *kgo.Client) { expect.NoError("beginning a transaction", sender.BeginTransaction()) }

func end(sender *kgo.Client, how kgo.TransactionEndTry) {
	expect.NoError("ending a transaction", sender.EndTransaction(patient(), how))
}

// write sends values and waits until the partition has them.
func write(sender *kgo.Client, topic string, partition int32, values ...string) {
	for _, value := range values {
		record := &kgo.Record{Topic: topic, Partition: partition, Value: []byte(value)}
		expect.NoError("producing", sendError(sender, record))
	}
}

// stable waits until no transaction in the partition is open, and returns its end.
func stable(topic string, partition int32) int64 {
	operator := admin()
	defer operator.Close()
	var finish int64
	expect.Until(topic+" is decided", func() bool {
		committed, err := operator.ListCommittedOffsets(patient(), topic)
		expect.NoError("the stable end", err)
		all, err := operator.ListEndOffsets(patient(), topic)
		expect.NoError("the end", err)
		finish = all[topic][partition].Offset
		return committed[topic][partition].Offset == finish
	})
	return finish
}

// seen is what a reader of this level sees of a partition. A mark that was sent afterwards says where it ends.
func seen(topic string, partition int32, level kgo.IsolationLevel) []string {
	mark := producer()
	write(mark, topic, partition, "mark")
	mark.Close()
	reader := from(topic, map[int32]kgo.Offset{partition: at(0)}, kgo.FetchIsolationLevel(level))
	defer reader.Close()
	values := []string{}
	for {
		fetches := reader.PollFetches(patient())
		expect.NoError("fetching", fetches.Err())
		for _, record := range fetches.Records() {
			if string(record.Value) == "mark" {
				if record.Offset == stable(topic, partition)-1 {
					return values
				}
				continue
			}
			values = append(values, string(record.Value))
		}
	}
}

// transactions: one after the other over several partitions; only what was committed is seen.
func transactions() {
	name := topic("transactions", 2, nil)
	sender := transactional("one")
	committed, everything := []string{}, []string{}
	for number := 0; number < 9; number++ {
		begin(sender)
		values := []string{fmt.Sprint(number, "a"), fmt.Sprint(number, "b")}
		write(sender, name, 0, values...)
		write(sender, name, 1, values...)
		everything = append(everything, values...)
		if number%3 == 1 {
			end(sender, kgo.TryAbort)
		} else {
			end(sender, kgo.TryCommit)
			committed = append(committed, values...)
		}
	}
	// With nothing in it.
	begin(sender)
	end(sender, kgo.TryCommit)
	sender.Close()
	for partition := int32(0); partition < 2; partition++ {
		stable(name, partition)
		expect.Same("committed", seen(name, partition, kgo.ReadCommitted()), committed)
		expect.Same("everything", seen(name, partition, kgo.ReadUncommitted()), everything)
	}
}

// transactionsFenced: a second producer with the same id aborts what the first one has begun, and fences it.
func transactionsFenced() {
	name := topic("fenced", 1, nil)
	zombie := transactional("id")
	begin(zombie)
	write(zombie, name, 0, "of the zombie")
	// Release 1.15 does not ask again by itself while the coordinator aborts what the first one has begun.
	var next *kgo.Client
	expect.Until("the next producer has begun", func() bool {
		next = transactional("id")
		err := next.BeginTransaction()
		if err != nil {
			next.Close()
		}
		return err == nil
	})
	write(next, name, 0, "of the next")
	err := zombie.EndTransaction(patient(), kgo.TryCommit)
	fenced := errors.Is(err, kerr.ProducerFenced) || errors.Is(err, kerr.InvalidProducerEpoch)
	expect.Check("the zombie is fenced", fenced, err)
	end(next, kgo.TryCommit)
	stable(name, 0)
	expect.Same("committed", seen(name, 0, kgo.ReadCommitted()), []string{"of the next"})
	expect.Same("everything", seen(name, 0, kgo.ReadUncommitted()), []string{"of the zombie", "of the next"})
	zombie.Close()
	next.Close()
}

// transactionsTimeUp: the broker aborts a transaction whose time is up, and another producer goes on.
func transactionsTimeUp() {
	name := topic("time-up", 1, nil)
	slow := transactional("slow", kgo.TransactionTimeout(time.Second))
	begin(slow)
	write(slow, name, 0, "of the slow one")
	stable(name, 0)
	err := slow.EndTransaction(patient(), kgo.TryCommit)
	expect.Check("a commit after the time was up is refused", err != nil, err)
	slow.Close()
	next := transactional("slow")
	begin(next)
	write(next, name, 0, "of the next")
	end(next, kgo.TryCommit)
	next.Close()
	stable(name, 0)
	expect.Same("committed", seen(name, 0, kgo.ReadCommitted()), []string{"of the next"})

	greedy := transactional("greedy", kgo.TransactionTimeout(901*time.Second))
	err = greedy.BeginTransaction()
	if err == nil {
		err = sendError(greedy, &kgo.Record{Topic: name, Value: []byte("never")})
	}
	expect.Check("more time than the broker gives is refused", err != nil, err)
	greedy.Close()
}

// transactionsOffsets: reads, changes and writes in a session; some of it is aborted and done again.
func transactionsOffsets() {
	const count = 300
	source, target, group := topic("input", 2, nil), topic("output", 1, nil), expect.Unique("group")
	feeder := producer()
	for number := 0; number < count; number++ {
		write(feeder, source, int32(number%2), fmt.Sprint(number))
	}
	feeder.Close()
	worker, err := kgo.NewGroupTransactSession(kgo.SeedBrokers(expect.Bootstrap), kgo.TransactionalID(expect.Unique("worker")),
		kgo.ConsumerGroup(group), kgo.ConsumeTopics(source), kgo.FetchIsolationLevel(kgo.ReadCommitted()),
		kgo.FetchMaxWait(300*time.Millisecond), kgo.RequireStableFetchOffsets(), kgo.MetadataMinAge(100*time.Millisecond))
	expect.NoError("a session", err)
	done, rounds := 0, 0
	for done < count {
		fetches := worker.PollRecords(patient(), 30)
		expect.NoError("fetching", fetches.Err())
		expect.NoError("beginning", worker.Begin())
		var made []*kgo.Record
		for _, record := range fetches.Records() {
			made = append(made, &kgo.Record{Topic: target, Value: append([]byte("done "), record.Value...)})
		}
		expect.NoError("producing", worker.ProduceSync(patient(), made...).FirstErr())
		rounds++
		committed, err := worker.End(patient(), kgo.TransactionEndTry(rounds%3 != 1))
		expect.NoError("ending", err)
		if committed {
			done += fetches.NumRecords()
		}
	}
	worker.Close()
	expect.Check("there were several rounds", rounds > 5, rounds)
	operator := admin()
	offsets, err := operator.FetchOffsets(patient(), group)
	expect.NoError("committed offsets", err)
	operator.Close()
	total := int64(0)
	offsets.Each(func(offset kadm.OffsetResponse) { total += offset.At })
	expect.Same("committed offsets", total, int64(count))
	stable(target, 0)
	values := seen(target, 0, kgo.ReadCommitted())
	wanted := []string{}
	for number := 0; number < count; number++ {
		wanted = append(wanted, fmt.Sprint("done ", number))
	}
	sort.Strings(values)
	sort.Strings(wanted)
	expect.Same("what came out", values, wanted)
}
