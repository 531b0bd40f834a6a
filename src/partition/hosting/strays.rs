//! Stray replicas, which the metadata does not know.
//!
//! Kafka renames each of them to `-stray` and continues. For a few that is right: for example, somebody has copied a
//! directory here. If there are many, or if they are all that is here, the metadata is more likely to be wrong: an
//! old copy, or that of another directory. In this case nothing is changed and the start is refused, until an
//! operator says how many are expected (`zurau.stray.partitions.max`). Topics that the metadata log has deleted do
//! not count.

use std::collections::HashSet;
use std::path::PathBuf;

use crate::base::{NodeId, TopicId};
use crate::config::BrokerConfig;
use crate::metadata::Image;

use super::contents::Identified;
use super::inventory::{Survey, placed_here};

/// This many are set aside without asking, if the metadata knows at least other replicas.
const A_FEW: usize = 3;

/// How many of them the log line names.
const NAMED: usize = 5;

/// The state of the metadata when hosting begins.
#[derive(Debug)]
pub struct Known<'a> {
    /// The image.
    pub image: &'a Image,
    /// Topics whose deletion is in the log: their remains do not suggest a wrong log.
    pub deleted: HashSet<TopicId>,
}

impl<'a> From<&'a Image> for Known<'a> {
    fn from(image: &'a Image) -> Self {
        Self {
            image,
            deleted: HashSet::new(),
        }
    }
}

/// There are more stray replicas than a start may set aside.
#[derive(Debug, thiserror::Error)]
#[error(
    "the log directories hold {count} partitions of which the metadata log in {metadata:?} knows nothing, such as \
     {some}: it may be the wrong or an old one. Nothing was changed. Name the right directory in metadata.log.dir, or \
     restore its metadata log; or, to have these partitions set aside (renamed to -stray), set \
     zurau.stray.partitions.max={count}"
)]
pub struct ManyStrays {
    /// Their number.
    count: usize,
    /// Some of them.
    some: String,
    /// The path of the metadata log.
    metadata: PathBuf,
}

/// Refuses the start when there are more strays than are expected.
pub(in crate::partition) fn refuse_many(
    surveys: &[Survey],
    known: &Known<'_>,
    config: &BrokerConfig,
) -> Result<(), ManyStrays> {
    let node = NodeId(config.node_id);
    let found = surveys.iter().flat_map(|survey| &survey.found);
    let found = found.filter(|found| found.is_of_a_partition());
    let (placed, strays): (Vec<_>, Vec<_>) =
        found.partition(|found| placed_here(found, known.image, node).is_some());
    let is_expected =
        |found: &&Identified| found.topic_id.is_some_and(|id| known.deleted.contains(&id));
    let strays: Vec<_> = strays
        .into_iter()
        .filter(|found| !is_expected(found))
        .collect();
    let by_itself = if placed.is_empty() { 0 } else { A_FEW };
    let most = usize::try_from(config.zurau_stray_partitions_max).unwrap_or(by_itself);
    if strays.len() <= most {
        return Ok(());
    }
    let some = strays.iter().take(NAMED);
    let some: Vec<_> = some
        .map(|found| found.replica.topic_partition.to_string())
        .collect();
    Err(ManyStrays {
        count: strays.len(),
        some: some.join(", "),
        metadata: config.metadata_log_dir.clone(),
    })
}
