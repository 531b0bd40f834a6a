//! Settings of the server that change while it serves: how many connections there may be, and how many threads
//! serve them.

use std::sync::{Arc, Mutex};

use tokio::runtime::Handle;

use crate::base::{Completion, NodeId, lock};
use crate::cluster::ImageListener;
use crate::config::CurrentConfig;
use crate::metadata::{Delta, Image};
use crate::wire::ServerControl;

use super::listeners;

/// Has the server follow the settings in force.
pub(super) struct ServerSettings {
    pub(super) node: NodeId,
    pub(super) config: CurrentConfig,
    pub(super) server: ServerControl,
    /// The process's limit of open files.
    pub(super) descriptors: Option<u64>,
    pub(super) runtime: Handle,
    /// Held while limits are made and set, so that the newest are the last.
    pub(super) setting: Arc<Mutex<()>>,
}

impl ImageListener for ServerSettings {
    fn image_published(&self, _image: &Arc<Image>, delta: &Delta, answer: &Completion) {
        if !delta.changes_settings_of(self.node) {
            return;
        }
        let threads = self.config.now().serving_threads();
        self.server.limit_threads(threads);
        let (config, server) = (self.config.clone(), self.server.clone());
        let (setting, descriptors) = (Arc::clone(&self.setting), self.descriptors);
        let answer = answer.clone();
        // Hosts in the limits may have to be looked up.
        self.runtime.spawn_blocking(move || {
            let setting = lock(&setting);
            let limits = listeners::connection_limits(&config.now(), descriptors);
            server.limit_connections(limits);
            drop(setting);
            drop(answer);
        });
    }
}
