//! `type = "https"`: as `http`, over TLS.

use std::net::SocketAddr;
use std::time::Duration;

use common::config::{Diagnostics, Table};

use super::http::{self, HttpProbe};
use super::{CheckKind, Defaults, Probe, Tls, Verify};

const DAY: Duration = Duration::from_secs(24 * 3600);
const TWO_WEEKS: Duration = DAY.saturating_mul(14);
const YEAR: Duration = DAY.saturating_mul(366);

/// The keys of this kind: those of `http`, and how TLS is spoken.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Settings {
    /// What is asked for and expected.
    pub http: http::Settings,
    /// `server_name`: the name in SNI, default `host`. `ca_file`: verify the certificate against these authorities.
    /// `min_version`: `"1.2"` (default) or `"1.3"`. `client_certificate`, `client_key`: what this side shows.
    /// `certificate_warning`: how long before it expires the server's certificate is warned of.
    pub tls: Tls,
}

impl CheckKind for Settings {
    const NAME: &'static str = "https";
    const DEFAULTS: Defaults = <http::Settings as CheckKind>::DEFAULTS;

    fn read(table: &mut Table<'_>, d: &mut Diagnostics) -> Option<Self> {
        let server_name = table.optional::<String>("server_name", d);
        if let Some(name) = &server_name
            && rustls::pki_types::ServerName::try_from(name.value.as_str()).is_err()
        {
            d.error(name.span, "`server_name` is neither a host name nor an address");
        }
        let authority = file(table, "ca_file", d);
        let certificate = file(table, "client_certificate", d);
        let key = file(table, "client_key", d);
        if certificate.is_some() != key.is_some()
            && let Some(span) = table.key_span("client_certificate").or(table.key_span("client_key"))
        {
            d.error(span, "`client_certificate` and `client_key` come together");
        }
        let versions = [("1.2", false), ("1.3", true)];
        let only_1_3 = table.choice("min_version", &versions, d).is_some_and(|version| version.value);
        let http = http::Settings::read_from(table, d)?;
        let host = http.urls.first().and_then(|url| url.host.as_deref());
        // Without the port that a Host header may have.
        let host = host.map(|host| host.rsplit_once(':').map_or(host, |(name, _)| name).to_owned());
        let host = host.filter(|host| rustls::pki_types::ServerName::try_from(host.as_str()).is_ok());
        let tls = Tls {
            server_name: server_name.map(|name| name.value).or(host),
            verify: authority.map_or(Verify::Nothing, Verify::Authority),
            only_1_3,
            identity: certificate.zip(key),
            warn_before: table.within_or("certificate_warning", &(Duration::ZERO..=YEAR), TWO_WEEKS, d),
        };
        Some(Self { http, tls })
    }

    fn probe(&self, target: SocketAddr) -> Box<dyn Probe> {
        Box::new(HttpProbe::new(&self.http, target, Some(self.tls.clone())))
    }
}

fn file(table: &mut Table<'_>, key: &'static str, d: &mut Diagnostics) -> Option<String> {
    let path = table.optional::<String>(key, d)?;
    if !path.value.starts_with('/') {
        d.error(path.span, format!("`{key}` is not an absolute path"));
    }
    Some(path.value)
}
