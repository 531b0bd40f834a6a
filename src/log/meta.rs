//! `meta.properties`: the node and the cluster that a directory belongs to.
//!
//! A Java properties file, replaced as a whole:
//! ```text
//! version=1
//! cluster.id=<text, by convention a UUID of 22 base64url characters>
//! node.id=<integer>
//! directory.id=<22 characters of base64url>
//! ```

use std::collections::HashMap;

use crate::base::{DirectoryId, KafkaUuid, NodeId};
use crate::config::push_unicode_escape;

/// The file in the log directory.
pub(super) const FILE_NAME: &str = "meta.properties";

/// The identity of a log directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MetaProperties {
    /// The cluster; compared as text, since not every cluster id is a UUID.
    pub cluster_id: String,
    /// The node.
    pub node_id: NodeId,
    /// The directory itself; missing in directories that an old release has formatted.
    pub directory_id: Option<DirectoryId>,
}

impl MetaProperties {
    /// The identity of a fresh directory of a fresh cluster.
    pub(super) fn fresh(node_id: NodeId) -> Self {
        Self {
            cluster_id: KafkaUuid::random().to_string(),
            node_id,
            directory_id: Some(DirectoryId::random()),
        }
    }

    /// Reads the file's text; errors say what is wrong with it.
    pub(super) fn decode(text: &[u8]) -> Result<Self, String> {
        // Space at the start of a line means nothing, but keeps the parser from looking for a byte order
        // mark, over half of which it panics.
        let properties: HashMap<String, String> =
            java_properties::read([b" ", text].concat().as_slice())
                .map_err(|error| error.to_string())?;
        let version = properties
            .get("version")
            .map_or("0", |version| version.trim());
        let node_key = match version {
            "0" => "broker.id",
            "1" => "node.id",
            other => return Err(format!("version {other:?} is not known")),
        };
        let property = |key: &str| {
            properties
                .get(key)
                .map(|value| value.trim())
                .filter(|value| !value.is_empty())
        };
        let node = property(node_key)
            .or_else(|| property("node.id"))
            .ok_or_else(|| format!("{node_key} is missing"))?;
        let node_id = node
            .parse()
            .map_err(|_| format!("{node_key} is {node:?}, which is no number"))?;
        let directory_id = match property("directory.id") {
            None => None,
            Some(text) => {
                let id: DirectoryId = text
                    .parse()
                    .map_err(|_| format!("directory.id is {text:?}"))?;
                if id.is_reserved() {
                    return Err(format!("directory.id {id} is reserved"));
                }
                Some(id)
            }
        };
        Ok(Self {
            cluster_id: property("cluster.id")
                .ok_or("cluster.id is missing")?
                .to_owned(),
            node_id: NodeId(node_id),
            directory_id,
        })
    }

    /// The file's text.
    pub(super) fn encode(&self) -> String {
        let mut text = String::from("version=1\n");
        let mut line = |key: &str, value: &str| {
            text.push_str(key);
            text.push('=');
            for character in value.chars() {
                if matches!(character, ':' | '=' | '#' | '!' | '\\' | ' ') {
                    text.push('\\');
                }
                push_escaped(&mut text, character);
            }
            text.push('\n');
        };
        line("cluster.id", &self.cluster_id);
        line("node.id", &self.node_id.to_string());
        if let Some(id) = self.directory_id {
            line("directory.id", &id.to_string());
        }
        text
    }
}

/// Appends a character; one that is not printable ASCII as a backslash, `u` and four hexadecimal digits.
fn push_escaped(text: &mut String, character: char) {
    if (' '..='~').contains(&character) {
        text.push(character);
    } else {
        push_unicode_escape(text, character);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_is_kafkas() {
        let meta = MetaProperties {
            cluster_id: "a=b:c".to_owned(),
            node_id: NodeId(3),
            directory_id: Some(KafkaUuid(uuid::Uuid::from_u128(0x1234_5678))),
        };
        let text = meta.encode();
        assert_eq!(
            text,
            "version=1\ncluster.id=a\\=b\\:c\nnode.id=3\ndirectory.id=AAAAAAAAAAAAAAAAEjRWeA\n"
        );
        assert_eq!(MetaProperties::decode(text.as_bytes()), Ok(meta));
    }

    #[test]
    fn what_kafka_wrote_is_read() {
        let text = b"#\n#Tue Nov 18 10:00:00 UTC 2025\ncluster.id=4L6g3nShT-eMCtK--X86sw\nversion=1\nnode.id=1\n";
        let meta = MetaProperties::decode(text).unwrap();
        assert_eq!(
            (meta.cluster_id.as_str(), meta.node_id, meta.directory_id),
            ("4L6g3nShT-eMCtK--X86sw", NodeId(1), None)
        );
        assert_eq!(
            MetaProperties::decode(b"broker.id=2\ncluster.id=x\n")
                .unwrap()
                .node_id,
            NodeId(2)
        );
        for text in [
            "",
            "version=2\ncluster.id=x\nnode.id=1",
            "version=1\nnode.id=1",
            "version=1\ncluster.id=x\nnode.id=one",
            "version=1\ncluster.id=x\nnode.id=1\ndirectory.id=AAAAAAAAAAAAAAAAAAAAAQ",
        ] {
            assert!(MetaProperties::decode(text.as_bytes()).is_err(), "{text}");
        }
    }

    #[test]
    fn what_damage_leaves_is_refused() {
        for bytes in [
            &b"\xff"[..],
            b"\xef",
            b"\xef\xbb",
            b"\xfe\xffnode.id=1",
            &[0; 100],
        ] {
            assert!(MetaProperties::decode(bytes).is_err(), "{bytes:?}");
        }
    }

    proptest::proptest! {
        #[test]
        fn any_identity_survives_its_text(cluster in "[ -~]{1,20}|[\\x00-\u{d7ff}\u{e000}-\u{fffd}]{1,20}", node: i32, id: Option<u128>) {
            let meta = MetaProperties {
                // Space around a name is not part of it, and a file cannot contain characters beyond \uffff.
                cluster_id: format!("x{cluster}x"),
                node_id: NodeId(node),
                directory_id: id.map(|id| KafkaUuid(uuid::Uuid::from_u128(id | 1 << 100))),
            };
            proptest::prop_assert_eq!(MetaProperties::decode(meta.encode().as_bytes()), Ok(meta));
        }
    }
}
