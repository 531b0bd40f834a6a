//! The addresses on which the broker listens, and those that it advertises to clients.
//!
//! `listeners` names the sockets, `listener.security.protocol.map` gives each name its security protocol, and
//! `advertised.listeners` has the addresses that clients connect to. Names are upper case, as in Kafka.
//! Listeners in `controller.listener.names` are left out everywhere: the controller runs inside this
//! process and needs no socket, but a stock KRaft `server.properties` names one.
//!
//! Only PLAINTEXT is served. An error about another protocol never advises to use PLAINTEXT instead.

use std::collections::BTreeMap;
use std::fmt;

use super::InvalidConfig;
use super::settings::Settings;
use super::value::list_items;
use super::warning::Warning;

/// The security protocol of a listener.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SecurityProtocol {
    /// Plain TCP, no authentication.
    Plaintext,
    /// TLS.
    Ssl,
    /// SASL over plain TCP.
    SaslPlaintext,
    /// SASL over TLS.
    SaslSsl,
}

impl SecurityProtocol {
    /// Kafka's number of this protocol in metadata records.
    pub const fn code(self) -> i16 {
        match self {
            Self::Plaintext => 0,
            Self::Ssl => 1,
            Self::SaslPlaintext => 2,
            Self::SaslSsl => 3,
        }
    }

    fn from_name(name: &str) -> Option<Self> {
        Some(match name.to_ascii_uppercase().as_str() {
            "PLAINTEXT" => Self::Plaintext,
            "SSL" => Self::Ssl,
            "SASL_PLAINTEXT" => Self::SaslPlaintext,
            "SASL_SSL" => Self::SaslSsl,
            _ => return None,
        })
    }
}

impl fmt::Display for SecurityProtocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Plaintext => "PLAINTEXT",
            Self::Ssl => "SSL",
            Self::SaslPlaintext => "SASL_PLAINTEXT",
            Self::SaslSsl => "SASL_SSL",
        })
    }
}

/// A socket to listen on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listener {
    /// Its name, upper case.
    pub name: String,
    /// Its security protocol.
    pub protocol: SecurityProtocol,
    /// The address or host name to bind, without brackets; empty for every interface.
    pub host: String,
    /// The port; 0 lets the system choose.
    pub port: u16,
}

impl Listener {
    /// Whether this listens on every interface. Its host is then no address that clients could use.
    pub fn is_wildcard(&self) -> bool {
        self.host.is_empty() || is_wildcard(&self.host)
    }
}

impl fmt::Display for Listener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(f, "{}://[{}]:{}", self.name, self.host, self.port)
        } else {
            write!(f, "{}://{}:{}", self.name, self.host, self.port)
        }
    }
}

/// The address that a listener advertises to clients.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AdvertisedAddress {
    /// The host, never a wildcard; `None` for the address that the client connected to.
    pub host: Option<String>,
    /// The port; 0 for the port of the listener.
    pub port: u16,
}

/// The listener settings, parsed and checked against each other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Listeners {
    pub(super) listeners: Vec<Listener>,
    pub(super) advertised: BTreeMap<String, AdvertisedAddress>,
    pub(super) inter_broker: String,
    pub(super) warnings: Vec<Warning>,
}

impl Listeners {
    /// Reads them from the settings.
    pub(super) fn from_settings(settings: &Settings) -> Result<Self, InvalidConfig> {
        let controllers: Vec<String> = items(settings, "controller.listener.names")
            .map(str::to_ascii_uppercase)
            .collect();
        let mut warnings = Vec::new();
        let listeners = bound(settings, &controllers, &mut warnings)?;
        let advertised = advertised(settings, &controllers, &listeners)?;
        let inter_broker = inter_broker(settings, &controllers, &listeners)?;
        Ok(Self {
            listeners,
            advertised,
            inter_broker,
            warnings,
        })
    }
}

