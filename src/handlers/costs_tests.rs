//! Whether a request costs no more than its route says: the most that can be had for its bytes is measured.
//!
//! Each case is a request that is nothing but entries of one of its arrays, as small and as costly as they can be
//! made: named alike and each differently, with and without an unknown tagged field. What the controller's thread
//! takes meanwhile is not seen.

use bytes::{BufMut as _, Bytes, BytesMut};
use kafka_protocol::messages::ApiKey;

use super::ROUTES;
use super::fixture::Serving;
use super::route::Route;
use crate::wire::{Reply, RequestPrefix};

/// API and version; what stands before the array, one of its entries, and what stands behind it. Bytes are
/// hexadecimal and characters follow a quotation mark; `name` is a text and `number` an integer of 32 bits that no
/// other entry has, `id` a number of a broker, written differently in each entry; `tags` are tagged fields.
const CASES: &str = "
Metadata 9                | | 01 tags | 00 00 00 00
Metadata 9                | | name tags | 00 00 00 00
Metadata 9                | | name tags | 01 00 00 00
Metadata 12               | | 00000000000000000000000000000001 00 tags | 01 00 00
DescribeGroups 5          | | 01 | 00 00
DescribeGroups 6          | | 01 | 00 00
DescribeGroups 6          | | name | 00 00
FindCoordinator 4         | 00 | 01 | 00
FindCoordinator 4         | 01 | 01 | 00
FindCoordinator 6         | 02 | name | 00
OffsetFetch 8             | | 01 00 tags | 00 00
OffsetFetch 8             | | name 00 tags | 00 00
OffsetFetch 8             | | name 02 02 't 02 00000000 tags tags | 00 00
OffsetFetch 8             | 02 02 'g | 01 01 tags | 00 00 00
OffsetFetch 8             | 02 02 'g 02 02 't | number | 00 00 00 00
OffsetFetch 5             | 0001 'g 00000001 0001 't | number |
OffsetFetch 10            | | name 00 00000001 00 tags | 00 00
OffsetFetch 10            | 02 02 'g 00 00000001 | 00000000000000000000000000000001 01 tags | 00 00 00
OffsetFetch 10            | 02 02 'g 00 00000001 02 00000000000000000000000000000001 | number | 00 00 00 00
DeleteGroups 2            | | name | 00
LeaveGroup 4              | 02 'g | 01 00 tags | 00
LeaveGroup 5              | 02 'g | name 00 00 tags | 00
LeaveGroup 5              | 02 'g | 01 01 01 tags | 00
Produce 9                 | 00 0001 000003e8 | name 01 tags | 00
Produce 9                 | 00 0001 000003e8 | name 02 00000000 00 tags tags | 00
Produce 9                 | 00 0001 000003e8 | 02 't 02 00000000 01 tags tags | 00
Produce 9                 | 00 0001 000003e8 02 02 't | number 00 tags | 00 00
Produce 9                 | 00 0001 000003e8 02 02 't | 00000000 00 tags | 00 00
ListOffsets 6             | ffffffff 00 | name 02 00000000 00000000 0000000000000000 tags tags | 00
ListOffsets 6             | ffffffff 00 | 01 01 tags | 00
ListOffsets 6             | ffffffff 00 02 02 't | number ffffffff ffffffffffffffff tags | 00 00
OffsetCommit 8            | 02 'g ffffffff 01 00 | 01 01 tags | 00
OffsetCommit 8            | 02 'g ffffffff 01 00 | 02 't 02 00000000 0000000000000001 00000000 01 tags tags | 00
OffsetCommit 8            | 02 'g ffffffff 01 00 02 02 't | 00000000 0000000000000001 00000000 01 tags | 00 00
OffsetCommit 10           | 02 'g ffffffff 01 00 | 00000000000000000000000000000001 01 tags | 00
OffsetCommit 10           | 02 'g ffffffff 01 00 02 00000000000000000000000000000001 | 00000000 0000000000000001 00000000 01 tags | 00 00
TxnOffsetCommit 3         | 02 'i 02 'g 0000000000000007 0000 ffffffff 01 00 | 01 01 tags | 00
TxnOffsetCommit 3         | 02 'i 02 'g 0000000000000007 0000 ffffffff 01 00 | 02 't 02 00000000 0000000000000001 00000000 01 tags tags | 00
TxnOffsetCommit 3         | 02 'i 02 'g 0000000000000007 0000 ffffffff 01 00 02 02 't | 00000000 0000000000000001 00000000 01 tags | 00 00
TxnOffsetCommit 6         | 02 'i 02 'g 0000000000000007 0000 ffffffff 01 00 | 00000000000000000000000000000001 01 tags | 00
OffsetForLeaderEpoch 4    | ffffffff | 01 01 tags | 00
OffsetForLeaderEpoch 4    | ffffffff 02 02 't | 00000000 00000000 00000000 tags | 00 00
CreateTopics 7            | | name 00000001 0001 01 01 tags | 000003e8 01 00
CreateTopics 7            | | 02 'x 00000001 0001 01 01 tags | 000003e8 01 00
CreateTopics 7            | 02 02 'x 00000001 0001 | number 01 tags | 01 00 000003e8 01 00
CreateTopics 7            | 02 02 'x 00000001 0001 01 | name 01 tags | 00 000003e8 01 00
DeleteTopics 6            | | name 00000000000000000000000000000000 tags | 000003e8 00
DeleteTopics 6            | | name 00000000000000000000000000000001 tags | 000003e8 00
DeleteTopics 5            | | name | 000003e8 00
DeleteRecords 2           | | name 02 00000000 0000000000000000 tags tags | 000003e8 00
DeleteRecords 2           | 02 02 't | number 0000000000000000 tags | 00 000003e8 00
DescribeConfigs 4         | | 02 name 00 tags | 00 00 00
DescribeConfigs 4         | | 02 02 't 00 tags | 01 01 00
DescribeConfigs 4         | | 04 id 00 tags | 01 01 00
DescribeConfigs 4         | 02 02 02 't | name | 00 00 00 00
AlterConfigs 2            | | 02 name 01 tags | 01 00
AlterConfigs 2            | 02 02 02 't | name 01 tags | 00 01 00
IncrementalAlterConfigs 1 | | 02 name 01 tags | 01 00
IncrementalAlterConfigs 1 | 02 02 02 't | name 00 01 tags | 00 01 00
AlterReplicaLogDirs 2     | | name 01 tags | 00
AlterReplicaLogDirs 2     | 02 02 'd | name 02 00000000 tags | 00 00
AlterReplicaLogDirs 2     | 02 02 'd 02 02 't | number | 00 00 00
DescribeLogDirs 4         | | 01 01 tags | 00
DescribeLogDirs 4         | 02 02 't | number | 00 00
CreatePartitions 2        | | name 00000002 00 tags | 000003e8 01 00
CreatePartitions 2        | 02 02 't 00000002 | 01 tags | 00 000003e8 01 00
ElectLeaders 2            | 00 | name 02 00000000 tags | 000003e8 00
ElectLeaders 2            | 00 02 02 't | number | 00 000003e8 00
ElectLeaders 2            | 07 02 02 't | number | 00 000003e8 00
AlterPartitionReassignments 1 | 000003e8 01 | name 01 tags | 00
AlterPartitionReassignments 1 | 000003e8 01 | 02 't 02 00000000 00 tags tags | 00
AlterPartitionReassignments 1 | 000003e8 01 02 02 't | number 02 00000009 tags | 00 00
AlterPartitionReassignments 1 | 000003e8 01 02 02 't | 00000000 00 tags | 00 00
AlterPartitionReassignments 1 | 000003e8 01 02 02 't | 00000000 02 00000001 tags | 00 00
AlterPartitionReassignments 1 | 000003e8 01 02 02 't 02 00000000 | number | 00 00 00
ListPartitionReassignments 0 | 000003e8 | name 02 00000000 tags | 00
ListPartitionReassignments 0 | 000003e8 02 02 't | number | 00 00
OffsetDelete 0            | 0001 'g | 0001 't 00000000 |
OffsetDelete 0            | 0001 'g 00000001 0001 't | number |
DescribeQuorum 2          | | name 02 00000000 tags tags | 00
DescribeQuorum 2          | 02 02 't | number tags | 00 00
UpdateFeatures 0          | 000003e8 | name 0001 00 tags | 00
UpdateFeatures 1          | 000003e8 | name 0000 01 tags | 00 00
ListConfigResources 1     | | 02 | 00
DescribeTopicPartitions 0 | | name tags | 00000064 ff 00
DescribeTopicPartitions 0 | | 02 't tags | 00000064 ff 00
JoinGroup 6               | 02 'g 00002710 000003e8 01 00 02 'c | name 01 tags | 00
ConsumerGroupHeartbeat 1  | 02 'g 02 'm 00000000 00 00 000003e8 | name | 00 00 01 00
ConsumerGroupHeartbeat 1  | 02 'g 02 'm 00000001 00 00 000003e8 00 00 00 | 00000000000000000000000000000001 01 tags | 00
ConsumerGroupHeartbeat 1  | 02 'g 02 'm 00000001 00 00 000003e8 00 00 00 02 00000000000000000000000000000001 | number | 00 00
ConsumerGroupDescribe 1   | | 01 | 00 00
ConsumerGroupDescribe 1   | | name | 00 00
SyncGroup 4               | 02 'g 00000001 02 'm 00 | name 01 tags | 00
ListGroups 5              | | name | 01 00
CreateAcls 3              | | 02 01 03 01 01 02 03 tags | 00
CreateAcls 1              | | 02 0000 03 0000 0000 02 03 |
DeleteAcls 3              | | 02 00 03 00 00 02 03 tags | 00
DescribeClientQuotas 1    | | name 00 00 tags | 00 00
AlterClientQuotas 1       | | 01 01 tags | 00 00
AlterClientQuotas 1       | | 02 01 00 tags 01 tags | 00 00
AlterClientQuotas 1       | 02 | name 00 tags | 01 00 00 00
AlterClientQuotas 1       | 02 01 | 01 0000000000000000 00 tags | 00 00 00
AlterUserScramCredentials 0 | | 01 01 tags | 01 00
AlterUserScramCredentials 0 | 01 | name 01 00001000 01 01 tags | 00
DescribeUserScramCredentials 0 | | 01 tags | 00
DescribeUserScramCredentials 0 | | name tags | 00
DescribeProducers 0       | | name 02 00000000 tags | 00
DescribeProducers 0       | | name 01 tags | 00
DescribeProducers 0       | 02 02 't | 00000000 | 00 00
DescribeProducers 0       | 02 02 't | number | 00 00
AddPartitionsToTxn 3      | 03 'id 0000000000000001 0000 | name 02 00000000 tags | 00
AddPartitionsToTxn 3      | 03 'id 0000000000000001 0000 | 02 't 02 00000000 tags | 00
AddPartitionsToTxn 3      | 03 'id 0000000000000001 0000 02 02 't | 00000000 | 00 00
AddPartitionsToTxn 5      | | name 0000000000000001 0000 01 01 tags | 00
AddPartitionsToTxn 5      | | name 0000000000000001 0000 00 02 02 't 02 00000000 tags tags | 00
AddPartitionsToTxn 5      | 02 03 'id 0000000000000001 0000 01 | name 02 00000000 tags | 00 00
AddPartitionsToTxn 5      | 02 03 'id 0000000000000001 0000 01 02 02 't | 00000000 | 00 00 00
DescribeTransactions 0    | | 01 | 00
DescribeTransactions 0    | | name | 00
ListTransactions 2        | | name | 01 ffffffffffffffff 00 00
ListTransactions 2        | 01 | 00000000 number | ffffffffffffffff 00 00
WriteTxnMarkers 2         | | 0000000000000007 0000 01 01 00000000 00 tags | 00
WriteTxnMarkers 2         | | 00000000 number 0000 01 01 00000000 00 tags | 00
WriteTxnMarkers 2         | | 00000000 number 0000 01 02 02 't 02 00000000 00 00000000 00 tags | 00
WriteTxnMarkers 2         | 02 0000000000000007 0000 01 | name 02 00000000 tags | 00000000 00 00 00
WriteTxnMarkers 2         | 02 0000000000000007 0000 01 02 02 't | number | 00 00000000 00 00 00
Fetch 12                  | ffffffff 00000000 00000000 00000000 00 00000000 ffffffff | name 01 tags | 01 01 00
Fetch 12                  | ffffffff 00000000 00000000 00000000 00 00000000 ffffffff 02 02 't | number 00000000 0000000000000000 00000000 0000000000000000 00000000 tags | 00 01 01 00
Fetch 12                  | ffffffff 00000000 00000000 00000000 00 00000000 ffffffff 01 | name 02 00000000 tags | 01 00
";

