//! DescribeUserScramCredentials: the SCRAM users in metadata that Kafka has written. They cannot authenticate here,
//! and none can be added.

use std::collections::HashMap;
use std::sync::Arc;

use kafka_protocol::messages::describe_user_scram_credentials_response::{
    CredentialInfo, DescribeUserScramCredentialsResult,
};
use kafka_protocol::messages::{
    DescribeUserScramCredentialsRequest, DescribeUserScramCredentialsResponse,
};
use kafka_protocol::protocol::StrBytes;

use crate::base::ErrorCode;
use crate::controller::Refusal;
use crate::metadata::{ScramUser, Told};
use crate::security::{Operation, Resource};
use crate::wire::Reply;

use super::errors;
use super::route::{Call, Handler};
use super::streamed::{self, Chunk};
use super::text::wire_text;

pub(super) struct DescribeUserScramCredentials;

impl Handler for DescribeUserScramCredentials {
    type Request = DescribeUserScramCredentialsRequest;

    async fn handle(call: Call, request: DescribeUserScramCredentialsRequest) -> Reply {
        let permit = call.permit(Operation::Describe, Resource::CLUSTER);
        let permit = permit.map_err(Refusal::bare);
        let image = call.broker.cluster.image();
        let told = || image.told().map_err(|error| errors::unreadable(&error));
        match permit.and_then(|()| told()) {
            Ok(told) => {
                let answer = Arc::new(Answer::new(Arc::clone(told), request));
                let count = answer.count();
                let rows = (0..count).map(move |row| Chunk::row(answer.row(row)));
                streamed::rows(&call, response, count, rows).await
            }
            Err(refusal) => {
                let refused = DescribeUserScramCredentialsResponse::default()
                    .with_error_code(refusal.code.0)
                    .with_error_message(refusal.message.map(StrBytes::from_string));
                call.reply(&refused)
            }
        }
    }
}

fn response(
    results: Vec<DescribeUserScramCredentialsResult>,
) -> DescribeUserScramCredentialsResponse {
    DescribeUserScramCredentialsResponse::default().with_results(results)
}

/// The data for the rows of the answer.
struct Answer {
    told: Arc<Told>,
    /// The users of the request, and whether each is named more than once; `None` for all users.
    named: Vec<(StrBytes, bool)>,
}

impl Answer {
    fn new(told: Arc<Told>, request: DescribeUserScramCredentialsRequest) -> Self {
        let mut named: Vec<(StrBytes, bool)> = Vec::new();
        let mut places = HashMap::<_, usize>::new();
        for user in request.users.unwrap_or_default() {
            match places.get(&user.name) {
                Some(&place) => named[place].1 = true,
                None => {
                    places.insert(user.name.clone(), named.len());
                    named.push((user.name, false));
                }
            }
        }
        Self { told, named }
    }

    fn count(&self) -> usize {
        if self.named.is_empty() {
            self.told.scram_users.len()
        } else {
            self.named.len()
        }
    }

    fn row(&self, row: usize) -> DescribeUserScramCredentialsResult {
        let users = &self.told.scram_users;
        let Some((name, is_named_again)) = self.named.get(row) else {
            return credentials(&users[row]);
        };
        let refused = |code: ErrorCode, message: &str| {
            DescribeUserScramCredentialsResult::default()
                .with_user(name.clone())
                .with_error_code(code.0)
                .with_error_message(Some(StrBytes::from_string(format!("{message}: {name}"))))
        };
        if *is_named_again {
            return refused(
                ErrorCode::DUPLICATE_RESOURCE,
                "Cannot describe SCRAM credentials for the same user twice in a single request",
            );
        }
        match users.binary_search_by(|user| user.name.as_str().cmp(name)) {
            Ok(place) => credentials(&users[place]),
            Err(_) => refused(
                ErrorCode::RESOURCE_NOT_FOUND,
                "Attempt to describe a user credential that does not exist",
            ),
        }
    }
}

fn credentials(user: &ScramUser) -> DescribeUserScramCredentialsResult {
    let infos = user.mechanisms.iter().map(|(mechanism, iterations)| {
        CredentialInfo::default()
            .with_mechanism(*mechanism)
            .with_iterations(*iterations)
    });
    DescribeUserScramCredentialsResult::default()
        .with_user(wire_text(&user.name))
        .with_credential_infos(infos.collect())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use kafka_protocol::messages::describe_user_scram_credentials_request::UserName;

    use super::super::streamed::received;
    use super::*;

    /// A user, the error code, and the credentials: mechanism and iterations.
    type Row = (String, i16, Vec<(i8, i32)>);

    fn told(users: Option<&[&str]>) -> Vec<Row> {
        let user = |name: &str, mechanisms| ScramUser {
            name: name.to_owned(),
            mechanisms,
        };
        let told = Told {
            scram_users: vec![
                user("alice", BTreeMap::from([(1, 4096), (2, 8192)])),
                user("bob", BTreeMap::from([(2, 4096)])),
            ],
            ..Told::default()
        };
        let named = |users: &[&str]| {
            let users = users.iter();
            users
                .map(|name| UserName::default().with_name(wire_text(name)))
                .collect()
        };
        let request = DescribeUserScramCredentialsRequest::default().with_users(users.map(named));
        let answer = Answer::new(Arc::new(told), request);
        let count = answer.count();
        let rows = (0..count).map(|row| Chunk::row(answer.row(row)));
        let results = received(0, response, count, rows).results;
        let rows = results.into_iter().map(|result| {
            let infos = result.credential_infos.iter();
            let infos = infos.map(|info| (info.mechanism, info.iterations));
            (result.user.to_string(), result.error_code, infos.collect())
        });
        rows.collect()
    }

    #[test]
    fn users_are_told_by_name_or_all_of_them() {
        let alice = ("alice".to_owned(), 0, vec![(1, 4096), (2, 8192)]);
        let bob = ("bob".to_owned(), 0, vec![(2, 4096)]);
        for all in [None, Some(&[][..])] {
            assert_eq!(told(all), [alice.clone(), bob.clone()]);
        }
        let none = |name: &str, code: ErrorCode| (name.to_owned(), code.0, Vec::new());
        assert_eq!(
            told(Some(&["bob", "carol", "alice", "", "carol", "bob"])),
            [
                none("bob", ErrorCode::DUPLICATE_RESOURCE),
                none("carol", ErrorCode::DUPLICATE_RESOURCE),
                alice,
                none("", ErrorCode::RESOURCE_NOT_FOUND),
            ]
        );
    }
}
