//! How many connections there may be, in all and from one address.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::settings::Settings;

/// Counts the connections of all listeners.
#[derive(Debug)]
pub(super) struct Admission {
    max: usize,
    max_per_ip: usize,
    overrides: HashMap<IpAddr, usize>,
    /// Held for a few instructions.
    counts: Mutex<Counts>,
}

#[derive(Debug, Default)]
struct Counts {
    all: usize,
    by_ip: HashMap<IpAddr, usize>,
}

/// Why a connection was not let in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Refused {
    /// `max.connections`
    #[error("the limit of {0} connections is reached (max.connections)")]
    All(usize),
    /// `max.connections.per.ip` or one of its overrides
    #[error("the limit of {0} connections from one address is reached (max.connections.per.ip)")]
    PerIp(usize),
}

/// A connection that has been let in; it is counted until this is dropped.
#[derive(Debug)]
pub(super) struct Admitted {
    admission: Arc<Admission>,
    ip: IpAddr,
}

impl Admission {
    pub(super) fn new(settings: &Settings) -> Self {
        let overrides = &settings.max_connections_per_ip_overrides;
        Self {
            max: settings.max_connections,
            max_per_ip: settings.max_connections_per_ip,
            overrides: overrides
                .iter()
                .map(|(ip, max)| (ip.to_canonical(), *max))
                .collect(),
            counts: Mutex::default(),
        }
    }

    /// Lets a connection from `ip` in, or says which limit it would pass.
    pub(super) fn admit(self: &Arc<Self>, ip: IpAddr) -> Result<Admitted, Refused> {
        let max_per_ip = self.overrides.get(&ip).copied().unwrap_or(self.max_per_ip);
        let mut counts = self.counts();
        if counts.all >= self.max {
            return Err(Refused::All(self.max));
        }
        let from_ip = counts.by_ip.get(&ip).copied().unwrap_or_default();
        if from_ip >= max_per_ip {
            return Err(Refused::PerIp(max_per_ip));
        }
        counts.all = counts.all.saturating_add(1);
        counts.by_ip.insert(ip, from_ip.saturating_add(1));
        drop(counts);
        Ok(Admitted {
            admission: Arc::clone(self),
            ip,
        })
    }

    /// Connections now.
    pub(super) fn connections(&self) -> usize {
        self.counts().all
    }

    fn counts(&self) -> MutexGuard<'_, Counts> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Admitted {
    fn drop(&mut self) {
        let mut counts = self.admission.counts();
        counts.all = counts.all.saturating_sub(1);
        if let Some(count) = counts.by_ip.get_mut(&self.ip) {
            *count = count.saturating_sub(1);
            if *count == 0 {
                counts.by_ip.remove(&self.ip);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Admission, Refused};
    use crate::wire::Settings;
    use std::net::IpAddr;
    use std::sync::Arc;

    #[test]
    fn connections_are_counted_in_all_and_by_address() {
        let [first, second, banned]: [IpAddr; 3] =
            ["10.0.0.1", "10.0.0.2", "10.0.0.3"].map(|ip| ip.parse().unwrap());
        let admission = Arc::new(Admission::new(&Settings {
            max_connections: 4,
            max_connections_per_ip: 2,
            max_connections_per_ip_overrides: [(second, 3), (banned, 0)].into(),
            ..Settings::default()
        }));
        let one = admission.admit(first).unwrap();
        let _two = admission.admit(first).unwrap();
        assert_eq!(admission.admit(first).unwrap_err(), Refused::PerIp(2));
        assert_eq!(admission.admit(banned).unwrap_err(), Refused::PerIp(0));
        let _others = [
            admission.admit(second).unwrap(),
            admission.admit(second).unwrap(),
        ];
        assert_eq!(admission.admit(second).unwrap_err(), Refused::All(4));
        drop(one);
        assert_eq!(admission.connections(), 3);
        let _third = admission.admit(second).unwrap();
    }
}
