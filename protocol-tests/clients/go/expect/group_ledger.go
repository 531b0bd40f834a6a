package expect

import (
	"sort"
	"sync"
)

// GroupLedger is what all members of a group know: who owns which partition, and which values were read. No partition
// has two owners at any time.
type GroupLedger struct {
	mutex   sync.Mutex
	owners  map[int32]string
	members map[string]bool
	values  []string
}

// NewGroupLedger is the ledger of a group without members.
func NewGroupLedger() *GroupLedger {
	return &GroupLedger{owners: map[int32]string{}, members: map[string]bool{}}
}

// Joined is for a member that may be given partitions from now on, and counts even while it has none.
func (ledger *GroupLedger) Joined(member string) {
	ledger.mutex.Lock()
	defer ledger.mutex.Unlock()
	ledger.members[member] = true
}

// Gained is for partitions that a member was given, all of which must be free.
func (ledger *GroupLedger) Gained(member string, partitions []int32) {
	ledger.mutex.Lock()
	defer ledger.mutex.Unlock()
	for _, partition := range partitions {
		owner, taken := ledger.owners[partition]
		Check("a partition was given to "+member+" while another has it", !taken, owner)
		ledger.owners[partition] = member
	}
}

// Read is for a value that a member read from a partition, which it must own.
func (ledger *GroupLedger) Read(member string, partition int32, value string) {
	ledger.mutex.Lock()
	defer ledger.mutex.Unlock()
	Same("owner of what was read", ledger.owners[partition], member)
	ledger.values = append(ledger.values, value)
}

// GaveUp is for partitions that another member may be given from now on.
func (ledger *GroupLedger) GaveUp(partitions []int32) {
	ledger.mutex.Lock()
	defer ledger.mutex.Unlock()
	for _, partition := range partitions {
		delete(ledger.owners, partition)
	}
}

// Left is for a member that has left. What it did not give up stays its share, which nobody else may be given.
func (ledger *GroupLedger) Left(member string) {
	ledger.mutex.Lock()
	defer ledger.mutex.Unlock()
	delete(ledger.members, member)
}

// Shares are the sorted partitions of every member.
func (ledger *GroupLedger) Shares() map[string][]int32 {
	ledger.mutex.Lock()
	defer ledger.mutex.Unlock()
	shares := map[string][]int32{}
	for member := range ledger.members {
		shares[member] = []int32{}
	}
	for partition, owner := range ledger.owners {
		shares[owner] = append(shares[owner], partition)
	}
	for _, share := range shares {
		sort.Slice(share, func(a, b int) bool { return share[a] < share[b] })
	}
	return shares
}

// UntilBalanced waits until so many members have equal shares of so many partitions.
func (ledger *GroupLedger) UntilBalanced(members, partitions int) {
	Until("equal shares", func() bool {
		shares := ledger.Shares()
		for _, share := range shares {
			if len(share) != partitions/members {
				return false
			}
		}
		return len(shares) == members
	})
}

// Values are all values read so far, in the order in which they were.
func (ledger *GroupLedger) Values() []string {
	ledger.mutex.Lock()
	defer ledger.mutex.Unlock()
	return append([]string{}, ledger.values...)
}

// ValueCount is how many values were read so far.
func (ledger *GroupLedger) ValueCount() int {
	ledger.mutex.Lock()
	defer ledger.mutex.Unlock()
	return len(ledger.values)
}
