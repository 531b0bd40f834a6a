package main

import (
	"context"
	"errors"
	"fmt"
	"sort"
	"time"

	"github.com/IBM/sarama"
	"zurau/expect"
)

// transactional is a producer with a transactional id. Sarama asks for its producer id when it is made.
func transactional(name string, timeout time.Duration) sarama.AsyncProducer {
	config := idempotentSettings()
	config.Producer.Transaction.ID = expect.Unique(name)
	config.Producer.Transaction.Timeout = timeout
	config.Producer.Transaction.Retry.Backoff = 20 * time.Millisecond
	config.Producer.Transaction.Retry.Max = 500
	// Release 1.38 does not ask again by itself while a coordinator loads or ends what the last producer has begun.
	var made sarama.AsyncProducer
	expect.Until("a transactional producer", func() bool {
		var err error
		made, err = sarama.NewAsyncProducer([]string{expect.Bootstrap}, config)
		again := errors.Is(err, sarama.ErrConcurrentTransactions) || errors.Is(err, sarama.ErrOffsetsLoadInProgress)
		if !again {
			expect.NoError("a transactional producer", err)
		}
		return !again
	})
	return made
}

func begin(sender sarama.AsyncProducer) { expect.NoError("beginning a transaction", sender.BeginTxn()) }

func commit(sender sarama.AsyncProducer) { expect.NoError("committing", sender.CommitTxn()) }

// write sends values and waits until the partition has them.
func write(sender sarama.AsyncProducer, topic string, partition int32, values ...string) {
	for _, value := range values {
		message := &sarama.ProducerMessage{Topic: topic, Partition: partition, Value: sarama.StringEncoder(value)}
		expect.NoError("producing", sendError(sender, message))
	}
}

// seen is what a reader of this level sees of a partition. A mark that is sent afterwards says where it ends; it shows,
// once it is seen, that no transaction before it is open.
func seen(topic string, partition int32, level sarama.IsolationLevel) []string {
	plain := producer(settings())
	mark := &sarama.ProducerMessage{Topic: topic, Partition: partition, Value: sarama.StringEncoder("mark")}
	plain.Input() <- mark
	last := (<-plain.Successes()).Offset
	expect.NoError("closing", plain.Close())
	config := settings()
	config.Consumer.IsolationLevel = level
	consumer, err := sarama.NewConsumer([]string{expect.Bootstrap}, config)
	expect.NoError("a consumer", err)
	reader, err := consumer.ConsumePartition(topic, partition, 0)
	expect.NoError("reading a partition", err)
	values := []string{}
	for {
		select {
		case message := <-reader.Messages():
			if message.Offset == last {
				expect.NoError("closing", reader.Close())
				expect.NoError("closing", consumer.Close())
				return values
			}
			if string(message.Value) != "mark" {
				values = append(values, string(message.Value))
			}
		case problem := <-reader.Errors():
			expect.Fail("reading: %v", problem)
		case <-time.After(expect.Patience):
			expect.Fail("the mark did not come after %v", values)
		}
	}
}

// transactions: one after the other over several partitions; only what was committed is seen.
func transactions() {
	name := topic("transactions", 2, nil)
	sender := transactional("one", time.Minute)
	committed, everything := []string{}, []string{}
	for number := 0; number < 9; number++ {
		begin(sender)
		values := []string{fmt.Sprint(number, "a"), fmt.Sprint(number, "b")}
		write(sender, name, 0, values...)
		write(sender, name, 1, values...)
		everything = append(everything, values...)
		if number%3 == 1 {
			expect.NoError("aborting", sender.AbortTxn())
		} else {
			commit(sender)
			committed = append(committed, values...)
		}
	}
	// With nothing in it.
	begin(sender)
	commit(sender)
	expect.NoError("closing", sender.Close())
	for partition := int32(0); partition < 2; partition++ {
		expect.Same("committed", seen(name, partition, sarama.ReadCommitted), committed)
		expect.Same("everything", seen(name, partition, sarama.ReadUncommitted), everything)
	}
}

// transactionsFenced: a second producer with the same id aborts what the first one has begun, and fences it.
func transactionsFenced() {
	name := topic("fenced", 1, nil)
	zombie := transactional("id", time.Minute)
	begin(zombie)
	write(zombie, name, 0, "of the zombie")
	next := transactional("id", time.Minute)
	begin(next)
	write(next, name, 0, "of the next")
	err := zombie.CommitTxn()
	expect.Check("the zombie is fenced", err != nil && zombie.TxnStatus()&sarama.ProducerTxnFlagFatalError != 0, err)
	commit(next)
	expect.Same("committed", seen(name, 0, sarama.ReadCommitted), []string{"of the next"})
	expect.Same("everything", seen(name, 0, sarama.ReadUncommitted), []string{"of the zombie", "of the next"})
	expect.NoError("closing", next.Close())
}

