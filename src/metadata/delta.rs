//! CONTRACT STUB: what one publication changed.
use std::sync::Arc;
use super::TopicImage;
/// The difference between two successive images, for those who act on change.
#[derive(Clone, Debug, Default)]
#[allow(missing_docs)]
pub struct Delta { pub created_or_changed_topics: Vec<Arc<TopicImage>>, pub deleted_topics: Vec<Arc<TopicImage>>, /** topics whose configs changed */ pub changed_configs: Vec<String> }
