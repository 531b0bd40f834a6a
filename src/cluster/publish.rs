//! Publishes images: the newest one for everybody, and every change for the listeners.
//!
//! ```text
//!   who follows the log ──> Published: the image and the settings of the moment      (at once)
//!                      └──> queue ──> the publisher's thread ──> listener, listener   (in order, none left out)
//! ```
//! A slow listener delays those behind it, but neither the next decision nor the newest image.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};

use arc_swap::ArcSwap;

use crate::base::{Completion, NodeId, Offset};
use crate::config::CurrentConfig;
use crate::metadata::{Delta, Image};

/// A consumer of image changes. Called in order, on a thread of the listeners' own.
pub trait ImageListener: Send + Sync {
    /// `image` has replaced the one before; `delta` is the difference. This should not wait for anything: slow work
    /// is done elsewhere with a clone of `answer`. The change is answered when all clones are dropped, so that a
    /// topic can be used when a client learns that it exists.
    fn image_published(&self, image: &Arc<Image>, delta: &Delta, answer: &Completion);
}

/// The current image and settings.
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

/// A new listener.
pub(super) struct Listening {
    pub(super) listener: Arc<dyn ImageListener>,
    /// The image that it knows.
    pub(super) known: Arc<Image>,
    /// Dropped when it has followed up to the current image.
    pub(super) followed: Completion,
}

/// A message to the publisher's thread.
enum News {
    Changed(Arc<Image>, Box<Delta>, Completion),
    Joins(Listening),
}

/// The sending side: publishes each new image. The thread ends when this is dropped, after everything that was
/// published.
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

    /// Publishes the next image. `followed` is dropped when the listeners have followed it.
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

/// The listeners, all of which have received `image`.
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