// transactionsTimeUp: the broker aborts a transaction whose time is up, and another producer goes on.
func transactionsTimeUp() {
	name := topic("time-up", 1, nil)
	slow := transactional("slow", time.Second)
	begin(slow)
	write(slow, name, 0, "of the slow one")
	// The mark within comes only when the transaction is over.
	expect.Same("committed after the time was up", seen(name, 0, sarama.ReadCommitted), []string{})
	err := slow.CommitTxn()
	expect.Check("a commit after the time was up is refused", err != nil, err)
	next := transactional("slow", time.Minute)
	begin(next)
	write(next, name, 0, "of the next")
	commit(next)
	expect.NoError("closing", next.Close())
	expect.Same("committed", seen(name, 0, sarama.ReadCommitted), []string{"of the next"})

	config := idempotentSettings()
	config.Producer.Transaction.ID = expect.Unique("patient")
	config.Producer.Transaction.Timeout = 901 * time.Second
	_, err = sarama.NewAsyncProducer([]string{expect.Bootstrap}, config)
	refused("more time than the broker gives", err, sarama.ErrInvalidTransactionTimeout)
}

// worker reads, changes and writes, with the offsets in the transaction.
type worker struct {
	sender       sarama.AsyncProducer
	target       string
	group        string
	rounds, done int
	finish       context.CancelFunc
	wanted       int
}

func (worker *worker) Setup(sarama.ConsumerGroupSession) error   { return nil }
func (worker *worker) Cleanup(sarama.ConsumerGroupSession) error { return nil }

func (worker *worker) ConsumeClaim(session sarama.ConsumerGroupSession, claim sarama.ConsumerGroupClaim) error {
	batch := []*sarama.ConsumerMessage{}
	for {
		select {
		case message, open := <-claim.Messages():
			if !open {
				return nil
			}
			batch = append(batch, message)
			if len(batch) < 10 {
				continue
			}
			// Every third transaction is aborted and done again, in the same claim.
			for again := true; again; {
				begin(worker.sender)
				for _, message := range batch {
					write(worker.sender, worker.target, 0, "done "+string(message.Value))
					expect.NoError("an offset", worker.sender.AddMessageToTxn(message, worker.group, nil))
				}
				worker.rounds++
				again = worker.rounds%3 == 1
				if again {
					expect.NoError("aborting", worker.sender.AbortTxn())
				} else {
					commit(worker.sender)
				}
			}
			worker.done += len(batch)
			batch = nil
			if worker.done == worker.wanted {
				worker.finish()
				return nil
			}
		case <-session.Context().Done():
			return nil
		}
	}
}

// transactionsOffsets: reads, changes and writes; some of it is aborted and done again.
func transactionsOffsets() {
	const count = 200
	source, target, group := topic("input", 1, nil), topic("output", 1, nil), expect.Unique("group")
	feeder := producer(settings())
	for number := 0; number < count; number++ {
		write(feeder, source, 0, fmt.Sprint(number))
	}
	expect.NoError("closing", feeder.Close())
	config := settings()
	config.Consumer.IsolationLevel = sarama.ReadCommitted
	config.Consumer.Offsets.AutoCommit.Enable = false
	members, err := sarama.NewConsumerGroup([]string{expect.Bootstrap}, group, config)
	expect.NoError("a member", err)
	running, finish := context.WithTimeout(context.Background(), expect.Patience)
	own := &worker{sender: transactional("worker", time.Minute), target: target, group: group, finish: finish, wanted: count}
	err = members.Consume(running, []string{source}, own)
	expect.Check("consuming", err == nil || errors.Is(err, context.Canceled), err)
	expect.NoError("closing", members.Close())
	expect.NoError("closing", own.sender.Close())
	expect.Same("done", own.done, count)
	operator := admin()
	offsets, err := operator.ListConsumerGroupOffsets(group, map[string][]int32{source: {0}})
	expect.NoError("committed offsets", err)
	expect.Same("committed offset", offsets.Blocks[source][0].Offset, int64(count))
	expect.NoError("closing", operator.Close())
	values, wanted := seen(target, 0, sarama.ReadCommitted), []string{}
	for number := 0; number < count; number++ {
		wanted = append(wanted, fmt.Sprint("done ", number))
	}
	sort.Strings(values)
	sort.Strings(wanted)
	expect.Same("what came out", values, wanted)
}
