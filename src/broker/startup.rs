//! Start: each step needs what the one before it has made.

use std::collections::HashSet;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::Handle;

use crate::base::{Clock, Completion, DirectoryId, NodeId, SystemClock, TopicId};
use crate::cluster::{self, Cluster, Controller, ImageListener, Lifecycle, Registration};
use crate::config::{BrokerConfig, Origin, Warning};
use crate::coordinator::{Groups, OwnPartitions, Transactions};
use crate::handlers::{Context, Router};
use crate::log::{DirectoryError, LogDirectories, LogDirectory, limit_kept_files};
use crate::metadata::{Delta, Image};
use crate::partition::sessions::SessionLimits;
use crate::partition::{self, Contents, FetchSessions, Hosting, Known, Partitions};
use crate::security::AllowAll;
use crate::wire::{self, BindError, Listeners, ServerHandle};

use super::settings::ServerSettings;
use super::{directories, freed_memory, listeners, open_files, service_manager};

/// The release of this program.
const VERSION: &str = env!("CARGO_PKG_VERSION");

/// Why the broker cannot start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The runtime could not be made.
    #[error("cannot start the runtime: {0}")]
    Runtime(std::io::Error),
    /// The log directory cannot be used.
    #[error(transparent)]
    LogDirectory(#[from] DirectoryError),
    /// The controller cannot begin.
    #[error(transparent)]
    Cluster(#[from] cluster::StartError),
    /// A listener cannot be opened.
    #[error(
        "{error}; listeners ({origin}) asks for it: {}",
        listeners::cure_of(error)
    )]
    Bind {
        /// Which, and why not.
        error: BindError,
        /// Who asked for it.
        origin: Origin,
    },
    /// Partitions cannot be hosted.
    #[error(transparent)]
    Partitions(#[from] partition::StartError),
    /// The broker cannot take part in the cluster.
    #[error(transparent)]
    Lifecycle(#[from] cluster::LifecycleError),
}

/// A broker that serves.
#[derive(Debug)]
pub struct Running {
    pub(super) server: ServerHandle,
    pub(super) groups: Groups,
    pub(super) transactions: Transactions,
    pub(super) partitions: Partitions,
    pub(super) hosting: Hosting,
    pub(super) controller: Controller,
    pub(super) lifecycle: Lifecycle,
    config: Arc<BrokerConfig>,
    cluster_id: String,
    /// Locked as long as the broker runs.
    _metadata_only: Option<LogDirectory>,
}

impl Running {
    /// Where it listens: names and real addresses.
    pub fn addresses(&self) -> &[(Arc<str>, SocketAddr)] {
        self.server.addresses()
    }

    /// How long a stop may take.
    pub(super) fn time_to_stop(&self) -> Duration {
        Duration::from_millis(u64::try_from(self.config.zurau_stop_timeout_ms).unwrap_or(0))
    }

    /// One line for people and programs that wait for the broker.
    pub fn ready_line(&self) -> String {
        let listeners: Vec<_> = self
            .addresses()
            .iter()
            .map(|(name, address)| format!("{name}://{address}"))
            .collect();
        let directories: Vec<_> = self
            .config
            .log_dirs
            .iter()
            .map(|path| path.display().to_string())
            .collect();
        format!(
            "zurau ready: listeners {}; log.dirs {}; cluster.id {}",
            listeners.join(","),
            directories.join(","),
            self.cluster_id
        )
    }
}

/// Starts everything, after saying who starts and what is to be said of its configuration. What was started before
/// a failure ends with the process.
pub(super) async fn start(
    config: BrokerConfig,
    warnings: &[Warning],
) -> Result<Running, StartError> {
    let config = Arc::new(config);
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let node = NodeId(config.node_id);

    let opened = LogDirectories::open(
        &config.log_dirs,
        &config.metadata_log_dir,
        node,
        config.cluster_id(),
    );
    if let Ok(directories) = &opened {
        let cluster = &directories.metadata().meta().cluster_id;
        tracing::info!("zurau {VERSION} starts as node {node} of cluster {cluster}");
    }
    super::tell(warnings);
    let mut directories = opened?;
    directories.tell_offline();
    // Before the metadata are loaded, so that both are done at once.
    let contents = Contents::read(&directories);
    let metadata_directory = directories.metadata();
    let cluster_id = metadata_directory.meta().cluster_id.clone();
    let (cluster, controller) = cluster::start(
        Arc::clone(&config),
        metadata_directory,
        &cluster_id,
        Arc::clone(&clock),
    )?;

    let listeners = bind(&config, &cluster).await?;
    let registration = Registration {
        broker_id: node,
        endpoints: listeners::registered(&config, &listeners.addresses()),
        rack: config.broker_rack.clone(),
        log_directories: ids(&directories),
    };
    let lifecycle = Lifecycle::register(&cluster, registration).await?;

    let metadata_only = directories.metadata_only.take();
    let deleted = controller.deleted_topics().clone();
    let image = cluster.image();
    let opening = open_partitions(directories, contents, &clock, &cluster, &image, deleted);
    let (partitions, mut hosting) = opening.await?;
    if let Some(directory) = &metadata_only {
        directory.take_over()?;
    }
    directories::report(&lifecycle, &partitions, hosting.take_assignments()).await;
    let hosted = Arc::new(HostedPartitions(partitions.clone()));
    cluster.listen_from(image, hosted).await;
    let groups = Groups::start(
        partitions.clone(),
        cluster.clone(),
        Arc::clone(&config),
        Arc::clone(&clock),
        Handle::current(),
    );
    cluster.listen(Arc::new(groups.clone())).await;
    let transactions = start_transactions(&partitions, &cluster, &groups, &config, &clock);
    cluster.listen(Arc::new(transactions.clone())).await;
    lifecycle.unfence().await?;

    let context = Context {
        config: Arc::clone(&config),
        cluster,
        partitions: partitions.clone(),
        groups: groups.clone(),
        enlists: Arc::new(transactions.clone()),
        transactions: transactions.clone(),
        authorizer: Arc::new(AllowAll),
        clock,
        fetch_sessions: FetchSessions::new(session_limits(&config)),
    };
    freed_memory::give_back_now_and_then();
    let server = listeners.serve(Arc::new(Router::new(Arc::new(context))));
    Ok(Running {
        server,
        groups,
        transactions,
        partitions,
        hosting,
        controller,
        lifecycle,
        config,
        cluster_id,
        _metadata_only: metadata_only,
    })
}

/// Starts the transaction coordinators. Every partition whose transactions end is led by this broker.
fn start_transactions(
    partitions: &Partitions,
    cluster: &Cluster,
    groups: &Groups,
    config: &Arc<BrokerConfig>,
    clock: &Arc<dyn Clock>,
) -> Transactions {
    let markers = OwnPartitions::new(partitions.clone(), cluster.clone(), groups.clone(), config);
    Transactions::start(
        partitions.clone(),
        cluster.clone(),
        Arc::clone(config),
        Arc::clone(clock),
        Handle::current(),
        Arc::new(markers),
    )
}

/// Opens the listeners, which follow the settings from now on.
async fn bind(config: &BrokerConfig, cluster: &Cluster) -> Result<Listeners, StartError> {
    let descriptors = open_files::raise_limit();
    let (known, now) = (cluster.image(), cluster.config().now());
    let settings = wire::Settings {
        connections: listeners::connection_limits(&now, descriptors),
        serving_threads: now.serving_threads(),
        ..listeners::settings(config)
    };
    limit_kept_files(open_files::kept_files(descriptors));
    let listeners = Listeners::bind(settings, listeners::endpoints(config))
        .await
        .map_err(|error| StartError::Bind {
            error,
            origin: config.settings.origin("listeners"),
        })?;
    let server_settings = ServerSettings {
        node: NodeId(config.node_id),
        config: cluster.config().clone(),
        server: listeners.control(),
        descriptors,
        runtime: Handle::current(),
        setting: Arc::default(),
    };
    let server_settings = Arc::new(server_settings);
    cluster.listen_from(known, server_settings).await;
    Ok(listeners)
}

fn session_limits(config: &BrokerConfig) -> SessionLimits {
    let bytes = config.zurau_fetch_session_cache_max_bytes;
    SessionLimits {
        slots: usize::try_from(config.max_incremental_fetch_session_cache_slots).unwrap_or(0),
        bytes: usize::try_from(bytes).unwrap_or(0),
    }
}

/// The ids of the directories in use, as Kafka lists them.
fn ids(directories: &LogDirectories) -> Vec<DirectoryId> {
    let mut ids: Vec<_> = directories
        .online
        .iter()
        .map(LogDirectory::directory_id)
        .collect();
    ids.sort_unstable();
    ids
}

/// Opening logs reads the disk: not on a thread that serves sockets.
async fn open_partitions(
    directories: LogDirectories,
    contents: Contents,
    clock: &Arc<dyn Clock>,
    cluster: &Cluster,
    image: &Arc<Image>,
    deleted: HashSet<TopicId>,
) -> Result<(Partitions, Hosting), StartError> {
    let (config, clock) = (cluster.config().clone(), Arc::clone(clock));
    let image = Arc::clone(image);
    let opened = tokio::task::spawn_blocking(move || {
        let watch = Arc::new(service_manager::StartStatus);
        let known = Known {
            image: &image,
            deleted,
        };
        partition::start(config, directories, contents, clock, known, watch)
    })
    .await;
    Ok(opened.map_err(|stopped| StartError::Runtime(std::io::Error::other(stopped)))??)
}

/// Connects the image to the partitions: `partition` and `cluster` stand on one floor and do not
/// know each other.
struct HostedPartitions(Partitions);

impl ImageListener for HostedPartitions {
    fn image_published(&self, image: &Arc<Image>, delta: &Delta, answer: &Completion) {
        self.0.follow(image, delta, answer);
    }
}
