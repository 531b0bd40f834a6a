// A group of three, of whom one leaves, and one joins, while records flow.
'use strict'
const { check, same, topic, unique, until, pause } = require('./session')

const PARTITIONS = 6

exports.group = async (connection) => {
  const name = await topic(connection, 'group', PARTITIONS)
  const group = unique('members')
  const seen = new Map()
  const members = new Map()
  const producer = await connection.producer()
  let sent = 0
  let sending = true
  // To each partition in turn, without a pause for rebalances.
  const sender = (async () => {
    while (sending) {
      const first = sent
      sent += 30
      await producer.send(name, Array.from({ length: 30 }, (_, row) => ({ partition: (first + row) % PARTITIONS, value: `${first + row}` })))
      await pause(20)
    }
  })()
  const join = async (clientId) => {
    const consumer = await connection.consumer(group, { clientId, autoCommit: true })
    members.set(clientId, consumer)
    await consumer.subscribe(name)
    await consumer.run(async ({ partition, message }) => {
      const number = Number(message.value)
      same('partition of a record', number % PARTITIONS, partition)
      seen.set(number, (seen.get(number) || 0) + 1)
    })
  }
  const leave = async (clientId) => {
    const consumer = members.get(clientId)
    members.delete(clientId)
    await consumer.disconnect()
  }
  const balanced = () => until('equal shares', () => {
    const shares = [...members.values()].map((consumer) => consumer.assigned(name))
    return shares.every((share) => share.length === PARTITIONS / members.size) && new Set(shares.flat()).size === PARTITIONS
  })
  const flow = async () => {
    const mark = sent + 300
    await until('records flow', () => seen.size >= mark)
  }

  await join('first')
  await balanced()
  await flow()
  await Promise.all([join('second'), join('third')])
  await balanced()
  await flow()
  await leave('second')
  await balanced()
  await flow()
  await join('fourth')
  await balanced()
  await flow()
  sending = false
  await sender
  await until('all that was sent is seen', () => seen.size === sent)
  await Promise.all([...members.keys()].map(leave))
  // This client promises each record at least once: a commit may come too late for a rebalance.
  const again = [...seen.values()].filter((times) => times > 1).length
  check('few are seen again', again < sent / 2, again)

  // The commits of those who left carry a new member to the very end.
  const before = seen.size
  await join('late')
  await balanced()
  seen.clear()
  await producer.send(name, [{ partition: 0, value: `${sent + PARTITIONS - (sent % PARTITIONS)}` }])
  await until('the late record is seen', () => seen.size > 0)
  same('and nothing old', seen.size, 1)
  await leave('late')
  await producer.disconnect()
  console.log(`figures: ${before} records, ${again} seen again`)
}
