// Package expect is what the Go scenarios share: where the broker is, plain comparisons, and waiting for conditions.
package expect

import (
	"fmt"
	"os"
	"reflect"
	"time"
)

// Patience bounds every wait: a broker that answers nothing must fail a scenario, not hang it.
const Patience = 60 * time.Second

// Bootstrap is the broker's address.
var Bootstrap = os.Getenv("BOOTSTRAP_SERVERS")

// Unique makes a name of a topic or group that no other scenario uses.
func Unique(name string) string { return os.Getenv("TOPIC_PREFIX") + name }

// Run runs the scenario that the environment names.
func Run(scenarios map[string]func()) {
	name := os.Getenv("SCENARIO")
	scenario, known := scenarios[name]
	if !known {
		Fail("there is no scenario %q", name)
	}
	scenario()
}

// Fail ends the program, whatever else still runs in it.
func Fail(format string, arguments ...any) {
	fmt.Println("FAILED: " + fmt.Sprintf(format, arguments...))
	os.Exit(1)
}

// Same compares in depth; nil and empty are different.
func Same[T any](what string, got, wanted T) {
	if !reflect.DeepEqual(got, wanted) {
		Fail("%s:\n  got    %s\n  wanted %s", what, shorten(got), shorten(wanted))
	}
}

// Check is for what is not a comparison; the detail is shown when it does not hold.
func Check(what string, holds bool, detail any) {
	if !holds {
		Fail("%s: %s", what, shorten(detail))
	}
}

// NoError ends the program when there is an error.
func NoError(what string, err error) {
	if err != nil {
		Fail("%s: %v", what, err)
	}
}

// Until waits for a condition that must come true.
func Until(what string, holds func() bool) {
	for deadline := time.Now().Add(Patience); !holds(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			Fail("not within %v: %s", Patience, what)
		}
	}
}

func shorten(value any) string {
	text := fmt.Sprintf("%+v", value)
	if len(text) > 1500 {
		return fmt.Sprintf("%.1500s... (%d bytes)", text, len(text))
	}
	return text
}
