//! Dispatches a request to its operation.

use std::sync::Arc;

use super::asks::{
    AddPartitions, EndTransaction, ExpireTransactionalIds, InitProducer, MarkersWritten, TxnError,
    VerifyPartitions,
};
use super::registry::{Outcome, Registry, Turn};
use crate::base::{Ask, Timestamp, Token};

/// A request to the transaction coordinator.
pub trait TransactionAsk: Ask {
    /// The operation, with Kafka's API name where there is one.
    const NAME: &'static str;

    /// The transactional id; empty for a request about all.
    fn transactional_id(&self) -> Arc<str>;

    /// The answer when the records of the decision do not fit into a batch of the log.
    fn too_large() -> Option<Self::Reply> {
        None
    }

    /// Lets `registry` decide.
    fn decide(self, registry: &mut Registry, turn: &mut Turn) -> Self::Reply;
}

impl Registry {
    /// Decides on a request, which `token` identifies in the reply.
    pub fn decide<A: TransactionAsk>(
        &mut self,
        token: Token<A::Reply>,
        ask: A,
        now: Timestamp,
    ) -> Outcome {
        let mut turn = Turn::new(now);
        let reply = ask.decide(self, &mut turn);
        turn.reply(token, reply);
        self.end(turn)
    }
}

impl TransactionAsk for InitProducer {
    const NAME: &'static str = "InitProducerId";

    fn transactional_id(&self) -> Arc<str> {
        Arc::clone(&self.transactional_id)
    }

    fn too_large() -> Option<Self::Reply> {
        Some(Err(TxnError::TooLarge))
    }

    fn decide(self, registry: &mut Registry, turn: &mut Turn) -> Self::Reply {
        registry.init_producer(&self, turn)
    }
}

impl TransactionAsk for AddPartitions {
    const NAME: &'static str = "AddPartitionsToTxn";

    fn transactional_id(&self) -> Arc<str> {
        Arc::clone(&self.transactional_id)
    }

    fn too_large() -> Option<Self::Reply> {
        Some(Err(TxnError::TooLarge))
    }

    fn decide(self, registry: &mut Registry, turn: &mut Turn) -> Self::Reply {
        registry.add_partitions(&self, turn)
    }
}

impl TransactionAsk for VerifyPartitions {
    const NAME: &'static str = "AddPartitionsToTxn";

    fn transactional_id(&self) -> Arc<str> {
        Arc::clone(&self.transactional_id)
    }

    fn decide(self, registry: &mut Registry, _turn: &mut Turn) -> Self::Reply {
        registry.verify_partitions(&self)
    }
}

impl TransactionAsk for EndTransaction {
    const NAME: &'static str = "EndTxn";

    fn transactional_id(&self) -> Arc<str> {
        Arc::clone(&self.transactional_id)
    }

    fn too_large() -> Option<Self::Reply> {
        Some(Err(TxnError::TooLarge))
    }

    fn decide(self, registry: &mut Registry, turn: &mut Turn) -> Self::Reply {
        registry.end_transaction(&self, turn)
    }
}

impl TransactionAsk for MarkersWritten {
    const NAME: &'static str = "completion of a transaction";

    fn transactional_id(&self) -> Arc<str> {
        Arc::clone(&self.transactional_id)
    }

    fn decide(self, registry: &mut Registry, turn: &mut Turn) -> Self::Reply {
        registry.markers_written(&self, turn)
    }
}

impl TransactionAsk for ExpireTransactionalIds {
    const NAME: &'static str = "expiry of transactional ids";

    fn transactional_id(&self) -> Arc<str> {
        Arc::default()
    }

    fn decide(self, registry: &mut Registry, turn: &mut Turn) -> Self::Reply {
        registry.expire(turn);
    }
}
