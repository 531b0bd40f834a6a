// The scenarios for franz-go, a Go client without C. SCENARIO in the environment names the one to run.
package main

import "zurau/expect"

var scenarios = map[string]func(){
	"records":                  records,
	"codecs":                   codecs,
	"idempotent":               idempotent,
	"group-range":              groupRange,
	"group-cooperative-sticky": groupCooperativeSticky,
	"transactions":             transactions,
	"transactions-fenced":      transactionsFenced,
	"transactions-time-up":     transactionsTimeUp,
	"transactions-offsets":     transactionsOffsets,
	"commits":                  commits,
	"positions":                positions,
	"admin-topics":             adminTopics,
	"admin-groups":             adminGroups,
	"errors":                   errorsOfRecords,
	"without-auto-create":      withoutAutoCreate,
}

func main() { expect.Run(scenarios) }