/// `listeners` without those of the controller.
fn bound(
    settings: &Settings,
    controllers: &[String],
    warnings: &mut Vec<Warning>,
) -> Result<Vec<Listener>, InvalidConfig> {
    const KEY: &str = "listeners";
    let origin = settings.origin(KEY);
    let protocols = protocols(settings)?;
    let mut listeners: Vec<Listener> = Vec::new();
    for text in items(settings, KEY) {
        let Endpoint { name, host, port } = Endpoint::parse(settings, KEY, text)?;
        if controllers.contains(&name) {
            warnings.push(Warning::Aside(format!(
                "listener {text} is not opened: the controller runs inside this process"
            )));
            continue;
        }
        let protocol = *protocols.get(&name).ok_or_else(|| {
            let map = settings.origin("listener.security.protocol.map");
            InvalidConfig(format!(
                "{KEY} ({origin}) names {text}, but listener.security.protocol.map ({map}) has no protocol for \
                 {name}: add {name}:PROTOCOL there (only PLAINTEXT is served yet), or remove {text}"
            ))
        })?;
        if protocol != SecurityProtocol::Plaintext {
            return Err(InvalidConfig(format!(
                "{KEY} ({origin}) names {text}, a listener with {protocol}, which is not served yet: remove it, and \
                 open other listeners only to networks that you trust"
            )));
        }
        for other in &listeners {
            if other.name == name {
                return Err(InvalidConfig(format!(
                    "{KEY} ({origin}) names {name} twice: give every listener its own name"
                )));
            }
            if port != 0 && (&other.host, other.port) == (&host, port) {
                return Err(InvalidConfig(format!(
                    "{KEY} ({origin}) gives {} and {name} the same port, {port}: give every listener its own",
                    other.name
                )));
            }
        }
        listeners.push(Listener {
            name,
            protocol,
            host,
            port,
        });
    }
    if listeners.is_empty() {
        return Err(InvalidConfig(format!(
            "{KEY} ({origin}) names no listener for clients: add one such as PLAINTEXT://127.0.0.1:9092, \
             whose name is not in controller.listener.names ({})",
            settings.origin("controller.listener.names")
        )));
    }
    Ok(listeners)
}

/// `listener.security.protocol.map`.
fn protocols(settings: &Settings) -> Result<BTreeMap<String, SecurityProtocol>, InvalidConfig> {
    const KEY: &str = "listener.security.protocol.map";
    items(settings, KEY)
        .map(|entry| {
            entry
                .split_once(':')
                .and_then(|(name, protocol)| {
                    let protocol = SecurityProtocol::from_name(protocol.trim())?;
                    Some((name.trim().to_ascii_uppercase(), protocol))
                })
                .ok_or_else(|| {
                    InvalidConfig(format!(
                        "{KEY} cannot contain {entry:?} ({}): use a list of NAME:PROTOCOL with PLAINTEXT, \
                         SSL, SASL_PLAINTEXT or SASL_SSL",
                        settings.origin(KEY)
                    ))
                })
        })
        .collect()
}

/// `advertised.listeners` without those of the controller, by listener name.
fn advertised(
    settings: &Settings,
    controllers: &[String],
    listeners: &[Listener],
) -> Result<BTreeMap<String, AdvertisedAddress>, InvalidConfig> {
    const KEY: &str = "advertised.listeners";
    let origin = settings.origin(KEY);
    let mut advertised = BTreeMap::new();
    for text in items(settings, KEY) {
        let Endpoint { name, host, port } = Endpoint::parse(settings, KEY, text)?;
        if controllers.contains(&name) {
            continue;
        }
        if is_wildcard(&host) {
            return Err(InvalidConfig(format!(
                "{KEY} cannot contain {text} ({origin}): clients cannot connect to a wildcard address; use a host \
                 name or address that they can reach, or remove the entry to advertise the address that each \
                 client connected to"
            )));
        }
        if !listeners.iter().any(|listener| listener.name == name) {
            return Err(InvalidConfig(format!(
                "{KEY} ({origin}) contains {text}, but listeners ({}) has no listener {name}: add it there \
                 or remove it here",
                settings.origin("listeners")
            )));
        }
        let host = (!host.is_empty()).then_some(host);
        if advertised
            .insert(name.clone(), AdvertisedAddress { host, port })
            .is_some()
        {
            return Err(InvalidConfig(format!(
                "{KEY} ({origin}) names {name} twice: keep one entry"
            )));
        }
    }
    if let Some(host) = settings
        .value("zurau.advertised.host")
        .filter(|host| !host.is_empty())
    {
        let address = advertised_host(settings, host)?;
        for listener in listeners {
            advertised
                .entry(listener.name.clone())
                .or_insert_with(|| address.clone());
        }
    }
    Ok(advertised)
}

