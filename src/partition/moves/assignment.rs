//! What the controller must learn: which directory holds a replica. The image records it too, but the broker chooses,
//! finds and moves replicas.

use tokio::sync::mpsc::UnboundedSender;

use crate::base::{DirectoryId, TopicId};
use crate::partition::hosting::opening::ToOpen;
use crate::partition::replica::Replica;

/// Called when the controller has recorded an assignment, or never will.
type Answer = Box<dyn FnOnce(bool) + Send>;

/// The sending side to the task that informs the controller.
#[derive(Clone)]
pub(in crate::partition) struct Assignments(UnboundedSender<Assignment>);

impl Assignments {
    pub(in crate::partition) const fn new(way: UnboundedSender<Assignment>) -> Self {
        Self(way)
    }

    /// Sends an assignment to the controller, if there is a task for that.
    pub(in crate::partition) fn send(&self, assignment: Assignment) {
        drop(self.0.send(assignment));
    }
}

/// A replica on this broker and its directory.
pub struct Assignment {
    /// The topic.
    pub topic_id: TopicId,
    /// The partition.
    pub partition: i32,
    /// The directory.
    pub directory: DirectoryId,
    answer: Option<Answer>,
}

impl Assignment {
    pub(in crate::partition) fn new(wanted: &ToOpen, directory: DirectoryId) -> Self {
        Self {
            topic_id: wanted.topic_id,
            partition: wanted.topic_partition.partition,
            directory,
            answer: None,
        }
    }

    pub(in crate::partition) fn of(replica: &Replica, directory: DirectoryId) -> Self {
        Self {
            topic_id: replica.topic_id(),
            partition: replica.topic_partition().partition,
            directory,
            answer: None,
        }
    }

    pub(in crate::partition) fn with_answer(
        mut self,
        answer: impl FnOnce(bool) + Send + 'static,
    ) -> Self {
        self.answer = Some(Box::new(answer));
        self
    }

    /// The controller has recorded the assignment, or has refused it.
    pub fn answered(mut self, is_taken: bool) {
        if let Some(answer) = self.answer.take() {
            answer(is_taken);
        }
    }
}

impl Drop for Assignment {
    fn drop(&mut self) {
        if let Some(answer) = self.answer.take() {
            answer(false);
        }
    }
}

impl std::fmt::Debug for Assignment {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Assignment")
            .field("topic_id", &self.topic_id)
            .field("partition", &self.partition)
            .field("directory", &self.directory)
            .finish_non_exhaustive()
    }
}
