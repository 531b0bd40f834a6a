//! The types' bytes, round trips in old and flexible versions, and bytes from anywhere.

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;

use super::{DecodeError, MAX_STRING, Reader, Tags, Writer};
use crate::base::KafkaUuid;

const fn truncated<T>(wanted: usize, left: usize) -> Result<T, DecodeError> {
    Err(DecodeError::Truncated { wanted, left })
}

fn reader(bytes: &[u8], flexible: bool) -> Reader<'_> {
    let mut reader = Reader::new(bytes);
    reader.set_flexible(flexible);
    reader
}

#[test]
fn varints_have_kafkas_bytes_and_a_limit() {
    for (value, bytes) in [
        (0, &[0][..]),
        (1, &[1]),
        (127, &[0x7f]),
        (128, &[0x80, 1]),
        (300, &[0xac, 2]),
        (16_383, &[0xff, 0x7f]),
        (16_384, &[0x80, 0x80, 1]),
        (u32::MAX, &[0xff, 0xff, 0xff, 0xff, 0x0f]),
    ] {
        let mut writer = Writer::default();
        writer.unsigned_varint(value);
        assert_eq!(writer.into_bytes(), bytes);
        assert_eq!(Reader::new(bytes).unsigned_varint(), Ok(value));
    }
    for bytes in [&[0xff, 0xff, 0xff, 0xff, 0x1f][..], &[0x80; 6]] {
        assert_eq!(
            Reader::new(bytes).unsigned_varint(),
            Err(DecodeError::Varint)
        );
    }
    assert_eq!(Reader::new(&[0x80]).unsigned_varint(), truncated(1, 0));
}

#[test]
fn one_description_has_the_bytes_of_old_and_of_flexible_versions() {
    let describe = |writer: &mut Writer| {
        writer.string("é");
        writer.nullable_string(None);
        writer.bytes(&[7, 8]);
        writer.nullable_bytes(None);
        writer.array(&[1, 2], |writer, number| writer.int16(*number));
        writer.nullable_array::<()>(None, |_, ()| {});
        let mut tags = Tags::default();
        tags.add(3, |field| field.string("t"));
        writer.tagged_fields(&tags);
        writer.no_tagged_fields();
    };
    let old: &[&[u8]] = &[
        &[0, 5, 0, 2, 0xc3, 0xa9],
        &[0xff, 0xff],
        &[0, 0, 0, 2, 7, 8],
        &[0xff; 4],
        &[0, 0, 0, 2, 0, 1, 0, 2],
        &[0xff; 4],
    ];
    let flexible: &[&[u8]] = &[
        &[0, 5, 3, 0xc3, 0xa9],
        &[0],
        &[3, 7, 8],
        &[0],
        &[3, 0, 1, 0, 2],
        &[0],
        &[1, 3, 2, 2, b't'],
        &[0],
    ];
    for (is_flexible, bytes) in [(false, old.concat()), (true, flexible.concat())] {
        let mut writer = Writer::starting_with(5, is_flexible);
        describe(&mut writer);
        assert_eq!(writer.into_bytes(), bytes);

        let mut reader = Reader::new(&bytes);
        assert_eq!(reader.int16(), Ok(5));
        reader.set_flexible(is_flexible);
        assert_eq!(reader.string(), Ok("é"));
        assert_eq!(reader.nullable_string::<&str>(), Ok(None));
        assert_eq!(reader.bytes(), Ok(&[7, 8][..]));
        assert_eq!(reader.nullable_bytes(), Ok(None));
        assert_eq!(reader.array(Reader::int16), Ok(vec![1, 2]));
        assert_eq!(reader.nullable_array(Reader::int16), Ok(None));
        let mut tag = None;
        let read = reader.tagged_fields(|number, field| {
            tag = Some((number, field.string()?));
            Ok(())
        });
        assert_eq!((read, tag), (Ok(()), is_flexible.then_some((3, "t"))));
        assert_eq!(reader.no_tagged_fields(), Ok(()));
        assert_eq!(reader.finish(), Ok(()));
    }
}

#[test]
fn a_claimed_length_reserves_nothing() {
    let claim = [0x7f, 0xff, 0xff, 0xff, b'a'];
    let (most, most_of_string) = (i32::MAX as usize, i16::MAX as usize);
    assert_eq!(
        Reader::new(&claim).string::<&str>(),
        truncated(most_of_string, 3)
    );
    assert_eq!(Reader::new(&claim).bytes(), truncated(most, 1));
    assert_eq!(Reader::new(&claim).array(Reader::int8), truncated(most, 1));

    let claim = [0xff, 0xff, 0xff, 0xff, 0x0f, 0, 0];
    let most = u32::MAX as usize - 1;
    assert_eq!(
        Reader::flexible(&claim).string::<&str>(),
        truncated(most, 2)
    );
    assert_eq!(Reader::flexible(&claim).bytes(), truncated(most, 2));
    assert_eq!(
        Reader::flexible(&claim).array(|_| Ok(())),
        truncated(most, 2)
    );
    assert_eq!(
        Reader::flexible(&claim).no_tagged_fields(),
        truncated(1, 0),
        "a count of tags, one empty tag, nothing"
    );
}