/// Routes whose requests have no arrays, or no more than a few fields.
const WITHOUT_ARRAYS: &[ApiKey] = &[
    ApiKey::Heartbeat,
    ApiKey::SaslHandshake,
    ApiKey::SaslAuthenticate,
    ApiKey::DescribeAcls,
    ApiKey::ApiVersions,
    ApiKey::InitProducerId,
    ApiKey::AddOffsetsToTxn,
    ApiKey::EndTxn,
    ApiKey::DescribeCluster,
    ApiKey::UnregisterBroker,
];

/// No tagged field.
const NONE: &[u8] = &[0];
/// One that nobody knows, without a value.
const UNKNOWN: &[u8] = &[1, 99, 0];

/// The most entries of a case.
const ENTRIES: usize = 2_000;

/// One array of one request.
struct Case {
    api: ApiKey,
    version: i16,
    before: &'static str,
    entry: &'static str,
    after: &'static str,
}

impl Case {
    fn all() -> impl Iterator<Item = Self> {
        CASES.lines().filter(|line| !line.is_empty()).map(|line| {
            let columns: Vec<&str> = line.split('|').collect();
            let [named, before, entry, after] = columns[..] else {
                panic!("not a case: {line}");
            };
            let (api, version) = named.trim().split_once(' ').expect("API and version");
            let mut apis = ApiKey::iter();
            Self {
                api: apis
                    .find(|key| format!("{key:?}") == api)
                    .unwrap_or_else(|| panic!("{api} is no API")),
                version: version.trim().parse().expect("a version"),
                before,
                entry,
                after,
            }
        })
    }

