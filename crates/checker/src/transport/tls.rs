//! TLS: sessions as bytes in and bytes out, and the configurations they share.
//!
//! A configuration is made once for each set of settings and remembers the servers' session tickets, so that the next
//! attempt resumes. Legacy servers (TLS 1.1 and older, static RSA, CBC only) are not reached: rustls has none of that.

use std::collections::BTreeMap;
use std::io::{self, Read, Write};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use common::event_loop::clock;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::version::{TLS12, TLS13};
use rustls::{ClientConfig, ClientConnection, DigitallySignedStruct, RootCertStore, SignatureScheme};

use super::socket::Fault;
use crate::checks::{Tls, Verify, certificate};

/// The configurations in use.
#[derive(Debug, Default)]
pub(super) struct Configurations {
    known: BTreeMap<Tls, Arc<ClientConfig>>,
}

impl Configurations {
    pub(super) fn session(&mut self, tls: &Tls, target: Option<SocketAddr>) -> Result<Session, Fault> {
        let name = match (&tls.server_name, target) {
            (Some(name), _) => ServerName::try_from(name.clone()).ok(),
            (None, Some(target)) => Some(ServerName::from(target.ip())),
            (None, None) => None,
        };
        let name = name.ok_or_else(|| Fault::Local("not a server name".into()))?;
        let config = match self.known.get(tls) {
            Some(config) => Arc::clone(config),
            None => {
                let config = Arc::new(configure(tls).map_err(|why| Fault::Local(why.into()))?);
                self.known.insert(tls.clone(), Arc::clone(&config));
                config
            }
        };
        let connection = ClientConnection::new(config, name);
        let connection = connection.map_err(|error| Fault::Local(format!("TLS: {error}").into()))?;
        let warn_before = tls.warn_before;
        Ok(Session { connection: Box::new(connection), secured: false, closed: false, warn_before })
    }
}

fn configure(tls: &Tls) -> Result<ClientConfig, String> {
    let provider = Arc::new(ring::default_provider());
    let versions: &[_] = if tls.only_1_3 { &[&TLS13] } else { &[&TLS13, &TLS12] };
    let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_protocol_versions(versions)
        .map_err(|error| format!("TLS: {error}"))?;
    let builder = match &tls.verify {
        Verify::Nothing => {
            builder.dangerous().with_custom_certificate_verifier(Arc::new(Anything { provider }))
        }
        Verify::Authority(path) => builder.with_root_certificates(authorities(path)?),
    };
    let Some((certificates, key)) = &tls.identity else { return Ok(builder.with_no_client_auth()) };
    let chain: Result<Vec<_>, _> =
        CertificateDer::pem_file_iter(certificates).and_then(|certificates| certificates.collect());
    let chain = chain.map_err(|error| format!("{certificates}: {error}"))?;
    let key = PrivateKeyDer::from_pem_file(key).map_err(|error| format!("{key}: {error}"))?;
    builder.with_client_auth_cert(chain, key).map_err(|error| format!("{certificates}: {error}"))
}

fn authorities(path: &str) -> Result<RootCertStore, String> {
    let mut roots = RootCertStore::empty();
    let certificates = CertificateDer::pem_file_iter(path).map_err(|error| format!("{path}: {error}"))?;
    for certificate in certificates {
        let certificate = certificate.map_err(|error| format!("{path}: {error}"))?;
        roots.add(certificate).map_err(|error| format!("{path}: {error}"))?;
    }
    if roots.is_empty() { Err(format!("{path}: no certificate in it")) } else { Ok(roots) }
}

/// A TLS session without a socket.
#[derive(Debug)]
pub(super) struct Session {
    connection: Box<ClientConnection>,
    secured: bool,
    closed: bool,
    warn_before: Duration,
}

/// What was seen of a server's certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seen {
    /// For how many seconds more it is good; below 0 it is not any more.
    pub left: i64,
    /// Whether that is less than the check asks for.
    pub short: bool,
}

impl Session {
    /// Takes bytes to be sent once they are encrypted.
    pub(super) fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.connection.writer().write_all(bytes)
    }

    /// Appends what is to go over the wire.
    pub(super) fn drain(&mut self, wire: &mut Vec<u8>) -> io::Result<()> {
        while self.connection.wants_write() {
            self.connection.write_tls(wire)?;
        }
        Ok(())
    }

    /// Takes the first `count` bytes of the buffer from the wire and puts what they say in their place. The flag: the
    /// handshake has just become complete.
    pub(super) fn read(&mut self, buffer: &mut [u8], count: usize) -> io::Result<(bool, usize)> {
        let cipher = buffer.get(..count).unwrap_or_default().to_vec();
        let mut cipher = &cipher[..];
        let mut plain = Vec::new();
        while !cipher.is_empty() {
            self.connection.read_tls(&mut cipher)?;
            let state =
                self.connection.process_new_packets().map_err(|error| io::Error::other(words(&error)))?;
            self.closed |= state.peer_has_closed();
            // An answer of many records is passed on in parts of what fits; a check looks at a bounded part anyway.
            let waiting = state.plaintext_bytes_to_read();
            let from = plain.len();
            plain.resize(from + waiting, 0);
            if let Some(place) = plain.get_mut(from..) {
                self.connection.reader().read_exact(place)?;
            }
        }
        let secured = !self.secured && !self.connection.is_handshaking();
        self.secured |= secured;
        let fits = plain.len().min(buffer.len());
        if let (Some(place), Some(part)) = (buffer.get_mut(..fits), plain.get(..fits)) {
            place.copy_from_slice(part);
        }
        Ok((secured, fits))
    }

    /// The server's certificate, also where the session was resumed.
    pub(super) fn certificate(&self) -> Option<Seen> {
        let expires = certificate::expires(self.connection.peer_certificates()?.first()?)?;
        let now = clock::wall().duration_since(SystemTime::UNIX_EPOCH).ok()?;
        let left = expires.saturating_sub_unsigned(now.as_secs());
        let warn = i64::try_from(self.warn_before.as_secs()).unwrap_or(i64::MAX);
        Some(Seen { left, short: warn > 0 && left < warn })
    }

    pub(super) fn is_closed(&self) -> bool {
        self.closed
    }
}

/// An error of TLS in words for an operator.
fn words(error: &rustls::Error) -> String {
    #[expect(clippy::wildcard_enum_match_arm, reason = "the other errors speak for themselves")]
    match error {
        rustls::Error::InvalidMessage(_) => "answer is not TLS".to_owned(),
        rustls::Error::AlertReceived(alert) => format!("TLS alert {alert:?}"),
        other => format!("TLS: {other}"),
    }
}

/// Takes any certificate: a check asks whether the server works, not who it is.
#[derive(Debug)]
struct Anything {
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for Anything {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}
