//! All topics of an image, for answers whose rows are produced when the socket takes them ([`super::streamed`]).

use std::sync::Arc;

use crate::metadata::{Image, TopicImage};

/// Iterates over the topics by name, and can start again.
#[derive(Clone)]
pub(super) struct AllTopics {
    image: Arc<Image>,
    last: Option<Arc<TopicImage>>,
}

impl AllTopics {
    pub(super) const fn of(image: Arc<Image>) -> Self {
        Self { image, last: None }
    }
}

impl Iterator for AllTopics {
    type Item = Arc<TopicImage>;

    fn next(&mut self) -> Option<Arc<TopicImage>> {
        let last = self.last.as_ref().map(|topic| &*topic.name);
        let next = Arc::clone(self.image.topic_after(last)?);
        self.last = Some(Arc::clone(&next));
        Some(next)
    }
}
