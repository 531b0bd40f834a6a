//! Publishing images: to everybody who looks at the newest one, and to listeners, who act on every change.
//!
//! ```text
//!   who follows the log ──> Published: the image and the settings of the moment      (at once)
//!                      └──> queue ──> the publisher's thread ──> listener, listener   (in order, none left out)
//! ```
//! A listener that takes its time holds up those behind it, and neither the next decision nor the newest image.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};

use arc_swap::ArcSwap;

use crate::base::{Completion, NodeId, Offset};
use crate::config::CurrentConfig;
use crate::metadata::{Delta, Image};

/// Someone who acts on changes of the image. Called in order, on a thread of the listeners' own.
pub trait ImageListener: Send + Sync {
    /// `image` has taken the place of the one before; `delta` says what is different. Should not wait for anything:
    /// what takes its time is done elsewhere with a clone of `answer`. The change is answered when all clones are
    /// gone, so that a topic can be used when a client learns that it exists.
    fn image_published(&self, image: &Arc<Image>, delta: &Delta, answer: &Completion);
}

/// What is in force at the moment.
pub(super) struct Published {
    node: NodeId,
    image: ArcSwap<Image>,
    config: CurrentConfig,
}

impl Published {
    pub(super) fn new(node: NodeId, image: Image, config: CurrentConfig) -> Self {
        let published = Self {
            node,
            image: ArcSwap::from_pointee(image),
            config,
        };
        published.bring_settings_in_force();
        published
    }

    pub(super) fn image(&self) -> Arc<Image> {
        self.image.load_full()
    }

    pub(super) fn offset(&self) -> Offset {
        self.image.load().offset()
    }

    pub(super) const fn config(&self) -> &CurrentConfig {
        &self.config
    }

    fn replace(&self, image: &Arc<Image>, delta: &Delta) {
        self.image.store(Arc::clone(image));
        if delta.changes_settings_of(self.node) {
            self.bring_settings_in_force();
        }
    }

    fn bring_settings_in_force(&self) {
        let image = self.image.load();
        let (all_brokers, this_broker) = image.broker_changes(self.node);
        self.config.follow(all_brokers, this_broker);
    }
}

/// A listener that joins.
pub(super) struct Listening {
    pub(super) listener: Arc<dyn ImageListener>,
    /// The image that it knows.
    pub(super) known: Arc<Image>,
    /// Let go when it has followed up to the image of the moment.
    pub(super) followed: Completion,
}

/// What the publisher's thread is told.
enum News {
    Changed(Arc<Image>, Box<Delta>, Completion),
    Joins(Listening),
}

/// For who follows the log: publishes each image that it makes. The thread ends with it, after all that was published.
pub(super) struct Publisher {
    published: Arc<Published>,
    news: Sender<News>,
}

impl Publisher {
    /// Starts the thread, which drops `running` when it ends.
    pub(super) fn start(
        published: Arc<Published>,
        running: impl Send + 'static,
    ) -> std::io::Result<Self> {
        let (news, queue) = channel();
        let image = published.image();
        std::thread::Builder::new()
            .name("metadata-publisher".to_owned())
            .spawn(move || {
                Listeners::at(image).run(&queue);
                drop(running);
            })?;
        Ok(Self { published, news })
    }

    /// Publishes the next image. `followed` is let go when the listeners have done what follows from it.
    pub(super) fn publish(&self, image: Image, delta: Delta, followed: Completion) {
        let image = Arc::new(image);
        self.published.replace(&image, &delta);
        drop(
            self.news
                .send(News::Changed(image, Box::new(delta), followed)),
        );
    }

    /// Adds a listener.
    pub(super) fn listen(&self, listening: Listening) {
        drop(self.news.send(News::Joins(listening)));
    }
}

/// The listeners, all of which have been told of `image`.
struct Listeners {
    image: Arc<Image>,
    all: Vec<Arc<dyn ImageListener>>,
}

impl Listeners {
    fn at(image: Arc<Image>) -> Self {
        let all = Vec::new();
        Self { image, all }
    }

    fn run(mut self, queue: &Receiver<News>) {
        for news in queue {
            match news {
                News::Changed(image, delta, followed) => {
                    self.image = image;
                    for listener in &self.all {
                        listener.image_published(&self.image, &delta, &followed);
                    }
                }
                News::Joins(listening) => {
                    let Listening {
                        listener,
                        known,
                        followed,
                    } = listening;
                    let delta = Delta::between(&known, &self.image);
                    listener.image_published(&self.image, &delta, &followed);
                    self.all.push(listener);
                }
            }
        }
    }
}
