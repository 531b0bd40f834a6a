// Connects KafkaJS, of any release, with the few differences between it and its successor hidden.
'use strict'
const { Kafka, CompressionTypes, CompressionCodecs, logLevel } = require('kafkajs')
const lz4 = require('lz4-napi')
const snappy = require('kafkajs-snappy')
const zstd = require('@bokuweb/zstd-wasm')

// KafkaJS itself has gzip only, and takes the others from whoever has them.
CompressionCodecs[CompressionTypes.Snappy] = snappy
CompressionCodecs[CompressionTypes.LZ4] = () => ({
  compress: (encoder) => lz4.compressFrame(encoder.buffer),
  decompress: (buffer) => lz4.decompressFrame(buffer),
})
const zstdReady = zstd.init()
CompressionCodecs[CompressionTypes.ZSTD] = () => ({
  compress: async (encoder) => (await zstdReady, Buffer.from(zstd.compress(encoder.buffer))),
  decompress: async (buffer) => (await zstdReady, Buffer.from(zstd.decompress(buffer))),
})
const codecs = { none: 'None', gzip: 'GZIP', snappy: 'Snappy', lz4: 'LZ4', zstd: 'ZSTD' }

function kafka(clientId, retries) {
  return new Kafka({ clientId, brokers: [process.env.BOOTSTRAP_SERVERS], logLevel: logLevel.NOTHING, retry: { retries, initialRetryTime: 100 } })
}

exports.codecs = Object.keys(codecs)
exports.tellsEmptyFromNull = true
exports.setsOffsets = true
exports.describesConfigs = true

exports.producer = async ({ codec = 'none', idempotent = false, autoCreate = false, retries = 5 } = {}) => {
  // What it could not send it sends again when it is not idempotent, too, so that one request at a time keeps the order.
  const producer = kafka('producer', retries).producer({ idempotent, allowAutoTopicCreation: autoCreate, maxInFlightRequests: 1 })
  await producer.connect()
  const send = (topic, messages) => producer.send({ topic, messages, compression: CompressionTypes[codecs[codec]] })
  return { send, disconnect: () => producer.disconnect() }
}

// A producer with a transactional id; what it sends it sends in transactions.
exports.transactional = async (transactionalId, transactionTimeout = 60000) => {
  const producer = kafka('transactional', 5).producer({ transactionalId, transactionTimeout, idempotent: true, maxInFlightRequests: 1 })
  await producer.connect()
  return producer
}

exports.consumer = async (groupId, { clientId = 'consumer', autoCommit = false, readUncommitted = false } = {}) => {
  const consumer = kafka(clientId, 5).consumer({
    groupId, heartbeatInterval: 300, sessionTimeout: 10000, maxWaitTimeInMs: 100, readUncommitted,
  })
  let assigned = {}
  consumer.on(consumer.events.GROUP_JOIN, ({ payload }) => { assigned = payload.memberAssignment })
  await consumer.connect()
  return {
    subscribe: (topic) => consumer.subscribe({ topic, fromBeginning: true }),
    run: (eachMessage) => consumer.run({ autoCommit, eachMessage }),
    assigned: (topic) => assigned[topic] || [],
    seek: (target) => consumer.seek(target),
    pause: (topics) => consumer.pause(topics),
    resume: (topics) => consumer.resume(topics),
    commitOffsets: (offsets) => consumer.commitOffsets(offsets),
    disconnect: () => consumer.disconnect(),
  }
}

exports.admin = async () => {
  const admin = kafka('admin', 5).admin()
  await admin.connect()
  return admin
}

exports.partitionCount = async (admin, topic) => (await admin.fetchTopicMetadata({ topics: [topic] })).topics[0].partitions.length

// The offsets and notes of a group, by partition. The first major release asked for one topic at a time.
exports.committed = async (admin, groupId, topic) => {
  const answer = await admin.fetchOffsets({ groupId, topic, topics: [topic] })
  return answer.find((entry) => entry.topic === topic)?.partitions || answer
}

// The name that Kafka has for an error, wherever the client has wrapped it.
exports.errorName = (error) => {
  const inner = error.originalError || error.cause || error.errors?.[0] || error.groups?.[0].error
  return error.type || (inner ? exports.errorName(inner) : error.name)
}
