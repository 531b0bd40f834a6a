//! DescribeLogDirs 5: each directory says whether it is cordoned (KIP-1066). The request is that of version 4.

use bytes::{BufMut as _, Bytes, BytesMut};

/// The end of a directory's row in version 5, from its end in version 4: the flag comes before the tagged fields, of which
/// there are none.
pub fn end_of_directory(four: &[u8], is_cordoned: bool) -> Bytes {
    let mut end = BytesMut::from(four.strip_suffix(&[0]).unwrap_or(four));
    end.put_u8(u8::from(is_cordoned));
    end.put_u8(0);
    end.freeze()
}

#[cfg(test)]
mod tests {
    use super::end_of_directory;

    #[test]
    fn the_flag_comes_before_the_tagged_fields() {
        assert_eq!(end_of_directory(&[7, 7, 0], true)[..], [7, 7, 1, 0]);
        assert_eq!(end_of_directory(&[7, 7, 0], false)[..], [7, 7, 0, 0]);
    }
}