    /// The request, with as many entries as are taken but no more than `most`.
    fn frame(&self, tags: &[u8], most: usize) -> Bytes {
        let is_flexible = self.api.request_header_version(self.version) >= 2;
        let fields_of_entry = self.entry.split_whitespace().count() * 4;
        let entries = (self.route().bound().fields() / fields_of_entry).min(most);
        let mut frame = BytesMut::new();
        frame.put_i16(self.api as i16);
        frame.put_i16(self.version);
        frame.put_i32(7);
        frame.put_i16(-1);
        if is_flexible {
            frame.put_u8(0);
        }
        write(&mut frame, self.before, 0, tags);
        if is_flexible {
            let count = entries + 1;
            frame.put_slice(&[(count % 0x80) as u8 | 0x80, (count / 0x80) as u8]);
        } else {
            frame.put_u32(u32::try_from(entries).expect("not many"));
        }
        for number in 0..entries {
            write(&mut frame, self.entry, number, tags);
        }
        write(&mut frame, self.after, 0, tags);
        frame.freeze()
    }

    fn route(&self) -> &'static Route {
        Route::find(self.api as i16).expect("a route")
    }

    /// What is set aside for the request, what is held for it once it has been read, and what it takes.
    fn measure(&self, serving: &Serving, frame: &Bytes) -> Measured {
        let prefix = RequestPrefix::parse(frame).expect("a prefix");
        let mut body = self.route().metered(&prefix, frame.clone());
        let mut held = 0;
        let mut outcome = None;
        let taken = allocation_counter::measure(|| {
            let reply = serving.start_metered(self.route(), frame, &mut body);
            held = body.memory();
            outcome = reply.map(|reply| serving.block_on(reply));
        });
        Measured {
            outcome: match outcome {
                Some(Reply::Send(parts)) => format!("an answer of {} bytes", parts.size()),
                other => format!("{other:?}"),
            },
            taken: usize::try_from(taken.bytes_max).expect("a number"),
            held,
            set_aside: self.route().most(&prefix, frame),
        }
    }
}

