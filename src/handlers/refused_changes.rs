//! AlterClientQuotas and AlterUserScramCredentials: both are refused. A limit that is not enforced, or a user that
//! cannot log in, would protect nobody.
//!
//! ApiVersions does not list these APIs. Some clients send them all the same (Sarama does not ask which APIs a broker
//! has). They get the reason, where Kafka would close the connection.

use std::collections::HashSet;

use kafka_protocol::messages::alter_client_quotas_response::{EntityData, EntryData};
use kafka_protocol::messages::alter_user_scram_credentials_response::AlterUserScramCredentialsResult;
use kafka_protocol::messages::{
    AlterClientQuotasRequest, AlterClientQuotasResponse, AlterUserScramCredentialsRequest,
    AlterUserScramCredentialsResponse,
};
use kafka_protocol::protocol::StrBytes;

use crate::base::ErrorCode;
use crate::controller::Refusal;
use crate::security::{Operation, Resource};
use crate::wire::Reply;

use super::route::{Call, Handler};

const NO_QUOTAS: &str = "This broker enforces no quotas, so none can be set.";
const NO_USERS: &str =
    "This broker has no SASL: nobody could authenticate as a user, so none can be changed.";

pub(super) struct AlterClientQuotas;
pub(super) struct AlterUserScramCredentials;

/// The error of every change, with its message for clients with the right to see it.
fn refusal(call: &Call, operation: Operation, message: &'static str) -> Refusal {
    match call.permit_or_say(operation, Resource::CLUSTER) {
        Ok(()) => Refusal::new(ErrorCode::UNSUPPORTED_VERSION, message),
        Err(denial) => denial,
    }
}

impl Handler for AlterClientQuotas {
    type Request = AlterClientQuotasRequest;

    async fn handle(call: Call, request: AlterClientQuotasRequest) -> Reply {
        let refusal = refusal(&call, Operation::AlterConfigs, NO_QUOTAS);
        let message = refusal.message.map(StrBytes::from_string);
        let entries = request.entries.into_iter().map(|entry| {
            let entity = entry.entity.into_iter().map(|part| {
                EntityData::default()
                    .with_entity_type(part.entity_type)
                    .with_entity_name(part.entity_name)
            });
            EntryData::default()
                .with_error_code(refusal.code.0)
                .with_error_message(message.clone())
                .with_entity(entity.collect())
        });
        call.reply(&AlterClientQuotasResponse::default().with_entries(entries.collect()))
    }
}

impl Handler for AlterUserScramCredentials {
    type Request = AlterUserScramCredentialsRequest;

    async fn handle(call: Call, request: AlterUserScramCredentialsRequest) -> Reply {
        let refusal = refusal(&call, Operation::Alter, NO_USERS);
        let message = refusal.message.map(StrBytes::from_string);
        let deleted = request.deletions.into_iter().map(|deletion| deletion.name);
        let changed = request
            .upsertions
            .into_iter()
            .map(|upsertion| upsertion.name);
        let mut seen = HashSet::new();
        let users = deleted.chain(changed);
        let results = users
            .filter(|user| seen.insert(user.clone()))
            .map(|user| {
                AlterUserScramCredentialsResult::default()
                    .with_user(user)
                    .with_error_code(refusal.code.0)
                    .with_error_message(message.clone())
            })
            .collect();
        call.reply(&AlterUserScramCredentialsResponse::default().with_results(results))
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use kafka_protocol::messages::alter_user_scram_credentials_request::{
        ScramCredentialDeletion, ScramCredentialUpsertion,
    };
    use kafka_protocol::messages::{ApiKey, alter_client_quotas_request};
    use kafka_protocol::protocol::Decodable;

    use super::super::fixture::Serving;
    use super::super::text::wire_text;
    use super::*;

    fn answer<R: Decodable>(reply: Reply, version: i16) -> R {
        let Reply::Send(parts) = reply else {
            panic!("no answer: {reply:?}")
        };
        let mut bytes: Bytes = parts.into_body_bytes().unwrap();
        let answer = R::decode(&mut bytes, version).unwrap();
        assert!(bytes.is_empty());
        answer
    }

    #[test]
    fn each_entity_and_each_user_hears_why() {
        let serving = Serving::start(&[]);
        for version in 0..=1 {
            let entity = alter_client_quotas_request::EntityData::default()
                .with_entity_type(wire_text("user"))
                .with_entity_name(Some(wire_text("alice")));
            let entry = alter_client_quotas_request::EntryData::default().with_entity(vec![entity]);
            let request =
                AlterClientQuotasRequest::default().with_entries(vec![entry.clone(), entry]);
            let call = serving.call(ApiKey::AlterClientQuotas, version);
            let reply = serving.block_on(AlterClientQuotas::handle(call, request));
            let told: AlterClientQuotasResponse = answer(reply, version);
            assert_eq!(told.entries.len(), 2);
            assert_eq!(told.entries[0].error_code, ErrorCode::UNSUPPORTED_VERSION.0);
            assert_eq!(told.entries[1].error_message.as_deref(), Some(NO_QUOTAS));
            assert_eq!(
                told.entries[1].entity[0].entity_name.as_deref(),
                Some("alice")
            );
        }
        let request = AlterUserScramCredentialsRequest::default()
            .with_deletions(vec![
                ScramCredentialDeletion::default().with_name(wire_text("bob")),
            ])
            .with_upsertions(vec![
                ScramCredentialUpsertion::default().with_name(wire_text("alice")),
                ScramCredentialUpsertion::default().with_name(wire_text("bob")),
            ]);
        let call = serving.call(ApiKey::AlterUserScramCredentials, 0);
        let reply = serving.block_on(AlterUserScramCredentials::handle(call, request));
        let told: AlterUserScramCredentialsResponse = answer(reply, 0);
        let users: Vec<_> = told
            .results
            .iter()
            .map(|row| (row.user.as_str(), row.error_code))
            .collect();
        let code = ErrorCode::UNSUPPORTED_VERSION.0;
        assert_eq!(users, [("bob", code), ("alice", code)]);
    }
}
