//! Records that only Kafka uses, as far as they can be described to clients: they are read, and never written.

use super::{DecodeError, Unmodelled};
use crate::schema::{self, Reader};

/// The only version of each of these records.
const VERSION: u32 = 0;

/// The contents of a kept record.
#[derive(Clone, Debug, PartialEq)]
pub enum KeptRecord {
    /// One quota of an entity is set or removed.
    ClientQuota {
        /// The entity, as types with a name, or with `None` for the default of the type.
        entity: Vec<(String, Option<String>)>,
        /// The quota's key.
        key: String,
        /// The limit; `None` removes it.
        value: Option<f64>,
    },
    /// A credential of a user for one mechanism is set or removed.
    UserScramCredential {
        /// The user.
        user: String,
        /// Kafka's number of the mechanism.
        mechanism: i8,
        /// The number of iterations; `None` removes the credential.
        iterations: Option<i32>,
    },
}

impl KeptRecord {
    /// Reads a record; `None` when it has none of these types.
    ///
    /// # Errors
    /// When its bytes do not match the record's schema.
    pub fn read(record: &Unmodelled) -> Result<Option<Self>, DecodeError> {
        let (name, read): (_, fn(&mut Reader<'_>) -> _) = match record.record_type {
            Unmodelled::CLIENT_QUOTA => ("ClientQuotaRecord", client_quota),
            Unmodelled::USER_SCRAM_CREDENTIAL => {
                ("UserScramCredentialRecord", user_scram_credential)
            }
            Unmodelled::REMOVE_USER_SCRAM_CREDENTIAL => (
                "RemoveUserScramCredentialRecord",
                remove_user_scram_credential,
            ),
            _ => return Ok(None),
        };
        if record.version != VERSION {
            let version = record.version;
            return Err(DecodeError::Version { name, version });
        }
        let mut reader = Reader::flexible(&record.bytes);
        let said = read(&mut reader)?;
        reader.no_tagged_fields()?;
        reader.finish()?;
        Ok(Some(said))
    }
}

fn client_quota(reader: &mut Reader<'_>) -> Result<KeptRecord, schema::DecodeError> {
    let entity = reader.array(|reader| {
        let part = (reader.string()?, reader.nullable_string()?);
        reader.no_tagged_fields()?;
        Ok(part)
    })?;
    let (key, value, is_removed) = (reader.string()?, reader.float64()?, reader.boolean()?);
    Ok(KeptRecord::ClientQuota {
        entity,
        key,
        value: (!is_removed).then_some(value),
    })
}

fn user_scram_credential(reader: &mut Reader<'_>) -> Result<KeptRecord, schema::DecodeError> {
    let (user, mechanism) = (reader.string()?, reader.int8()?);
    // Salt, stored key and server key are not described.
    for _ in 0..3 {
        reader.bytes()?;
    }
    Ok(KeptRecord::UserScramCredential {
        user,
        mechanism,
        iterations: Some(reader.int32()?),
    })
}

fn remove_user_scram_credential(
    reader: &mut Reader<'_>,
) -> Result<KeptRecord, schema::DecodeError> {
    Ok(KeptRecord::UserScramCredential {
        user: reader.string()?,
        mechanism: reader.int8()?,
        iterations: None,
    })
}
