//! The primitive types of flexible versions (KIP-482), read value by value. No length is believed: what is not there ends
//! the reading, and nothing is reserved.

use anyhow::{Result, bail};
use kafka_protocol::protocol::StrBytes;
use kafka_protocol::protocol::buf::ByteBuf;
use uuid::Uuid;

pub(super) fn int8(buffer: &mut impl ByteBuf) -> Result<i8> {
    enough(buffer, size_of::<i8>())?;
    Ok(buffer.get_i8())
}

pub(super) fn int16(buffer: &mut impl ByteBuf) -> Result<i16> {
    enough(buffer, size_of::<i16>())?;
    Ok(buffer.get_i16())
}

pub(super) fn int32(buffer: &mut impl ByteBuf) -> Result<i32> {
    enough(buffer, size_of::<i32>())?;
    Ok(buffer.get_i32())
}

pub(super) fn int64(buffer: &mut impl ByteBuf) -> Result<i64> {
    enough(buffer, size_of::<i64>())?;
    Ok(buffer.get_i64())
}

pub(super) fn uuid(buffer: &mut impl ByteBuf) -> Result<Uuid> {
    enough(buffer, size_of::<Uuid>())?;
    Ok(Uuid::from_u128(buffer.get_u128()))
}

fn enough(buffer: &impl ByteBuf, bytes: usize) -> Result<()> {
    if buffer.remaining() < bytes {
        bail!("the message ends in the middle of a number");
    }
    Ok(())
}

/// An array that may not be null. Each entry must take at least a byte.
pub(super) fn array<B: ByteBuf, T>(
    buffer: &mut B,
    entry: impl Fn(&mut B) -> Result<T>,
) -> Result<Vec<T>> {
    match nullable_array(buffer, entry)? {
        Some(entries) => Ok(entries),
        None => bail!("null in place of an array"),
    }
}

/// The same for an array that may be null.
pub(super) fn nullable_array<B: ByteBuf, T>(
    buffer: &mut B,
    entry: impl Fn(&mut B) -> Result<T>,
) -> Result<Option<Vec<T>>> {
    let Some(count) = unsigned_varint(buffer)?.checked_sub(1) else {
        return Ok(None);
    };
    let mut entries = Vec::new();
    for _ in 0..count {
        entries.push(entry(buffer)?);
    }
    Ok(Some(entries))
}

pub(super) fn string(buffer: &mut impl ByteBuf) -> Result<StrBytes> {
    match nullable_string(buffer)? {
        Some(text) => Ok(text),
        None => bail!("null in place of a string"),
    }
}

pub(super) fn nullable_string(buffer: &mut impl ByteBuf) -> Result<Option<StrBytes>> {
    let Some(length) = unsigned_varint(buffer)?.checked_sub(1) else {
        return Ok(None);
    };
    let bytes = buffer.try_get_bytes(usize::try_from(length)?)?;
    Ok(Some(StrBytes::try_from(bytes)?))
}

/// The end of a structure none of whose tagged fields is known here: whatever there is, is passed over.
pub(super) fn tagged_fields(buffer: &mut impl ByteBuf) -> Result<()> {
    for _ in 0..unsigned_varint(buffer)? {
        let _tag = unsigned_varint(buffer)?;
        let size = unsigned_varint(buffer)?;
        buffer.try_get_bytes(usize::try_from(size)?)?;
    }
    Ok(())
}

fn unsigned_varint(buffer: &mut impl ByteBuf) -> Result<u32> {
    let mut value = 0_u32;
    for shift in (0..u32::BITS).step_by(7) {
        if !buffer.has_remaining() {
            bail!("the message ends in the middle of a number");
        }
        let byte = buffer.get_u8();
        value |= u32::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Ok(value);
        }
    }
    bail!("a number of more than five bytes")
}
