//! ListTransactions and DescribeTransactions: there are no transactions here yet, and the answers say so.
//!
//! A directory from Kafka may have some. They are kept but not read, so a request about them is refused: an answer
//! without transactions would be wrong. Of all codes, only the one for a missing right makes every client give up at
//! once.

use std::collections::HashSet;

use kafka_protocol::messages::describe_transactions_response::TransactionState;
use kafka_protocol::messages::{
    DescribeTransactionsRequest, DescribeTransactionsResponse, ListTransactionsRequest,
    ListTransactionsResponse, TransactionalId,
};
use kafka_protocol::protocol::StrBytes;
use regex_syntax::ast::parse::ParserBuilder;
use regex_syntax::ast::{self, Ast, RepetitionKind, RepetitionRange};

use crate::base::{ErrorCode, TopicId};
use crate::controller::names::TRANSACTION_STATE;
use crate::partition::{NotHosted, Partitions};
use crate::security::{Operation, Resource};
use crate::wire::Reply;

use super::route::{Call, Handler};

/// The states of Kafka's transactions.
const STATES: &[&str] = &[
    "Ongoing",
    "PrepareCommit",
    "PrepareAbort",
    "CompleteCommit",
    "CompleteAbort",
    "Empty",
    "Dead",
    "PrepareEpochFence",
];

/// The longest accepted pattern. Transactional ids in use are shorter.
const LONGEST_PATTERN: usize = 4 * 1024;
/// The maximum repetition count in a pattern.
const MOST_REPETITIONS: u32 = 1000;

pub(super) struct ListTransactions;
pub(super) struct DescribeTransactions;

impl Handler for ListTransactions {
    type Request = ListTransactionsRequest;

    async fn handle(call: Call, request: ListTransactionsRequest) -> Reply {
        let code = if !is_pattern(request.transactional_id_pattern.as_deref()) {
            ErrorCode::INVALID_REGULAR_EXPRESSION
        } else if keeps_transactions(&call) {
            ErrorCode::TRANSACTIONAL_ID_AUTHORIZATION_FAILED
        } else {
            let response = ListTransactionsResponse::default()
                .with_unknown_state_filters(unknown(request.state_filters));
            return call.reply(&response);
        };
        call.reply(&ListTransactionsResponse::default().with_error_code(code.0))
    }
}

impl Handler for DescribeTransactions {
    type Request = DescribeTransactionsRequest;

    async fn handle(call: Call, request: DescribeTransactionsRequest) -> Reply {
        let absent = if keeps_transactions(&call) {
            ErrorCode::TRANSACTIONAL_ID_AUTHORIZATION_FAILED
        } else {
            ErrorCode::TRANSACTIONAL_ID_NOT_FOUND
        };
        let row = |id: TransactionalId| {
            let permit = call.permit(Operation::Describe, Resource::transactional_id(&id));
            let code = match permit {
                Err(code) => code,
                Ok(()) if id.is_empty() => ErrorCode::INVALID_REQUEST,
                Ok(()) => absent,
            };
            TransactionState::default()
                .with_transactional_id(id)
                .with_error_code(code.0)
        };
        let states = request.transactional_ids.into_iter().map(row).collect();
        call.reply(&DescribeTransactionsResponse::default().with_transaction_states(states))
    }
}

/// The names that are no state, each once.
fn unknown(states: Vec<StrBytes>) -> Vec<StrBytes> {
    let mut seen = HashSet::new();
    let unknown = states
        .into_iter()
        .filter(|state| !STATES.contains(&state.as_str()) && seen.insert(state.clone()));
    unknown.collect()
}

/// Whether this is a valid pattern of transactional ids.
fn is_pattern(pattern: Option<&str>) -> bool {
    let mut parser = ParserBuilder::new().octal(true).build();
    pattern.is_none_or(|text| {
        text.len() <= LONGEST_PATTERN
            && parser
                .parse(text)
                .is_ok_and(|parsed| ast::visit(&parsed, Repetitions).is_ok())
    })
}

/// Finds repetitions that Kafka's patterns (RE2) do not allow and Rust's do: a repetition of a repetition, and very
/// large counts.
struct Repetitions;

impl ast::Visitor for Repetitions {
    type Output = ();
    type Err = ();

    fn finish(self) -> Result<(), ()> {
        Ok(())
    }

    fn visit_pre(&mut self, part: &Ast) -> Result<(), ()> {
        let Ast::Repetition(repetition) = part else {
            return Ok(());
        };
        let most = match &repetition.op.kind {
            RepetitionKind::Range(
                RepetitionRange::Exactly(most)
                | RepetitionRange::AtLeast(most)
                | RepetitionRange::Bounded(_, most),
            ) => *most,
            _ => 0,
        };
        if most > MOST_REPETITIONS || matches!(*repetition.ast, Ast::Repetition(_)) {
            return Err(());
        }
        Ok(())
    }
}

/// Whether Kafka has stored transactions in this directory.
fn keeps_transactions(call: &Call) -> bool {
    let image = call.broker.cluster.image();
    let partitions = &call.broker.partitions;
    let keeps = image.topic(TRANSACTION_STATE).is_some_and(|topic| {
        let mut numbers = topic.numbered_partitions().map(|(number, _)| number);
        numbers.any(|number| has_records(partitions, topic.id, number))
    });
    if keeps {
        crate::base::limited!(
            warn,
            "a request about transactions is refused: __transaction_state has records that only Kafka can read",
            peer = %call.peer.address
        );
    }
    keeps
}

fn has_records(partitions: &Partitions, topic: TopicId, number: i32) -> bool {
    match partitions.find(topic, number) {
        Ok(replica) => {
            let positions = replica.published().positions;
            positions.log_start < positions.log_end
        }
        // Perhaps.
        Err(NotHosted::Unreadable) => true,
        Err(NotHosted::Unknown) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::{is_pattern, unknown};
    use kafka_protocol::protocol::StrBytes;

    #[test]
    fn states_that_there_are_not_are_told_once() {
        let states = ["Ongoing", "ongoing", "", "Dead", "ongoing"].map(StrBytes::from_static_str);
        let unknown = unknown(states.to_vec());
        let unknown: Vec<_> = unknown.iter().map(|state| state.as_str()).collect();
        assert_eq!(unknown, ["ongoing", ""]);
    }

    #[test]
    fn patterns_are_those_of_re2() {
        assert!(is_pattern(None));
        for pattern in [
            "",
            "my-.*",
            "(?i)a|b",
            r"\p{Greek}+",
            "^x{2,1000}$",
            "(a*)*",
            "a*?",
        ] {
            assert!(is_pattern(Some(pattern)), "{pattern}");
        }
        for wrong in [
            "(",
            "[a",
            "a**",
            "a{2}+",
            "a{1001}",
            r"\8",
            "x{3,2}",
            &"a".repeat(5000),
        ] {
            assert!(!is_pattern(Some(wrong)), "{wrong}");
        }
    }
}
