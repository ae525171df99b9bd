//! One conversation with the mail server: everything that is due, over one connection.

use std::net::IpAddr;

use common::alerts::Encryption;
use common::alerts::job::{Job, Parcel, Report};
use lettre::Address;
use lettre::transport::smtp::authentication::{Credentials, Mechanism};
use lettre::transport::smtp::client::{
    Certificate, CertificateStore, SmtpConnection, TlsParameters, TlsParametersBuilder,
};
use lettre::transport::smtp::commands::{Data, Mail, Rcpt, Rset};
use lettre::transport::smtp::extension::{ClientId, Extension, MailBodyParameter, MailParameter};

use crate::letter;

/// What root alone could read.
#[derive(Debug, Default)]
pub(crate) struct Secrets {
    /// The authorities, as PEM; those of the system without.
    pub(crate) authorities: Option<Vec<u8>>,
    /// The password of the login.
    pub(crate) password: String,
}

/// Delivers what can be delivered; `tell` hears of each mail.
///
/// # Errors
/// Why the server is of no use; what was not told of was not tried.
pub(crate) fn deliver(
    job: &Job,
    secrets: Secrets,
    tell: &mut impl FnMut(Report) -> Result<(), String>,
) -> Result<(), String> {
    let from: Address = job.from.parse().map_err(|error| format!("the sender {}: {error}", job.from))?;
    let mut connection = connect(job, secrets)?;
    tell(Report::Connected)?;
    for parcel in &job.letters {
        let report = one(&mut connection, parcel, &from, job)?;
        tell(report)?;
    }
    // It has all of them: how it says goodbye is its affair.
    let _said = connection.quit();
    Ok(())
}

fn connect(job: &Job, secrets: Secrets) -> Result<SmtpConnection, String> {
    let name = client_id(&job.helo);
    let timeout = Some(job.timeout);
    let tls = match job.encryption {
        Encryption::None => None,
        Encryption::StartTls | Encryption::Tls => Some(parameters(job, secrets.authorities.as_deref())?),
    };
    let at_once = tls.as_ref().filter(|_| job.encryption == Encryption::Tls);
    let mut connection =
        SmtpConnection::connect((job.host.as_str(), job.port), timeout, &name, at_once, None)
            .map_err(|error| format!("connecting: {error}"))?;
    if let Some(tls) = tls.as_ref().filter(|_| job.encryption == Encryption::StartTls) {
        connection.starttls(tls, &name).map_err(|error| format!("STARTTLS: {error}"))?;
    }
    if let Some((user, _)) = &job.login {
        let credentials = Credentials::new(user.clone(), secrets.password);
        connection
            .auth(&[Mechanism::Plain, Mechanism::Login], &credentials)
            .map_err(|error| format!("logging in as {user}: {error}"))?;
    }
    Ok(connection)
}

fn client_id(helo: &str) -> ClientId {
    match helo.parse() {
        Ok(IpAddr::V4(address)) => ClientId::Ipv4(address),
        Ok(IpAddr::V6(address)) => ClientId::Ipv6(address),
        Err(_) => ClientId::Domain(helo.to_owned()),
    }
}

fn parameters(job: &Job, authorities: Option<&[u8]>) -> Result<TlsParameters, String> {
    let fault = |error: lettre::transport::smtp::Error| format!("TLS: {error}");
    let mut builder = TlsParametersBuilder::new(job.host.clone());
    if let Some(authorities) = authorities {
        let authorities = Certificate::from_pem(authorities).map_err(fault)?;
        builder = builder.certificate_store(CertificateStore::None).add_root_certificate(authorities);
    }
    builder.build().map_err(fault)
}

/// One mail, in one transaction: whom the server refuses does not keep it from the others.
///
/// # Errors
/// The connection is of no use any more.
fn one(
    connection: &mut SmtpConnection,
    parcel: &Parcel,
    from: &Address,
    job: &Job,
) -> Result<Report, String> {
    let told = |delivered: Vec<String>, error: Option<String>| {
        Ok(Report::Letter { id: parcel.id.clone(), delivered, error })
    };
    let message = match letter::text(parcel, from, &job.helo, &parcel.to) {
        Ok(message) => message,
        Err(error) => return told(Vec::new(), Some(error)),
    };
    let mut options = Vec::new();
    if connection.server_info().supports_feature(Extension::EightBitMime) {
        options.push(MailParameter::Body(MailBodyParameter::EightBitMime));
    }
    if let Some(error) = refused(connection.command(Mail::new(Some(from.clone()), options)), "the sender")? {
        reset(connection)?;
        return told(Vec::new(), Some(error));
    }
    let (mut taken, mut error) = (Vec::new(), None);
    for to in &parcel.to {
        let no = match to.parse::<Address>() {
            Ok(address) => refused(connection.command(Rcpt::new(address, Vec::new())), to)?,
            Err(fault) => Some(format!("{to}: {fault}")),
        };
        match no {
            None => taken.push(to.clone()),
            Some(no) => error = error.or(Some(no)),
        }
    }
    if taken.is_empty() {
        reset(connection)?;
        return told(taken, error);
    }
    if let Some(no) = refused(connection.command(Data), "the mail")? {
        reset(connection)?;
        return told(Vec::new(), Some(no));
    }
    match refused(connection.message(&message), "the mail")? {
        Some(no) => told(Vec::new(), Some(no)),
        None => told(taken, error),
    }
}

type Answer<T> = Result<T, lettre::transport::smtp::Error>;

/// What the server has against it, if it says so; that it cannot be understood any more is an error.
fn refused<T>(answer: Answer<T>, what: &str) -> Result<Option<String>, String> {
    match answer {
        Ok(_) => Ok(None),
        // RFC 5321, 3.8: with 421 it closes the connection.
        Err(error) if error.status().is_some_and(|code| code.to_string() != "421") => {
            Ok(Some(format!("{what}: {error}")))
        }
        Err(error) => Err(format!("{what}: {error}")),
    }
}

fn reset(connection: &mut SmtpConnection) -> Result<(), String> {
    connection.command(Rset).map(drop).map_err(|error| format!("RSET: {error}"))
}
