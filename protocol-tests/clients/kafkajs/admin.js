// Topics and groups through the admin client: made, described, deleted, and refused with the right error.
'use strict'
const { check, same, topic, unique, until, errorOf } = require('./session')

exports['admin-topics'] = async (connection) => {
  const admin = await connection.admin()
  const create = (name, numPartitions, settings = {}) => admin.createTopics({
    topics: [{ topic: name, numPartitions, replicationFactor: 1, ...settings }] })
  const exists = async (name) => (await admin.listTopics()).includes(name)
  const partitions = (name) => connection.partitionCount(admin, name)
  const plain = unique('plain')
  same('created', await create(plain, 3), true)
  await until('the topic shows', async () => await exists(plain) && await partitions(plain) === 3)
  same('a topic that exists', await create(plain, 1), false)
  const bad = unique('bad')
  same('zero partitions', await errorOf(connection, () => create(bad, 0)), 'INVALID_PARTITIONS')
  same('more replicas than brokers', await errorOf(connection, () => create(bad, 1, { replicationFactor: 3 })), 'INVALID_REPLICATION_FACTOR')
  same('a bad value', await errorOf(connection, () => create(bad, 1, { configEntries: [{ name: 'retention.ms', value: 'soon' }] })), 'INVALID_CONFIG')
  for (const name of ['.', '..', 'a b', 'a/b', 'x'.repeat(250)]) {
    same(`the name ${name}`, await errorOf(connection, () => create(name, 1)), 'INVALID_TOPIC_EXCEPTION')
  }
  check('none of the refused was made', !await exists(bad))
  const configured = unique('configured')
  await create(configured, 1, { configEntries: [{ name: 'retention.ms', value: '123456' }] })
  await until('the configured topic shows', () => exists(configured))
  if (connection.describesConfigs) {
    const { resources } = await admin.describeConfigs({ includeSynonyms: true, resources: [{ type: 2, name: configured }] })
    const entry = resources[0].configEntries.find(({ configName }) => configName === 'retention.ms')
    same('a setting of the topic', entry.configValue, '123456')
    const cluster = await admin.describeCluster()
    same('the controller', cluster.controller, cluster.brokers[0].nodeId)
    await admin.createPartitions({ topicPartitions: [{ topic: plain, count: 5 }] })
    await until('five partitions', async () => await partitions(plain) === 5)
    same('fewer than there are', await errorOf(connection, () => admin.createPartitions({ topicPartitions: [{ topic: plain, count: 2 }] })),
      'INVALID_PARTITIONS')
  }
  await admin.deleteTopics({ topics: [plain, configured] })
  await until('the topics are gone', async () => !await exists(plain) && !await exists(configured))
  same('deleting twice', await errorOf(connection, () => admin.deleteTopics({ topics: [plain] })), 'UNKNOWN_TOPIC_OR_PARTITION')
  await admin.disconnect()
}

exports['admin-groups'] = async (connection) => {
  const name = await topic(connection, 'administered', 4)
  const admin = await connection.admin()
  const group = unique('living')
  const described = async () => (await admin.describeGroups([group])).groups[0]
  const listed = async () => (await admin.listGroups()).groups.some(({ groupId }) => groupId === group)
  // A client gives the state by name or by number.
  const inState = async (...states) => states.includes((await described()).state)

  const members = []
  for (const clientId of ['first', 'second']) {
    const consumer = await connection.consumer(group, { clientId })
    await consumer.subscribe(name)
    await consumer.run(async () => {})
    members.push(consumer)
  }
  await until('two equal shares', () => members.every((member) => member.assigned(name).length === 2))
  await until('stable', () => inState('Stable', connection.states?.STABLE))
  check('listed', await listed())
  const living = await described()
  same('members', living.members.map(({ clientId }) => clientId).sort(), ['first', 'second'])
  same('kind of group', living.protocolType || 'consumer', 'consumer')
  same('deleting a group with members', await errorOf(connection, () => admin.deleteGroups([group])), 'NON_EMPTY_GROUP')
  await members[0].commitOffsets([{ topic: name, partition: members[0].assigned(name)[0], offset: '0' }])
  await Promise.all(members.map((member) => member.disconnect()))
  await until('empty', () => inState('Empty', connection.states?.EMPTY))
  await admin.deleteGroups([group])
  check('gone from the list', !await listed())
  same('deleting it twice', await errorOf(connection, () => admin.deleteGroups([group])), 'GROUP_ID_NOT_FOUND')
  await admin.disconnect()
}
