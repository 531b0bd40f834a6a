package main

import (
	"fmt"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"zurau/expect"
)

// transactionsRefused: transactions are not served yet, and who asks for one hears it at once; others are not disturbed.
func transactionsRefused() {
	name := topic("transactional", 1, nil)
	record := &kgo.Record{Topic: name, Value: []byte("good")}
	// A machine that is busy may be late once.
	fastest := expect.Patience
	for attempt := 0; attempt < 3; attempt++ {
		sender := producer(kgo.TransactionalID(expect.Unique("transactional")))
		began := time.Now()
		err := sender.BeginTransaction()
		// An old release does not wrap Kafka's own error.
		final := err != nil && strings.Contains(err.Error(), "fatal, unrecoverable")
		expect.Check("beginning a transaction is refused for good", final, err)
		if took := time.Since(began); took < fastest {
			fastest = took
		}
		sender.Close()
	}
	expect.Check("the refusal comes at once", fastest < 2*time.Second, fmt.Sprint(fastest))
	sender := producer()
	expect.NoError("an idempotent producer goes on", sendError(sender, record))
	sender.Close()
}
