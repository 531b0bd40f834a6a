package main

import (
	"fmt"
	"strings"
	"time"

	"github.com/IBM/sarama"
	"zurau/expect"
)

// codecs: every codec the client has, in large batches, read whole and from the middle of a batch.
func codecs() {
	const count = 4000
	for _, codec := range []sarama.CompressionCodec{sarama.CompressionNone, sarama.CompressionGZIP, sarama.CompressionSnappy,
		sarama.CompressionLZ4, sarama.CompressionZSTD} {
		name := topic("codec-"+codec.String(), 1, nil)
		now := time.UnixMilli(time.Now().UnixMilli())
		var sent []*sarama.ProducerMessage
		for row := 0; row < count; row++ {
			sent = append(sent, &sarama.ProducerMessage{Topic: name, Timestamp: now.Add(time.Duration(row) * time.Millisecond),
				Key:     sarama.StringEncoder(fmt.Sprint(row)),
				Value:   sarama.StringEncoder(strings.Repeat(fmt.Sprintf("value %d ", row), row%40)),
				Headers: []sarama.RecordHeader{{Key: []byte("h"), Value: []byte(fmt.Sprint(row))}}})
		}
		config := settings()
		config.Producer.Compression = codec
		config.Producer.Flush.Messages = 1000
		config.Producer.Flush.Frequency = 20 * time.Millisecond
		sender := producer(config)
		sendAll(sender, sent, 0)
		expect.NoError("closing", sender.Close())
		// From the start, and from inside of a batch; the records before them must not show.
		for _, first := range []int{0, 1234} {
			for number, got := range readPartition(name, 0, int64(first), count-first) {
				expect.Same("offset", got.Offset, int64(first+number))
				sameMessage(got, sent[first+number])
			}
		}
	}
}
