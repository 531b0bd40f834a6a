//! Why settings have no effect, in the words of the messages.

/// Why a setting ends the start, and what can be done.
#[derive(Debug)]
pub(super) struct Refusal {
    /// What the setting asks for, and why it would be wrong to go on without.
    pub(super) asks: &'static str,
    /// What to do, to follow a semicolon.
    pub(super) cure: &'static str,
}

pub(super) const PERMISSIONS: Refusal = Refusal {
    asks: "it asks who may do what, and ACLs are not served yet, so that everybody could do everything",
    cure: "remove it, and let only those reach the listeners who may do everything",
};

pub(super) const AUTHENTICATION: Refusal = Refusal {
    asks: "it asks who a client is, and SASL is not served yet, so that everybody could enter",
    cure: "remove it, and let only those reach the listeners who may enter",
};

pub(super) const ENCRYPTION: Refusal = Refusal {
    asks: "it asks for secured connections, and TLS is not served yet, so that everybody could enter and \
           read along",
    cure: "remove it, and let only those reach the listeners who may enter",
};

pub(super) const POLICY: Refusal = Refusal {
    asks: "it names a class in Java that decides what clients may do, and such classes cannot be loaded",
    cure: "remove it, and let only those reach the listeners who may do everything",
};

pub(super) const ONE_LISTENERS_LIMIT: Refusal = Refusal {
    asks: "it asks for a limit of one listener, which is not served yet",
    cure: "remove it, and use max.connections and max.connections.per.ip",
};

pub(super) const CLUSTER: Refusal = Refusal {
    asks: "it asks to join other controllers, and a node of Zurau stands alone",
    cure: "remove it",
};

pub(super) const ZOOKEEPER: Refusal = Refusal {
    asks: "it asks to join the cluster of a ZooKeeper, and a node of Zurau stands alone",
    cure: "remove it: as with Kafka 4, nothing takes its place",
};

pub(super) const PROVIDERS: Refusal = Refusal {
    asks: "it names classes in Java that give values to other settings, and such classes cannot be loaded",
    cure: "remove it, and write the values themselves, in the file or the environment",
};

pub(super) const TIERS: Refusal = Refusal {
    asks: "it asks to keep old records in another storage, and tiered storage is not served yet",
    cure: "remove it, and see that log.dirs have room for all records that are to be kept",
};

pub(super) const CORDON: Refusal = Refusal {
    asks: "it asks to keep new partitions off directories, which is not served yet",
    cure: "remove it, and take the directories out of log.dirs once their partitions are moved",
};

// What will come, with its verb.
pub(super) const LOGINS: &str = "SASL is";
pub(super) const QUOTAS: &str = "quotas are";
pub(super) const METRICS: &str = "metrics are";
pub(super) const TRANSACTIONS: &str = "transactions are";
pub(super) const NEW_GROUPS: &str = "groups of the new consumer protocol are";
pub(super) const SHARE_GROUPS: &str = "share groups are";
pub(super) const STREAMS_GROUPS: &str = "streams groups are";
pub(super) const TIERED_STORAGE: &str = "tiered storage is";

// What Zurau does without.
pub(super) const THREADS: &str = "there are no such threads";
pub(super) const NO_LINGER: &str = "what groups write at the same time is written at once anyway";
pub(super) const NO_PURGATORY: &str = "nothing has to be purged of what waits";
pub(super) const METADATA_LOG: &str = "the metadata log is kept short by its snapshots";
pub(super) const JAVA: &str = "it is about classes in Java, which cannot be loaded";
pub(super) const NO_AUTHORIZER: &str = "no listener waits for an authorizer";
pub(super) const NOT_ABORTED: &str = "a start is never given up for its length";
pub(super) const STABLE: &str = "everything that is offered is stable";
pub(super) const KAFKAS_TESTS: &str = "it is for Kafka's own tests";

// What took the place of settings that Kafka has no more.
pub(super) const USE_LISTENERS: &str = "use listeners";
pub(super) const USE_ADVERTISED: &str = "use advertised.listeners";
pub(super) const USE_NODE_ID: &str = "use node.id";
pub(super) const USE_TIMESTAMP_LIMITS: &str =
    "use log.message.timestamp.before.max.ms and log.message.timestamp.after.max.ms";
pub(super) const FEATURES: &str = "features say what is in use";
pub(super) const NO_ZOOKEEPER: &str = "there is no ZooKeeper any more";
pub(super) const GONE: &str = "remove it";
