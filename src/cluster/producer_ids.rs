//! Assigns producer ids from blocks that the controller has reserved for this broker, so that most producers start
//! without a write to the metadata log. The rest of a block at the broker's stop is never used: no two producers get
//! the same id.

use tokio::sync::Mutex;

use crate::base::{NodeId, ProducerId};
use crate::controller::AllocateProducerIds;

use super::handle::Cluster;
use super::submit::ClusterError;

/// The rest of the current block.
#[derive(Debug, Default)]
pub(super) struct ProducerIds {
    /// Held while a new block is fetched: requests meanwhile wait for it and use it.
    left: Mutex<std::ops::Range<i64>>,
}

impl ProducerIds {
    pub(super) async fn next(
        &self,
        cluster: &Cluster,
        node: NodeId,
    ) -> Result<ProducerId, ClusterError> {
        let mut left = self.left.lock().await;
        if left.is_empty() {
            *left = allocate(cluster, node).await?;
        }
        left.next().map(ProducerId).ok_or(ClusterError::Stopped)
    }
}

async fn allocate(cluster: &Cluster, node: NodeId) -> Result<std::ops::Range<i64>, ClusterError> {
    let broker_epoch = cluster
        .image()
        .broker(node)
        .ok_or(ClusterError::Stopped)?
        .epoch;
    let command = AllocateProducerIds {
        broker_id: node,
        broker_epoch,
    };
    let block = cluster.submit(command).await?.map_err(|refusal| {
        crate::base::limited!(warn, "no producer ids could be allocated", %refusal);
        ClusterError::Stopped
    })?;
    let first = block.first.0;
    Ok(first..first.saturating_add(i64::from(block.count)))
}