#[test]
fn null_where_it_may_not_be_other_negative_lengths_and_text_that_is_none_are_refused() {
    for bytes in [&[0xff; 4][..], &[0]] {
        let flexible = bytes.len() == 1;
        let null = DecodeError::Null;
        assert_eq!(
            reader(bytes, flexible).string::<&str>().as_ref(),
            Err(&null)
        );
        assert_eq!(reader(bytes, flexible).bytes().as_ref(), Err(&null));
        assert_eq!(
            reader(bytes, flexible).array(Reader::int8).as_ref(),
            Err(&null)
        );
    }
    let string = |bytes| Reader::new(bytes).string::<&str>();
    assert_eq!(string(&[0x80, 0]), Err(DecodeError::Length(-32_768)));
    assert_eq!(string(&[0, 1, 0xff]), Err(DecodeError::Text));
    let negative = [0xff, 0xff, 0xff, 0xfe];
    assert_eq!(
        Reader::new(&negative).nullable_bytes(),
        Err(DecodeError::Length(-2))
    );
}

#[test]
fn unknown_tags_are_skipped_and_known_ones_must_fill_their_size() {
    let bytes = [2, 5, 1, 9, 6, 2, 0, 1];
    let mut found = None;
    let mut reader = Reader::flexible(&bytes);
    let result = reader.tagged_fields(|tag, field| {
        if tag == 6 {
            found = Some(field.int16()?);
        }
        Ok(())
    });
    assert_eq!((result, found, reader.left()), (Ok(()), Some(1), 0));
    let result =
        Reader::flexible(&[1, 6, 2, 0, 1]).tagged_fields(|_, field| field.int8().map(|_| ()));
    assert_eq!(result, Err(DecodeError::LeftOver(1)));
}

#[test]
fn the_longest_string_of_an_old_version_comes_back() {
    let text = "a".repeat(MAX_STRING);
    let mut writer = Writer::default();
    writer.string(&text);
    assert_eq!(Reader::new(&writer.into_bytes()).string(), Ok(text));
}

proptest! {
    #[test]
    fn numbers_survive_the_round_trip(
        small in any::<(i8, bool, i16, u16)>(),
        large in any::<(i32, i64, u32, u128)>(),
        flexible in any::<bool>(),
    ) {
        let id = KafkaUuid(uuid::Uuid::from_u128(large.3));
        let mut writer = Writer::starting_with(small.2, flexible);
        writer.int8(small.0);
        writer.boolean(small.1);
        writer.uint16(small.3);
        writer.int32(large.0);
        writer.int64(large.1);
        writer.unsigned_varint(large.2);
        writer.uuid(id);
        let bytes = writer.into_bytes();
        let mut reader = reader(&bytes, flexible);
        prop_assert_eq!(reader.int16(), Ok(small.2));
        prop_assert_eq!(reader.int8(), Ok(small.0));
        prop_assert_eq!(reader.boolean(), Ok(small.1));
        prop_assert_eq!(reader.uint16(), Ok(small.3));
        prop_assert_eq!(reader.int32(), Ok(large.0));
        prop_assert_eq!(reader.int64(), Ok(large.1));
        prop_assert_eq!(reader.unsigned_varint(), Ok(large.2));
        prop_assert_eq!(reader.uuid(), Ok(id));
        prop_assert_eq!(reader.finish(), Ok(()));
    }

    #[test]
    fn lengths_survive_the_round_trip(
        text in option::of(any::<String>()),
        bytes in option::of(vec(any::<u8>(), 0..200)),
        array in option::of(vec(any::<String>(), 0..5)),
        flexible in any::<bool>(),
    ) {
        let mut writer = Writer::starting_with(0, flexible);
        writer.nullable_string(text.as_deref());
        writer.nullable_bytes(bytes.as_deref());
        writer.nullable_array(array.as_deref(), |writer, text| writer.string(text));
        let written = writer.into_bytes();
        let mut reader = reader(&written[2..], flexible);
        prop_assert_eq!(reader.nullable_string(), Ok(text));
        prop_assert_eq!(reader.nullable_bytes(), Ok(bytes.as_deref()));
        prop_assert_eq!(reader.nullable_array(Reader::string), Ok(array));
        prop_assert_eq!(reader.finish(), Ok(()));
    }

    #[test]
    fn bytes_from_anywhere_do_not_panic(
        bytes in vec(any::<u8>(), 0..100),
        fields in vec(0..8_u8, 0..20),
        flexible in any::<bool>(),
    ) {
        let mut reader = reader(&bytes, flexible);
        for field in fields {
            let _ = match field {
                0 => reader.int64().map(drop),
                1 => reader.uuid().map(drop),
                2 => reader.unsigned_varint().map(drop),
                3 => reader.nullable_string::<String>().map(drop),
                4 => reader.nullable_bytes().map(drop),
                5 => reader.nullable_array(Reader::string::<&str>).map(drop),
                6 => reader.tagged_fields(|_, field| field.int8().map(drop)),
                _ => reader.no_tagged_fields(),
            };
        }
    }
}
