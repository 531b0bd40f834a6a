//! CONTRACT STUB: codecs of metadata records.
/// One record of `__cluster_metadata`. (helper: a variant per record of metadata-records.tsv; unknown ones are kept as raw bytes)
#[derive(Clone, Debug, PartialEq)]
#[allow(missing_docs)]
pub enum MetadataRecord { NoOp }
