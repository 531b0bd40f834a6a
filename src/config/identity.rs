//! The identity of the node: its roles, its quorum and its cluster.
//!
//! A Zurau node runs alone, as broker and controller in one process. A configuration for one of several nodes must
//! not start: each node would create a cluster of its own, and a client that knows them all would write to one and
//! read from another.

use super::InvalidConfig;
use super::settings::Settings;
use super::value::list_items;

/// The longest cluster id; Kafka's are 22 characters.
const LONGEST_CLUSTER_ID: usize = 128;

/// Checks that the node is configured to run alone.
pub(super) fn check(settings: &Settings) -> Result<(), InvalidConfig> {
    check_roles(settings)?;
    check_voters(settings)?;
    check_bootstrap_servers(settings)?;
    check_cluster_id(settings)
}

/// The name that the system has for this machine.
pub(crate) fn host_name() -> String {
    rustix::system::uname()
        .nodename()
        .to_string_lossy()
        .into_owned()
}

fn check_roles(settings: &Settings) -> Result<(), InvalidConfig> {
    let roles = items(settings, "process.roles");
    if ["broker", "controller"]
        .iter()
        .all(|role| roles.contains(role))
    {
        return Ok(());
    }
    Err(refusal(
        settings,
        "process.roles",
        "a Zurau node runs alone, as broker and controller in one process",
        "use broker,controller or remove it, or use Apache Kafka for a cluster of several nodes",
    ))
}

fn check_voters(settings: &Settings) -> Result<(), InvalidConfig> {
    const KEY: &str = "controller.quorum.voters";
    const ALONE: &str = "remove it, or use Apache Kafka for a cluster of several nodes";
    let voters = items(settings, KEY);
    let mut ids = Vec::with_capacity(voters.len());
    for voter in &voters {
        let Some(id) = voter_id(voter) else {
            let wrong = format!("{voter:?} is not a voter");
            return Err(refusal(settings, KEY, &wrong, "use id@host:port"));
        };
        ids.push(id);
    }
    if ids.len() > 1 {
        let several = format!("it names {} nodes, but a Zurau node runs alone", ids.len());
        return Err(refusal(settings, KEY, &several, ALONE));
    }
    let own: i32 = settings.read("node.id")?;
    match ids.first() {
        Some(id) if *id != own => {
            let origin = settings.origin("node.id");
            let other = format!(
                "it makes node {id} the controller, but this is node {own} (node.id, {origin}), and a Zurau node runs alone"
            );
            let cure = format!("remove it, or set node.id to {id} if that is this node");
            Err(refusal(settings, KEY, &other, &cure))
        }
        _ => Ok(()),
    }
}

/// The id in `id@host:port`. The host may be empty, as in listeners.
fn voter_id(voter: &str) -> Option<i32> {
    let (id, address) = voter.split_once('@')?;
    host_and_port(address)?;
    id.parse().ok().filter(|id| *id >= 0)
}

fn check_bootstrap_servers(settings: &Settings) -> Result<(), InvalidConfig> {
    const KEY: &str = "controller.quorum.bootstrap.servers";
    for server in items(settings, KEY) {
        let Some((host, port)) = host_and_port(server) else {
            let wrong = format!("{server:?} is not an address");
            return Err(refusal(settings, KEY, &wrong, "use host:port"));
        };
        if !(is_own_host(settings, host) && may_be_own_port(settings, port)) {
            let other = format!("{server} is not this node, and a Zurau node runs alone");
            let cure = "remove it, or use Apache Kafka for a cluster of several nodes";
            return Err(refusal(settings, KEY, &other, cure));
        }
    }
    Ok(())
}

/// Whether `host` is this machine, as far as it can be known without asking others: the loopback address, its own
/// name, or a host of its listeners.
fn is_own_host(settings: &Settings, host: &str) -> bool {
    if host.is_empty() || host.eq_ignore_ascii_case("localhost") {
        return true;
    }
    if host
        .parse::<std::net::IpAddr>()
        .is_ok_and(|ip| ip.is_loopback() || ip.is_unspecified())
    {
        return true;
    }
    let own = host_name();
    let first_label = host.split('.').next().unwrap_or(host);
    if host.eq_ignore_ascii_case(&own) || first_label.eq_ignore_ascii_case(&own) {
        return true;
    }
    ["listeners", "advertised.listeners"]
        .iter()
        .flat_map(|key| items(settings, key))
        .filter_map(|listener| host_and_port(listener.split_once("://")?.1))
        .any(|(name, _)| name.eq_ignore_ascii_case(host))
}

/// Whether `port` can be that of a listener for controllers, if there is one.
fn may_be_own_port(settings: &Settings, port: u16) -> bool {
    let controllers = items(settings, "controller.listener.names");
    let ports: Vec<u16> = items(settings, "listeners")
        .into_iter()
        .filter_map(|listener| listener.split_once("://"))
        .filter(|(name, _)| {
            controllers
                .iter()
                .any(|controller| controller.eq_ignore_ascii_case(name))
        })
        .filter_map(|(_, address)| host_and_port(address))
        .map(|(_, port)| port)
        .collect();
    ports.is_empty() || ports.contains(&port) || ports.contains(&0)
}

fn check_cluster_id(settings: &Settings) -> Result<(), InvalidConfig> {
    const KEY: &str = "zurau.cluster.id";
    let Some(id) = settings.value(KEY) else {
        return Ok(());
    };
    // Kafka generates ids of 22 characters but accepts any text. A sentence, or a variable that a shell has not
    // expanded, is a mistake.
    let is_name = id.bytes().all(|byte| byte.is_ascii_graphic());
    if id.len() <= LONGEST_CLUSTER_ID && is_name {
        return Ok(());
    }
    let cure = "use an id such as kafka-storage.sh random-uuid prints (22 letters, digits, - and _), or leave it out \
                if the data directory has an id";
    Err(refusal(settings, KEY, "this is not a cluster id", cure))
}

fn host_and_port(address: &str) -> Option<(&str, u16)> {
    let (host, port) = address.rsplit_once(':')?;
    let bare = host
        .strip_prefix('[')
        .and_then(|host| host.strip_suffix(']'));
    Some((bare.unwrap_or(host), port.parse().ok()?))
}

fn items<'a>(settings: &'a Settings, key: &str) -> Vec<&'a str> {
    settings.value(key).map(list_items).unwrap_or_default()
}

fn refusal(settings: &Settings, key: &str, reason: &str, cure: &str) -> InvalidConfig {
    let value = settings.value(key).unwrap_or_default();
    let origin = settings.origin(key);
    InvalidConfig(format!(
        "{key} cannot be {value:?} ({origin}): {reason}; {cure}"
    ))
}

#[cfg(test)]
mod tests;
