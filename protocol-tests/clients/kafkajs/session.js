// What all scenarios use: unique names, topics, sending and reading, plain comparisons.
'use strict'
const { isDeepStrictEqual, inspect } = require('util')

// A broker that answers nothing must fail a scenario, not hang it.
const PATIENCE_MILLISECONDS = 60000

function fail(message) {
  process.stdout.write(`FAILED: ${message}\n`)
  process.exit(1)
}

function check(what, holds, detail) {
  if (!holds) fail(`${what} ${inspect(detail).slice(0, 1500)}`)
}

function same(what, got, wanted) {
  if (!isDeepStrictEqual(got, wanted)) fail(`${what}:\n  got    ${inspect(got).slice(0, 1500)}\n  wanted ${inspect(wanted).slice(0, 1500)}`)
}

const pause = (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds))

// Waits for a condition that must come true.
async function until(what, holds) {
  const deadline = Date.now() + PATIENCE_MILLISECONDS
  for (;;) {
    const value = await holds()
    if (value) return value
    if (Date.now() > deadline) fail(`not within ${PATIENCE_MILLISECONDS} ms: ${what}`)
    await pause(20)
  }
}

const unique = (name) => process.env.TOPIC_PREFIX + name

// Makes a topic and returns its unique name once every partition serves.
async function topic(connection, name, partitions = 1, configs = {}) {
  const full = unique(name)
  const admin = await connection.admin()
  const configEntries = Object.entries(configs).map(([key, value]) => ({ name: key, value }))
  await admin.createTopics({ topics: [{ topic: full, numPartitions: partitions, replicationFactor: 1, configEntries }] })
  await until(`${full} serves`, () => admin.fetchTopicOffsets(full).then((offsets) => offsets.length === partitions, () => false))
  await admin.disconnect()
  return full
}

// Reads `count` messages of a topic as the only member of a group, hands each to `visit`, and sees that no more come.
async function read(connection, name, count, visit, group = unique(`read-${Math.random()}`)) {
  const consumer = await connection.consumer(group)
  await consumer.subscribe(name)
  let seen = 0
  await consumer.run(async ({ partition, message }) => {
    seen += 1
    visit(partition, message)
  })
  await until(`${count} messages`, () => seen >= count)
  await pause(200)
  same('messages read', seen, count)
  return consumer
}

// The name of the error with which a call fails.
async function errorOf(connection, call) {
  try {
    await call()
  } catch (error) {
    return connection.errorName(error)
  }
  return 'nothing'
}

module.exports = { fail, check, same, until, pause, unique, topic, read, errorOf }
