//! Where Kafka's behaviour depends on Java's hashes.

/// Java's `String.hashCode`, which works on UTF-16.
pub fn java_hash(text: &str) -> i32 {
    text.encode_utf16().fold(0, |hash: i32, unit| {
        hash.wrapping_mul(31).wrapping_add(i32::from(unit))
    })
}

#[cfg(test)]
mod tests {
    use super::java_hash;

    #[test]
    fn the_hash_of_a_text_is_javas() {
        assert_eq!(java_hash(""), 0);
        assert_eq!(java_hash("abc"), 96_354);
        assert_eq!(java_hash("my-group"), -1_906_497_762);
        // Two UTF-16 units.
        assert_eq!(java_hash("\u{1D11E}"), 0xD834 * 31 + 0xDD1E);
        assert_eq!(java_hash("polygenelubricants"), i32::MIN);
    }
}
