//go:build !franz_go_old

package main

import "github.com/twmb/franz-go/pkg/kgo"

func init() {
	scenarios["consumer-protocol-range"] = func() { membersComeAndGo(kgo.RangeBalancer(), kgo.ServerSideBalancer()) }
	scenarios["consumer-protocol-sticky"] = func() { membersComeAndGo(kgo.StickyBalancer(), kgo.ServerSideBalancer()) }
}
