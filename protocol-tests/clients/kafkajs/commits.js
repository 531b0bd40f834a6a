// Commit and resume: what was committed is where the group goes on.
'use strict'
const { same, topic, unique, read } = require('./session')

const PARTITIONS = 3

exports.commits = async (connection) => {
  const name = await topic(connection, 'commits', PARTITIONS)
  const group = unique('commits')
  const producer = await connection.producer()
  await producer.send(name, Array.from({ length: 300 }, (_, number) => ({ partition: number % PARTITIONS, value: `${number}` })))
  await producer.disconnect()
  const admin = await connection.admin()
  const committed = async () => {
    const entries = await connection.committed(admin, group, name)
    return entries.filter(({ offset }) => offset !== '-1').map(({ partition, offset, metadata }) => [partition, offset, metadata || '']).sort()
  }
  const firsts = async (count, offsets) => {
    const first = {}
    const consumer = await read(connection, name, count, (partition, { offset }) => { first[partition] ??= offset }, group)
    if (offsets) await consumer.commitOffsets(offsets.map(([partition, offset, metadata]) => ({ topic: name, partition, offset, metadata })))
    await consumer.disconnect()
    return first
  }
  same('a group that never committed', await committed(), [])
  const some = [[0, '40', 'a note'], [2, '60', 'grün ✓']]
  same('where a new group begins', await firsts(300, some), { 0: '0', 1: '0', 2: '0' })
  same('committed', await committed(), some)
  const all = [0, 1, 2].map((partition) => [partition, '100', ''])
  same('where it goes on', await firsts(60 + 100 + 40, all), { 0: '40', 1: '0', 2: '60' })
  same('committed', await committed(), all)
  const back = [[1, '7', '']]
  if (connection.setsOffsets) {
    await admin.setOffsets({ groupId: group, topic: name, partitions: [{ partition: 1, offset: '7' }] })
  } else {
    same('nothing is left', await firsts(0, back), {})
  }
  same('set backwards', (await committed())[1].slice(0, 2), [1, '7'])
  same('where it goes on after that', await firsts(93), { 1: '7' })
  await admin.disconnect()
}
