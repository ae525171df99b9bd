//! Which connections are wanted.

use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;

use super::entry::Entry;

/// An address, a network, or an address with a port; or only a port.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Place {
    network: Option<(IpAddr, u8)>,
    port: Option<u16>,
}

impl FromStr for Place {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if let Ok(socket) = text.parse::<SocketAddr>() {
            return Ok(Self { network: Some((socket.ip(), bits(socket.ip()))), port: Some(socket.port()) });
        }
        if let Some(port) = text.strip_prefix(':').and_then(|port| port.parse().ok()) {
            return Ok(Self { network: None, port: Some(port) });
        }
        let (address, prefix) =
            text.split_once('/').map_or((text, None), |(address, prefix)| (address, Some(prefix)));
        let wrong = || format!("{text:?} is neither ADDRESS, ADDRESS:PORT, ADDRESS/PREFIX nor :PORT");
        let address: IpAddr = address.trim_matches(['[', ']']).parse().map_err(|_| wrong())?;
        let prefix = match prefix {
            Some(prefix) => {
                prefix.parse().ok().filter(|prefix| *prefix <= bits(address)).ok_or_else(wrong)?
            }
            None => bits(address),
        };
        Ok(Self { network: Some((address, prefix)), port: None })
    }
}

const fn bits(address: IpAddr) -> u8 {
    match address {
        IpAddr::V4(_) => 32,
        IpAddr::V6(_) => 128,
    }
}

impl Place {
    /// Whether it is there.
    pub(super) fn holds(&self, place: SocketAddr) -> bool {
        self.port.is_none_or(|port| port == place.port())
            && self.network.is_none_or(|(network, prefix)| within(network, prefix, place.ip()))
    }
}

fn within(network: IpAddr, prefix: u8, address: IpAddr) -> bool {
    match (network, address) {
        (IpAddr::V4(network), IpAddr::V4(address)) => {
            let shift = u32::from(32 - prefix.min(32));
            (u32::from(network) ^ u32::from(address)).checked_shr(shift).unwrap_or(0) == 0
        }
        (IpAddr::V6(network), IpAddr::V6(address)) => {
            let shift = u32::from(128 - prefix.min(128));
            (u128::from(network) ^ u128::from(address)).checked_shr(shift).unwrap_or(0) == 0
        }
        (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => false,
    }
}

/// A service: by its place, or by the name that the daemon has for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Service {
    Place(Place),
    Named(String),
}

impl FromStr for Service {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if let Some((_, mark)) = text.split_once("fwmark").filter(|(before, _)| before.is_empty()) {
            let mark: u32 = mark.trim().parse().map_err(|_| format!("{text:?}: a mark is a number"))?;
            return Ok(Self::Named(format!("fwmark {mark}")));
        }
        text.parse().map(Self::Place)
    }
}

/// All that a connection must be; of each kind one is enough.
#[derive(Debug, Default)]
pub(super) struct Filter {
    pub(super) services: Vec<Service>,
    pub(super) servers: Vec<Place>,
    pub(super) clients: Vec<Place>,
    pub(super) states: Vec<String>,
    pub(super) protocols: Vec<String>,
}

impl Filter {
    /// Whether a connection, and the service it belongs to, are wanted.
    pub(super) fn wants(&self, entry: &Entry<'_>, service: Option<&str>) -> bool {
        let places = |places: &[Place], place| places.is_empty() || places.iter().any(|one| one.holds(place));
        let words = |words: &[String], word: &str| {
            words.is_empty() || words.iter().any(|one| one.eq_ignore_ascii_case(word))
        };
        words(&self.protocols, entry.protocol)
            && words(&self.states, entry.state)
            && places(&self.clients, entry.client)
            && places(&self.servers, entry.server)
            && (self.services.is_empty() || self.services.iter().any(|one| of(one, entry, service)))
    }
}

fn of(wanted: &Service, entry: &Entry<'_>, service: Option<&str>) -> bool {
    match wanted {
        Service::Place(place) => place.holds(entry.to),
        Service::Named(name) => service == Some(name) || entry.target().to_string() == *name,
    }
}

#[cfg(test)]
mod tests {
    use super::super::entry::{Line, line};
    use super::*;

    #[test]
    fn places_are_read_and_held() {
        for (text, held, not) in [
            ("10.0.0.1", "10.0.0.1:5", "10.0.0.2:5"),
            ("10.0.0.1:80", "10.0.0.1:80", "10.0.0.1:81"),
            ("10.0.0.0/8", "10.255.0.1:80", "11.0.0.1:80"),
            ("0.0.0.0/0", "10.255.0.1:80", "[::1]:80"),
            (":80", "[2001:db8::1]:80", "10.0.0.1:81"),
            ("2001:db8::1", "[2001:db8::1]:80", "[2001:db8::2]:80"),
            ("[2001:db8::1]", "[2001:db8::1]:80", "[2001:db8::2]:80"),
            ("[2001:db8::1]:443", "[2001:db8::1]:443", "[2001:db8::1]:80"),
            ("2001:db8::/32", "[2001:db8:f::1]:1", "[2001:db9::1]:1"),
        ] {
            let place: Place = text.parse().unwrap();
            assert!(place.holds(held.parse().unwrap()), "{text} {held}");
            assert!(!place.holds(not.parse().unwrap()), "{text} {not}");
        }
        for wrong in ["", "web", "10.0.0.1/33", "10.0.0.1:x", "10.0.0.1:80/8", "::/129", ":x"] {
            assert!(wrong.parse::<Place>().is_err(), "{wrong}");
        }
        assert_eq!("fwmark 10".parse(), Ok(Service::Named("fwmark 10".to_owned())));
        assert_eq!("fwmark ten".parse::<Service>(), Err("\"fwmark ten\": a mark is a number".to_owned()));
    }

    #[test]
    fn of_each_kind_one_must_be_met() {
        let text = "TCP 0A000015 B2C6 C0000264 0050 0A000016 1F90 ESTABLISHED     899";
        let Line::Entry(entry) = line(text) else { panic!() };
        let filter = |change: fn(&mut Filter)| {
            let mut filter = Filter::default();
            change(&mut filter);
            filter.wants(&entry, Some("fwmark 7"))
        };
        assert!(filter(|_| {}));
        assert!(filter(|f| f.protocols = vec!["udp".into(), "tcp".into()]));
        assert!(!filter(|f| f.protocols = vec!["udp".into()]));
        assert!(filter(|f| f.states = vec!["established".into()]));
        assert!(!filter(|f| f.states = vec!["fin_wait".into()]));
        assert!(filter(|f| f.clients = vec!["10.0.0.21".parse().unwrap()]));
        assert!(!filter(|f| f.clients = vec!["10.0.0.22".parse().unwrap()]));
        assert!(filter(|f| f.servers = vec![":8080".parse().unwrap()]));
        assert!(!filter(|f| f.servers = vec![":80".parse().unwrap()]));
        assert!(filter(|f| f.services = vec!["192.0.2.100:80".parse().unwrap()]));
        assert!(!filter(|f| f.services = vec!["192.0.2.101".parse().unwrap()]));
        assert!(filter(|f| f.services = vec!["fwmark 7".parse().unwrap()]));
        assert!(!filter(|f| f.services = vec!["fwmark 8".parse().unwrap()]));
    }
}
