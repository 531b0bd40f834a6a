// Transactions: committed, aborted, fenced, out of time, and with offsets.
'use strict'
const { check, same, topic, unique, until, pause } = require('./session')

const rows = (partition, ...values) => values.map((value) => ({ partition, value }))

// What a reader sees of partition 0 up to a mark that is sent afterwards. To a reader of committed records the mark shows
// that no transaction before it is open.
async function seen(connection, name, readUncommitted = false) {
  const mark = unique(`mark-${Math.random()}`)
  const producer = await connection.producer()
  await producer.send(name, rows(0, mark))
  await producer.disconnect()
  const consumer = await connection.consumer(unique(`read-${Math.random()}`), { readUncommitted })
  const values = []
  await consumer.subscribe(name)
  await consumer.run(async ({ partition, message }) => { if (partition === 0) values.push(message.value.toString()) })
  await until(`the mark in ${name}`, () => values.includes(mark))
  await consumer.disconnect()
  return values.filter((value) => !value.startsWith(unique('mark-')))
}

async function failure(call) {
  try {
    await call()
  } catch (error) {
    return error
  }
  return null
}

// One after the other; only what was committed is seen.
exports.transactions = async (connection) => {
  const name = await topic(connection, 'transactions', 2)
  const producer = await connection.transactional(unique('one'))
  const committed = []
  const everything = []
  for (let number = 0; number < 9; number += 1) {
    const values = [`${number} a`, `${number} b`]
    const transaction = await producer.transaction()
    await transaction.send({ topic: name, messages: [...rows(0, ...values), ...rows(1, ...values)] })
    everything.push(...values)
    if (number % 3 === 1) {
      await transaction.abort()
    } else {
      await transaction.commit()
      committed.push(...values)
    }
  }
  await producer.disconnect()
  same('committed', await seen(connection, name), committed)
  same('everything', await seen(connection, name, true), everything)
}

// A second producer with the same id aborts what the first one has begun, and fences it.
exports['transactions-fenced'] = async (connection) => {
  const name = await topic(connection, 'fenced')
  const zombie = await connection.transactional(unique('id'))
  const old = await zombie.transaction()
  await old.send({ topic: name, messages: rows(0, 'of the zombie') })
  const next = await connection.transactional(unique('id'))
  const transaction = await next.transaction()
  await transaction.send({ topic: name, messages: rows(0, 'of the next') })
  const error = await failure(() => old.commit())
  check('the zombie is fenced', error && ['INVALID_PRODUCER_EPOCH', 'PRODUCER_FENCED', 'UNKNOWN'].includes(connection.errorName(error)), error)
  await transaction.commit()
  await next.disconnect()
  same('committed', await seen(connection, name), ['of the next'])
  same('everything', await seen(connection, name, true), ['of the zombie', 'of the next'])
}

// The broker aborts a transaction whose time is up, and another producer goes on.
exports['transactions-time-up'] = async (connection) => {
  const name = await topic(connection, 'time-up')
  const slow = await connection.transactional(unique('slow'), 1000)
  const late = await slow.transaction()
  await late.send({ topic: name, messages: rows(0, 'of the slow one') })
  same('committed after the time was up', await seen(connection, name), [])
  const error = await failure(() => late.commit())
  check('a commit after the time was up is refused', error, error)
  const next = await connection.transactional(unique('slow'))
  const transaction = await next.transaction()
  await transaction.send({ topic: name, messages: rows(0, 'of the next') })
  await transaction.commit()
  await next.disconnect()
  same('committed', await seen(connection, name), ['of the next'])
  const patient = await connection.transactional(unique('patient'), 900001)
  const refused = await failure(() => patient.transaction())
  same('more time than the broker gives', connection.errorName(refused), 'INVALID_TRANSACTION_TIMEOUT')
}

// Offsets of a transaction count when it is committed.
exports['transactions-offsets'] = async (connection) => {
  const name = await topic(connection, 'offsets')
  const group = unique('group')
  const producer = await connection.transactional(unique('worker'))
  const committed = async () => {
    const admin = await connection.admin()
    const [{ offset }] = await connection.committed(admin, group, name)
    await admin.disconnect()
    return offset
  }
  const round = async (offset, end) => {
    const transaction = await producer.transaction()
    await transaction.send({ topic: name, messages: rows(0, `with ${offset}`) })
    await transaction.sendOffsets({ consumerGroupId: group, topics: [{ topic: name, partitions: [{ partition: 0, offset }] }] })
    await transaction[end]()
  }
  await round('5', 'commit')
  await until('the offset is committed', async () => (await committed()) === '5')
  await round('7', 'abort')
  same('committed', await seen(connection, name), ['with 5'])
  await pause(100)
  same('the offset after an abort', await committed(), '5')
  await round('9', 'commit')
  await until('the next offset is committed', async () => (await committed()) === '9')
  await producer.disconnect()
}