/// Writes the words of a case, for the entry of this number.
fn write(into: &mut BytesMut, words: &str, number: usize, tags: &[u8]) {
    let text = |into: &mut BytesMut, text: &str| {
        into.put_u8(u8::try_from(text.len() + 1).expect("a short text"));
        into.put_slice(text.as_bytes());
    };
    for word in words.split_whitespace() {
        match word {
            "name" => text(into, &format!("{number:x}")),
            "id" => text(into, &format!("{:0>1$}", 1, number % 100 + 1)),
            "number" => into.put_u32(u32::try_from(number).expect("not many")),
            "tags" => into.put_slice(tags),
            word if word.starts_with('\'') => into.put_slice(&word.as_bytes()[1..]),
            word => {
                for at in (0..word.len()).step_by(2) {
                    into.put_u8(u8::from_str_radix(&word[at..at + 2], 16).expect("a byte"));
                }
            }
        }
    }
}

#[derive(Debug)]
struct Measured {
    outcome: String,
    taken: usize,
    held: usize,
    set_aside: usize,
}

impl Measured {
    fn is_right(&self) -> bool {
        self.outcome.starts_with("an answer")
            && self.taken <= self.held
            && self.held <= self.set_aside
    }
}

#[test]
fn no_request_takes_more_than_its_route_says() {
    // Names of topics that are asked for are offered to the controller, which refuses so many partitions at once.
    let serving = Serving::start(&[("num.partitions", "6")]);
    let mut wrong = 0;
    for case in Case::all() {
        for (tags, entries) in [(NONE, 1), (NONE, ENTRIES), (UNKNOWN, ENTRIES)] {
            let measured = case.measure(&serving, &case.frame(tags, entries));
            println!("{:?} {}: {measured:?}", case.api, case.version);
            if !measured.is_right() {
                println!("WRONG");
                wrong += 1;
            }
        }
    }
    assert_eq!(wrong, 0, "see above");
}

