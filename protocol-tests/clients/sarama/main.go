// The scenarios for Sarama, the oldest Go client. SCENARIO in the environment names the one to run.
package main

import "zurau/expect"

func main() {
	expect.Run(map[string]func(){
		"records":              records,
		"default-version":      defaultVersion,
		"codecs":               codecs,
		"idempotent":           idempotent,
		"group-range":          groupRange,
		"group-sticky":         groupSticky,
		"transactions":         transactions,
		"transactions-fenced":  transactionsFenced,
		"transactions-time-up": transactionsTimeUp,
		"transactions-offsets": transactionsOffsets,
		"commits":              commits,
		"positions":            positions,
		"admin-topics":         adminTopics,
		"admin-groups":         adminGroups,
		"errors":               errorsOfRecords,
		"without-auto-create":  withoutAutoCreate,
	})
}
