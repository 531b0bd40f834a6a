package main

import (
	"strings"

	"github.com/IBM/sarama"
	"zurau/expect"
)

// adminTopics: topics made, described, grown, deleted, and refused with the right error; the cluster and its settings.
func adminTopics() {
	operator := admin()
	create := func(name string, partitions int32, replicas int16, configs map[string]*string) error {
		return operator.CreateTopic(name, &sarama.TopicDetail{NumPartitions: partitions, ReplicationFactor: replicas, ConfigEntries: configs}, false)
	}
	partitions := func(name string) int {
		details, err := operator.ListTopics()
		expect.NoError("listing topics", err)
		return int(details[name].NumPartitions)
	}

	plain, configured, bad := expect.Unique("plain"), expect.Unique("configured"), expect.Unique("bad")
	expect.NoError("creating", create(plain, 3, 1, nil))
	expect.Until("the topic shows", func() bool { return partitions(plain) == 3 })
	expect.NoError("creating with settings", create(configured, -1, -1, map[string]*string{
		"retention.ms": text("123456"), "cleanup.policy": text("compact,delete")}))
	expect.Until("broker defaults: one partition", func() bool { return partitions(configured) == 1 })
	entries, err := operator.DescribeConfig(sarama.ConfigResource{Type: sarama.TopicResource, Name: configured})
	expect.NoError("describing a topic's settings", err)
	values := map[string]string{}
	for _, entry := range entries {
		values[entry.Name] = entry.Value
	}
	expect.Same("retention.ms", values["retention.ms"], "123456")
	expect.Same("cleanup.policy", values["cleanup.policy"], "compact,delete")
	details, err := operator.ListTopics()
	expect.NoError("listing topics", err)
	expect.Same("what the list says was set", *details[configured].ConfigEntries["retention.ms"], "123456")
	described, err := operator.DescribeTopics([]string{plain, bad})
	expect.NoError("describing topics", err)
	errorsByName := map[string]sarama.KError{described[0].Name: described[0].Err, described[1].Name: described[1].Err}
	expect.Same("described", errorsByName, map[string]sarama.KError{plain: sarama.ErrNoError, bad: sarama.ErrUnknownTopicOrPartition})

	brokers, controller, err := operator.DescribeCluster()
	expect.NoError("describing the cluster", err)
	expect.Same("brokers", len(brokers), 1)
	expect.Same("the controller", controller, brokers[0].ID())
	entries, err = operator.DescribeConfig(sarama.ConfigResource{Type: sarama.BrokerResource, Name: "1"})
	expect.NoError("describing a broker's settings", err)
	expect.Check("settings of the broker", len(entries) > 20, len(entries))

	refused("a topic that exists", create(plain, 1, 1, nil), sarama.ErrTopicAlreadyExists)
	refused("zero partitions", create(bad, 0, 1, nil), sarama.ErrInvalidPartitions)
	refused("more replicas than brokers", create(bad, 1, 3, nil), sarama.ErrInvalidReplicationFactor)
	refused("a bad value", create(bad, 1, 1, map[string]*string{"retention.ms": text("soon")}), sarama.ErrInvalidConfig)
	refused("an unknown setting", create(bad, 1, 1, map[string]*string{"no.such.config": text("1")}), sarama.ErrInvalidConfig)
	for _, name := range []string{".", "..", "a b", "a/b", "ä", strings.Repeat("x", 250)} {
		refused("the name "+name, create(name, 1, 1, nil), sarama.ErrInvalidTopic)
	}
	expect.NoError("validating", operator.CreateTopic(bad, &sarama.TopicDetail{NumPartitions: 2, ReplicationFactor: 1}, true))
	expect.Same("none of these was made", partitions(bad), 0)

	expect.NoError("more partitions", operator.CreatePartitions(plain, 5, nil, false))
	expect.Until("five partitions", func() bool { return partitions(plain) == 5 })
	refused("fewer than there are", operator.CreatePartitions(plain, 2, nil, false), sarama.ErrInvalidPartitions)
	expect.NoError("deleting", operator.DeleteTopic(plain))
	expect.Until("the topic is gone", func() bool { return partitions(plain) == 0 })
	refused("deleting it twice", operator.DeleteTopic(plain), sarama.ErrUnknownTopicOrPartition)
	expect.NoError("closing", operator.Close())
}
