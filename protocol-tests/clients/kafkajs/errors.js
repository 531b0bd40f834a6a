// Bad records get the error that belongs to them, and the client that sent one can go on.
'use strict'
const { check, same, topic, unique, read, errorOf } = require('./session')

exports.errors = async (connection) => {
  const limited = await topic(connection, 'limited', 1, { 'max.message.bytes': '2000' })
  for (const idempotent of [false, true]) {
    const producer = await connection.producer({ idempotent })
    same('too large a record', await errorOf(connection, () => producer.send(limited, [{ value: 'x'.repeat(5000) }])), connection.tooLarge || 'MESSAGE_TOO_LARGE')
    if (!idempotent) await producer.send(limited, [{ value: 'small' }])
    await producer.disconnect()
  }
  const stored = await read(connection, limited, 1, (_, { value }) => same('only the good one is stored', value.toString(), 'small'))
  await stored.disconnect()

  const producer = await connection.producer({ retries: 1 })
  for (const name of ['a b', 'a/b', 'x'.repeat(250)]) {
    same(`producing to the name ${name}`, await errorOf(connection, () => producer.send(name, [{ value: 'x' }])), 'INVALID_TOPIC_EXCEPTION')
  }
  const compacted = await topic(connection, 'compacted', 1, { 'cleanup.policy': 'compact' })
  same('a record without a key', await errorOf(connection, () => producer.send(compacted, [{ value: 'x' }])), connection.invalidRecord || 'INVALID_RECORD')
  await producer.send(compacted, [{ key: 'k', value: 'x' }])
  await producer.disconnect()
}

// A broker that makes no topics by itself says so, and makes none.
exports['without-auto-create'] = async (connection) => {
  const missing = unique('missing')
  const producer = await connection.producer({ autoCreate: true, retries: 2 })
  same('a producer is told', await errorOf(connection, () => producer.send(missing, [{ value: 'x' }])), 'UNKNOWN_TOPIC_OR_PARTITION')
  const admin = await connection.admin()
  check('nothing was made', !(await admin.listTopics()).includes(missing))
  await admin.disconnect()
  const made = await topic(connection, 'made')
  await producer.send(made, [{ value: 'x' }])
  await producer.disconnect()
}
