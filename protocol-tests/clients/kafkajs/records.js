// Records there and back: content, codecs, idempotence.
'use strict'
const { randomFillSync } = require('crypto')
const { same, topic, read } = require('./session')

const PARTITIONS = 6

// A null key, an empty one or a short one, the same of values, and headers now and then.
function varied(number, timestamp, empty) {
  const kind = number % 10
  return {
    partition: (number * 7919) % 31 % PARTITIONS,
    key: kind === 0 ? null : Buffer.from(kind === 1 ? empty : `key-${number % 1000}`),
    value: kind === 2 ? null : kind === 3 ? Buffer.from(empty) : Buffer.concat([Buffer.from(`${number}`), randomFillSync(Buffer.alloc(kind * 15))]),
    headers: kind < 5 ? {} : { number: Buffer.from(`${number}`), empty: Buffer.alloc(0) },
    timestamp: `${timestamp + number}`,
  }
}

const content = ({ key, value, headers, timestamp }) => ({ key, value, headers: { ...headers }, timestamp })

// Sends in batches and checks each batch's first offset where the client tells it.
async function sendAll(producer, name, messages, size) {
  const following = new Map()
  for (let start = 0; start < messages.length; start += size) {
    const batch = messages.slice(start, start + size)
    const firsts = new Map()
    for (const { partition } of batch) {
      const next = following.get(partition) || 0
      if (!firsts.has(partition)) firsts.set(partition, next)
      following.set(partition, next + 1)
    }
    for (const { partition, errorCode, baseOffset } of await producer.send(name, batch.map((message) => ({ ...message })))) {
      same('error code', errorCode, 0)
      same(`first offset in partition ${partition}`, Number(baseOffset), firsts.get(partition))
    }
  }
}

async function thereAndBack(connection, name, messages, settings, size) {
  let began = Date.now()
  const producer = await connection.producer(settings)
  await sendAll(producer, name, messages, size)
  await producer.disconnect()
  const secondsIn = (Date.now() - began) / 1000
  began = Date.now()
  const wanted = Array.from({ length: PARTITIONS }, () => [])
  for (const message of messages) wanted[message.partition].push(message)
  const following = new Array(PARTITIONS).fill(0)
  const consumer = await read(connection, name, messages.length, (partition, message) => {
    const offset = following[partition]++
    same('offset', message.offset, `${offset}`)
    same(`partition ${partition}, offset ${offset}`, content(message), content(wanted[partition][offset]))
  })
  await consumer.disconnect()
  console.log(`figures: in ${secondsIn} s, out ${(Date.now() - began) / 1000} s`)
}

// A client that takes an empty value for none at all gets something instead.
function messages(connection, count) {
  const [start, empty] = [Date.now() - count, connection.tellsEmptyFromNull ? '' : 'not empty']
  return Array.from({ length: count }, (_, number) => varied(number, start, empty))
}

// 100,000 records over six partitions: keys, values, headers and timestamps come back byte for byte, in order.
exports.records = async (connection) => {
  await thereAndBack(connection, await topic(connection, 'records', PARTITIONS), messages(connection, 100000), {}, 5000)
}

// Every codec that the client has or can be given.
exports.codecs = async (connection) => {
  for (const codec of connection.codecs) {
    await thereAndBack(connection, await topic(connection, `codec-${codec}`, PARTITIONS), messages(connection, 3000), { codec }, 1500)
  }
}

// An idempotent producer: many small batches, each record once and each partition in order.
exports.idempotent = async (connection) => {
  await thereAndBack(connection, await topic(connection, 'idempotent', PARTITIONS), messages(connection, 10000), { idempotent: true }, 100)
}
