"""Starting, stopping and killing the broker under test.

`zurau.ZurauBroker` runs our release binary, `kafka.KafkaBroker` a real Apache Kafka. Both are a
`process.BrokerProcess`, so that a scenario cannot tell them apart. `control_server.ControlServer`
lets a scenario, in whatever language, drive its broker through the executable `broker/control`.
"""
