package main

import (
	"strings"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"zurau/expect"
)

// adminTopics: topics made, described, grown, deleted, and refused with the right error; the cluster and its settings.
func adminTopics() {
	operator := admin()
	defer operator.Close()
	create := func(name string, partitions int32, replicas int16, configs map[string]*string) error {
		answer, err := operator.CreateTopics(patient(), partitions, replicas, configs, name)
		expect.NoError("the request to create "+name, err)
		return answer[name].Err
	}
	partitions := func(name string) int {
		details, err := operator.ListTopics(patient())
		expect.NoError("listing topics", err)
		return len(details[name].Partitions)
	}

	plain, configured := expect.Unique("plain"), expect.Unique("configured")
	expect.NoError("creating", create(plain, 3, 1, nil))
	expect.Until("the topic shows", func() bool { return partitions(plain) == 3 })
	expect.NoError("creating with settings", create(configured, -1, -1, map[string]*string{
		"retention.ms": kadm.StringPtr("123456"), "cleanup.policy": kadm.StringPtr("compact,delete")}))
	expect.Until("broker defaults: one partition", func() bool { return partitions(configured) == 1 })
	described, err := operator.DescribeTopicConfigs(patient(), configured)
	expect.NoError("describing configs", err)
	settings := map[string]*kadm.Config{}
	for number := range described[0].Configs {
		entry := &described[0].Configs[number]
		settings[entry.Key] = entry
	}
	expect.Same("retention.ms", settings["retention.ms"].MaybeValue(), "123456")
	expect.Same("cleanup.policy", settings["cleanup.policy"].MaybeValue(), "compact,delete")
	expect.Same("who set it", settings["retention.ms"].Source.String(), "DYNAMIC_TOPIC_CONFIG")
	expect.Same("who set another", settings["segment.bytes"].Source.String(), "DEFAULT_CONFIG")

	metadata, err := operator.BrokerMetadata(patient())
	expect.NoError("describing the cluster", err)
	expect.Same("brokers", len(metadata.Brokers), 1)
	expect.Same("the controller", metadata.Controller, metadata.Brokers[0].NodeID)
	expect.Check("a cluster id", metadata.Cluster != "", metadata)
	versions, err := operator.ApiVersions(patient())
	expect.NoError("versions of APIs", err)
	expect.NoError("versions of APIs of the broker", versions[metadata.Controller].Err)
	brokers, err := operator.DescribeBrokerConfigs(patient(), metadata.Controller)
	expect.NoError("describing a broker", err)
	expect.Check("settings of the broker", len(brokers[0].Configs) > 20, len(brokers[0].Configs))

	refused("a topic that exists", create(plain, 1, 1, nil), kerr.TopicAlreadyExists)
	bad := expect.Unique("bad")
	refused("zero partitions", create(bad, 0, 1, nil), kerr.InvalidPartitions)
	refused("more replicas than brokers", create(bad, 1, 3, nil), kerr.InvalidReplicationFactor)
	refused("a bad value", create(bad, 1, 1, map[string]*string{"retention.ms": kadm.StringPtr("soon")}), kerr.InvalidConfig)
	refused("an unknown setting", create(bad, 1, 1, map[string]*string{"no.such.config": kadm.StringPtr("1")}), kerr.InvalidConfig)
	for _, name := range []string{"", ".", "..", "a b", "a/b", "ä", strings.Repeat("x", 250)} {
		refused("the name "+name, create(name, 1, 1, nil), kerr.InvalidTopicException)
	}
	checked, err := operator.ValidateCreateTopics(patient(), 2, 1, nil, bad)
	expect.NoError("validating", err)
	expect.NoError("validating", checked[bad].Err)
	expect.Same("none of the refused was made", partitions(bad), 0)

	grow := func(name string, count int) error {
		answer, err := operator.UpdatePartitions(patient(), count, name)
		expect.NoError("the request for more partitions", err)
		return answer[name].Err
	}
	expect.NoError("more partitions", grow(plain, 5))
	expect.Until("five partitions", func() bool { return partitions(plain) == 5 })
	expect.Until("the last one serves", func() bool {
		ends, err := operator.ListEndOffsets(patient(), plain)
		return err == nil && ends.Error() == nil && len(ends[plain]) == 5
	})
	sender := producer()
	sendAll(sender, []*kgo.Record{{Topic: plain, Partition: 4, Value: []byte("x")}}, 0)
	sender.Close()
	refused("fewer than there are", grow(plain, 2), kerr.InvalidPartitions)

	remove := func(name string) error {
		answer, err := operator.DeleteTopics(patient(), name)
		expect.NoError("the request to delete", err)
		return answer[name].Err
	}
	expect.NoError("deleting", remove(plain))
	expect.Until("the topic is gone", func() bool { return partitions(plain) == 0 })
	refused("deleting it twice", remove(plain), kerr.UnknownTopicOrPartition)
}
