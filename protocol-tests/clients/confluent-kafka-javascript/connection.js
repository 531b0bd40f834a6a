// Connects Confluent's client for Node, which has the interface of KafkaJS with librdkafka beneath.
'use strict'
const { KafkaJS } = require('@confluentinc/kafka-javascript')

const settings = (clientId) => ({ kafkaJS: { clientId, brokers: [process.env.BOOTSTRAP_SERVERS], logLevel: KafkaJS.logLevel.NOTHING } })

// Without zstd, for which the system would have to have one more library.
exports.codecs = ['none', 'gzip', 'snappy', 'lz4']
exports.tellsEmptyFromNull = false
exports.setsOffsets = false
exports.describesConfigs = false
exports.states = KafkaJS.ConsumerGroupStates

exports.producer = async ({ codec = 'none', idempotent = false, autoCreate = false } = {}) => {
  // The topic stays unknown for as long as librdkafka thinks that news of it may be under way.
  const producer = new KafkaJS.Kafka(settings('producer')).producer({
    kafkaJS: { idempotent, compression: codec, allowAutoTopicCreation: autoCreate }, 'topic.metadata.propagation.max.ms': 1000, 'linger.ms': 5 })
  await producer.connect()
  return { send: (topic, messages) => producer.send({ topic, messages }), disconnect: () => producer.disconnect() }
}

exports.consumer = async (groupId, { clientId = 'consumer', autoCommit = false } = {}) => {
  const consumer = new KafkaJS.Kafka(settings(clientId)).consumer({
    kafkaJS: { groupId, fromBeginning: true, autoCommit, heartbeatInterval: 300, sessionTimeout: 10000, maxWaitTimeInMs: 100 } })
  await consumer.connect()
  return {
    subscribe: (topic) => consumer.subscribe({ topic }),
    run: (eachMessage) => consumer.run({ eachMessage }),
    assigned: (topic) => consumer.assignment().filter((entry) => entry.topic === topic).map(({ partition }) => partition),
    seek: (target) => consumer.seek(target),
    pause: (topics) => consumer.pause(topics),
    resume: (topics) => consumer.resume(topics),
    commitOffsets: (offsets) => consumer.commitOffsets(offsets),
    disconnect: () => consumer.disconnect(),
  }
}

exports.admin = async () => {
  const admin = new KafkaJS.Kafka(settings('admin')).admin()
  await admin.connect()
  return admin
}

exports.partitionCount = async (admin, topic) => (await admin.fetchTopicMetadata({ topics: [topic] }))[0].partitions.length

exports.committed = async (admin, groupId, topic) => {
  const answer = await admin.fetchOffsets({ groupId, topics: [topic] })
  return answer.find((entry) => entry.topic === topic)?.partitions || []
}

// The names of Kafka for the numbers that librdkafka uses for the same.
const names = {
  '-188': 'UNKNOWN_TOPIC_OR_PARTITION', 3: 'UNKNOWN_TOPIC_OR_PARTITION', 10: 'MESSAGE_TOO_LARGE', 17: 'INVALID_TOPIC_EXCEPTION',
  37: 'INVALID_PARTITIONS', 38: 'INVALID_REPLICATION_FACTOR', 40: 'INVALID_CONFIG', 68: 'NON_EMPTY_GROUP', 69: 'GROUP_ID_NOT_FOUND',
  87: 'INVALID_RECORD',
}
exports.errorName = (error) => {
  const inner = error.groups?.[0].error || error.errors?.[0] || error
  return names[inner.code] || `${inner.type} (${inner.code})`
}