/// `zurau.advertised.host`, for listeners without an entry in `advertised.listeners`. They advertise their own port.
fn advertised_host(settings: &Settings, host: &str) -> Result<AdvertisedAddress, InvalidConfig> {
    let bare = without_brackets(host);
    if !bare.bytes().all(is_of_a_host) || is_wildcard(bare) {
        return Err(InvalidConfig(format!(
            "zurau.advertised.host cannot be {host:?} ({}): use a host name or address that clients can reach",
            settings.origin("zurau.advertised.host")
        )));
    }
    Ok(AdvertisedAddress {
        host: Some(bare.to_owned()),
        port: 0,
    })
}

/// The listener that brokers use among themselves.
fn inter_broker(
    settings: &Settings,
    controllers: &[String],
    listeners: &[Listener],
) -> Result<String, InvalidConfig> {
    const KEY: &str = "inter.broker.listener.name";
    let origin = settings.origin(KEY);
    let exists = |name: &str| listeners.iter().any(|listener| listener.name == name);
    let set = settings.value(KEY).unwrap_or_default().to_ascii_uppercase();
    if controllers.contains(&set) {
        return Err(InvalidConfig(format!(
            "{KEY} cannot be {set} ({origin}): that is a listener of controllers (controller.listener.names); use \
             the name of another listener"
        )));
    }
    if exists(&set) {
        return Ok(set);
    }
    if !set.is_empty() {
        return Err(InvalidConfig(format!(
            "{KEY} cannot be {set} ({origin}): use the name of one of the listeners"
        )));
    }
    if exists("PLAINTEXT") {
        return Ok("PLAINTEXT".to_owned());
    }
    Ok(listeners
        .first()
        .map(|listener| listener.name.clone())
        .unwrap_or_default())
}

/// The parts of a `NAME://host:port`.
struct Endpoint {
    name: String,
    host: String,
    port: u16,
}

impl Endpoint {
    fn parse(settings: &Settings, key: &str, text: &str) -> Result<Self, InvalidConfig> {
        let refusal = |cure: &str| {
            let origin = settings.origin(key);
            InvalidConfig(format!("{key} cannot contain {text:?} ({origin}): {cure}"))
        };
        let (name, host, port) =
            Self::split(text).ok_or_else(|| refusal("use NAME://host:port"))?;
        let port = port.parse().map_err(|_| {
            refusal(&format!(
                "{port} is not a port: use a number from 0 to {}",
                u16::MAX
            ))
        })?;
        // The name's case does not count: everything compares the upper case.
        Ok(Self {
            name: name.to_ascii_uppercase(),
            host: host.to_owned(),
            port,
        })
    }

    /// The name, the host without brackets, and the text that should be a port.
    fn split(text: &str) -> Option<(&str, &str, &str)> {
        let (name, address) = text.split_once("://")?;
        let (host, port) = address.rsplit_once(':')?;
        let host = without_brackets(host);
        let is_name = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
        let is_number = !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit());
        (!name.is_empty()
            && name.bytes().all(is_name)
            && host.bytes().all(is_of_a_host)
            && is_number)
            .then_some((name, host, port))
    }
}

/// An IPv6 address may stand in brackets.
fn without_brackets(host: &str) -> &str {
    host.strip_prefix('[')
        .and_then(|host| host.strip_suffix(']'))
        .unwrap_or(host)
}

fn is_of_a_host(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-%._:".contains(&byte)
}

/// Whether `host` is an address that stands for every interface.
fn is_wildcard(host: &str) -> bool {
    host.parse::<std::net::IpAddr>()
        .is_ok_and(|address| address.is_unspecified())
}

/// The items of a list setting.
fn items<'a>(settings: &'a Settings, name: &str) -> impl Iterator<Item = &'a str> {
    settings
        .value(name)
        .map(list_items)
        .unwrap_or_default()
        .into_iter()
}

#[cfg(test)]
mod tests;
