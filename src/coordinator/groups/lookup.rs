//! Looks up the topics of regular expressions for the coordinators, and tells them.
//!
//! One lookup at a time on a thread for blocking work, whatever is asked: a lookup compares every topic of the cluster
//! with every expression of a group. A group has no second one asked before it has heard of the first, so no more wait
//! than there are groups.

use std::sync::Arc;

use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use crate::base::Clock;
use crate::base::pattern::Pattern;
use crate::coordinator::hosts::WeakHosts;
use crate::group::{Expressions, ExpressionsResolved, GroupEffect, Registry};
use crate::metadata::Image;

/// What coordinators ask for.
pub(super) type Effects = UnboundedSender<GroupEffect>;

/// A channel for what coordinators ask for.
pub(super) fn channel() -> (Effects, UnboundedReceiver<GroupEffect>) {
    unbounded_channel()
}

/// Serves until the coordinators are gone.
pub(super) async fn run(
    mut asked: UnboundedReceiver<GroupEffect>,
    hosts: WeakHosts<Registry>,
    clock: Arc<dyn Clock>,
) {
    while let Some(GroupEffect::Resolve(expressions)) = asked.recv().await {
        let found = find(expressions, &clock).await;
        let Some(hosts) = hosts.upgrade() else {
            return;
        };
        let group = Arc::clone(&found.group);
        // Nobody waits for the answer: a disk that hangs must not hold up other groups. A coordinator that is loaded
        // again asks again.
        drop(hosts.ask(&group, found));
    }
}

/// The topics, or none at all if they cannot be found out.
async fn find(expressions: Expressions, clock: &Arc<dyn Clock>) -> ExpressionsResolved {
    let mut found = ExpressionsResolved {
        group: Arc::clone(&expressions.group),
        topics: Vec::new(),
        version: expressions.image.offset(),
        began: clock.now(),
    };
    let looked = tokio::task::spawn_blocking(move || look_up(&expressions));
    found.topics = looked.await.unwrap_or_default();
    found
}

/// The topics of each expression. Coordinators have accepted them, so none is wrong; if one is, nothing matches.
fn look_up(asked: &Expressions) -> Vec<(Arc<str>, Vec<Arc<str>>)> {
    let expressions = asked.expressions.iter();
    expressions
        .map(|expression| (Arc::clone(expression), matching(expression, &asked.image)))
        .collect()
}

fn matching(expression: &str, image: &Image) -> Vec<Arc<str>> {
    let Ok(pattern) = Pattern::new(expression) else {
        return Vec::new();
    };
    let matches = image.topics().filter(|topic| pattern.matches(&topic.name));
    matches.map(|topic| Arc::clone(&topic.name)).collect()
}

#[cfg(test)]
mod tests;
