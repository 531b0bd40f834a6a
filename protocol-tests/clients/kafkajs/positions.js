// Offsets by time, and seeking.
'use strict'
const { same, topic, unique, until, pause } = require('./session')

exports.positions = async (connection) => {
  const name = await topic(connection, 'positions', 2)
  const base = Date.now() - 1000000
  // Partition 0: a second apart. Partition 1: nothing.
  const producer = await connection.producer()
  await producer.send(name, Array.from({ length: 100 }, (_, number) => (
    { partition: 0, value: `${number}`, timestamp: `${base + number * 1000}` })))
  const admin = await connection.admin()
  const byTime = async (when) => {
    const answer = await admin.fetchTopicOffsetsByTimestamp(name, when)
    return answer.map(({ partition, offset }) => [partition, offset]).sort()
  }
  same('exactly the time of a record', await byTime(base + 30000), [[0, '30'], [1, '0']])
  same('between two records', await byTime(base + 30001), [[0, '31'], [1, '0']])
  same('before all records', await byTime(1), [[0, '0'], [1, '0']])
  same('after all records: the end', await byTime(base + 99001), [[0, '100'], [1, '0']])
  const ends = await admin.fetchTopicOffsets(name)
  same('both ends', ends.map(({ partition, low, high }) => [partition, low, high]).sort(), [[0, '0', '100'], [1, '0', '0']])
  await admin.disconnect()

  const consumer = await connection.consumer(unique('positions'))
  await consumer.subscribe(name)
  let offsets = []
  await consumer.run(async ({ partition, message }) => { offsets.push([partition, Number(message.offset)]) })
  await until('everything', () => offsets.length === 100)
  for (const target of [90, 5, 42]) {
    offsets = []
    await consumer.seek({ topic: name, partition: 0, offset: `${target}` })
    await until(`from ${target} on`, () => offsets.length >= 100 - target)
    same('offsets after a seek', offsets, Array.from({ length: 100 - target }, (_, row) => [0, target + row]))
  }
  // Pause one of two partitions: only the other one flows; resume: nothing was skipped.
  offsets = []
  consumer.pause([{ topic: name, partitions: [0] }])
  await producer.send(name, [{ partition: 0, value: 'paused' }])
  await producer.send(name, [{ partition: 1, value: 'flows' }])
  await until('the partition that was not paused', () => offsets.length > 0)
  await pause(300)
  same('what flows', offsets, [[1, 0]])
  consumer.resume([{ topic: name, partitions: [0] }])
  await until('what was held back', () => offsets.length > 1)
  same('after resuming', offsets, [[1, 0], [0, 100]])
  await consumer.disconnect()
  await producer.disconnect()
}
