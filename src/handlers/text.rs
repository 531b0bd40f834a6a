//! Strings: shared bytes on the wire, shared `str` in the domain.

use std::net::IpAddr;
use std::sync::Arc;

use kafka_protocol::messages::GroupId;
use kafka_protocol::protocol::StrBytes;

/// Kafka's message for an invalid request, where it has nothing more specific.
pub(super) const MALFORMED_REQUEST: &str = "This most likely occurs because of a request being malformed by the \
     client library or the message was sent to an incompatible broker. See the broker logs for more details.";

/// A domain string, for a message.
pub(super) fn wire_text(text: &str) -> StrBytes {
    StrBytes::from_string(text.to_owned())
}

/// A string that is not part of a frame, so that a waiting request does not keep the frame.
pub(super) fn owned(text: &StrBytes) -> StrBytes {
    wire_text(text)
}

/// The same for a nullable string.
pub(super) fn optional_wire_text(text: Option<&Arc<str>>) -> Option<StrBytes> {
    text.map(|text| wire_text(text))
}

/// A group id, for a message.
pub(super) fn wire_group(group: &str) -> GroupId {
    GroupId(wire_text(group))
}

/// A message's string, for the domain.
pub(super) fn domain_text(text: &str) -> Arc<str> {
    text.into()
}

/// The same for a nullable string.
pub(super) fn optional_domain_text(text: Option<&StrBytes>) -> Option<Arc<str>> {
    text.map(|text| domain_text(text))
}

/// A client's host as Java prints an address: after a slash, and IPv6 without abbreviation. It is written into group
/// metadata and shown by tools.
pub(super) fn client_host(address: IpAddr) -> Arc<str> {
    match address.to_canonical() {
        IpAddr::V4(address) => format!("/{address}").into(),
        IpAddr::V6(address) => {
            let groups = address.segments().map(|group| format!("{group:x}"));
            format!("/{}", groups.join(":")).into()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::client_host;

    #[test]
    fn hosts_are_printed_as_java_prints_them() {
        let printed = |address: &str| client_host(address.parse().expect("an address")).to_string();
        assert_eq!(printed("127.0.0.1"), "/127.0.0.1");
        assert_eq!(printed("::ffff:10.0.0.1"), "/10.0.0.1");
        assert_eq!(printed("::1"), "/0:0:0:0:0:0:0:1");
        assert_eq!(printed("2001:db8::ff"), "/2001:db8:0:0:0:0:0:ff");
    }
}
