//! Why settings have no effect, as the messages say it.

/// Why a setting ends the start, and what can be done.
#[derive(Debug)]
pub(super) struct Refusal {
    /// What the setting asks for, and why the broker must not start without it.
    pub(super) asks: &'static str,
    /// What to do, to follow a semicolon.
    pub(super) cure: &'static str,
}

pub(super) const PERMISSIONS: Refusal = Refusal {
    asks: "it restricts what clients may do, but ACLs are not served yet: every client could do everything",
    cure: "remove it, and let only trusted clients reach the listeners",
};

pub(super) const AUTHENTICATION: Refusal = Refusal {
    asks: "it asks for authentication, but SASL is not served yet: every client could connect",
    cure: "remove it, and let only trusted clients reach the listeners",
};

pub(super) const ENCRYPTION: Refusal = Refusal {
    asks: "it asks for secured connections, but TLS is not served yet: anybody could connect, and read \
           the traffic of others",
    cure: "remove it, and let only trusted clients reach the listeners",
};

pub(super) const POLICY: Refusal = Refusal {
    asks: "it names a Java class that decides what clients may do, but Java classes cannot be loaded",
    cure: "remove it, and let only trusted clients reach the listeners",
};

pub(super) const ONE_LISTENERS_LIMIT: Refusal = Refusal {
    asks: "it sets a limit for a single listener, which is not served yet",
    cure: "remove it, and use max.connections and max.connections.per.ip",
};

pub(super) const CLUSTER: Refusal = Refusal {
    asks: "it lets this node join other controllers, but a Zurau node runs alone",
    cure: "remove it",
};

pub(super) const ZOOKEEPER: Refusal = Refusal {
    asks: "it lets this node join a ZooKeeper cluster, but a Zurau node runs alone",
    cure: "remove it; as in Kafka 4, nothing replaces it",
};

pub(super) const PROVIDERS: Refusal = Refusal {
    asks: "it names Java classes that provide the values of other settings, but Java classes cannot be loaded",
    cure: "remove it, and write the values themselves into the file or the environment",
};

pub(super) const TIERS: Refusal = Refusal {
    asks: "it moves old records to remote storage, but tiered storage is not served yet",
    cure: "remove it, and make sure that log.dirs have room for all records that you keep",
};

pub(super) const CORDON: Refusal = Refusal {
    asks: "it keeps new partitions off log directories, which is not served yet",
    cure: "remove it; to empty a directory, move its partitions and then take it out of log.dirs",
};

// What will come, with its verb.
pub(super) const LOGINS: &str = "SASL is";
pub(super) const QUOTAS: &str = "quotas are";
pub(super) const METRICS: &str = "metrics are";
pub(super) const TWO_PHASE_COMMIT: &str = "two-phase commit is";
pub(super) const SHARE_GROUPS: &str = "share groups are";
pub(super) const STREAMS_GROUPS: &str = "streams groups are";
pub(super) const TIERED_STORAGE: &str = "tiered storage is";

// What Zurau does without.
pub(super) const THREADS: &str = "there are no such threads";
pub(super) const NO_OFFLOAD: &str = "there are no such threads";
pub(super) const NO_LINGER: &str = "concurrent writes of groups are batched without waiting";
pub(super) const NO_RPC: &str = "partitions are added to transactions without a request";
pub(super) const TIMERS: &str = "each transaction has a timer of its own";
pub(super) const NO_PURGATORY: &str = "there is no purgatory to purge";
pub(super) const METADATA_LOG: &str = "snapshots keep the metadata log short";
pub(super) const JAVA: &str = "it is about Java classes, which cannot be loaded";
pub(super) const NO_AUTHORIZER: &str = "no listener waits for an authorizer";
pub(super) const NOT_ABORTED: &str = "a start is never aborted because it takes long";
pub(super) const STABLE: &str = "every API that is served is stable";
pub(super) const KAFKAS_TESTS: &str = "it is for Kafka's own tests";

// What has replaced the settings that Kafka no longer has.
pub(super) const USE_LISTENERS: &str = "use listeners";
pub(super) const USE_ADVERTISED: &str = "use advertised.listeners";
pub(super) const USE_NODE_ID: &str = "use node.id";
pub(super) const USE_TIMESTAMP_LIMITS: &str =
    "use log.message.timestamp.before.max.ms and log.message.timestamp.after.max.ms";
pub(super) const FEATURES: &str = "features have replaced it";
pub(super) const NO_ZOOKEEPER: &str = "there is no ZooKeeper any more";
pub(super) const GONE: &str = "remove it";