#[test]
fn every_route_has_a_case() {
    for route in ROUTES {
        let key = ApiKey::try_from(route.key).expect("a key that the crate knows");
        let has_case = Case::all().any(|case| case.api == key);
        assert_ne!(has_case, WITHOUT_ARRAYS.contains(&key), "{key:?}");
    }
}

/// What the log says about a request of these groups.
fn refusal(serving: &Serving, version: i16, count: u32) -> String {
    let mut frame = BytesMut::new();
    frame.put_i16(ApiKey::DescribeGroups as i16);
    frame.put_i16(version);
    frame.put_i32(7);
    frame.put_i16(-1);
    frame.put_u32(count);
    frame.put_bytes(0, 2 * usize::try_from(count).expect("a number"));
    match serving.request(frame.freeze()) {
        Reply::Close(reason) => reason.into_owned(),
        other => panic!("an answer: {other:?}"),
    }
}

#[test]
fn a_request_that_is_not_answered_is_told_by_name() {
    let serving = Serving::start(&[]);
    let bound = Route::find(ApiKey::DescribeGroups as i16)
        .expect("a route")
        .bound();
    let many = u32::try_from(bound.fields() + 1).expect("a number");
    let told = refusal(&serving, 0, many);
    let expected = format!(
        "DescribeGroups request of version 0 has more than {} fields",
        bound.fields()
    );
    assert!(told.starts_with(&expected), "{told}");
    // In version 5 this is no request.
    assert_eq!(
        refusal(&serving, 5, 10),
        "DescribeGroups request of version 5 cannot be read"
    );
    assert_eq!(
        refusal(&serving, 99, 10),
        "DescribeGroups version 99 is not served: only 0 to 6 are"
    );
}
