//! `holdfast digest`: asks a server as an http check would, and prints the digest that the check is to expect.

mod ask;
mod url;

use std::net::{IpAddr, SocketAddr, ToSocketAddrs as _};
use std::time::Duration;

use checker::checks::http::{Answer, MAX_BODY, Settings, StatusSet, Version};
use common::exit::Exit;

use crate::output::Output;
use url::Url;

/// What is asked, and how.
#[derive(Debug, clap::Args)]
pub(crate) struct Digest {
    /// What is asked for: http://HOST:PORT/PATH or https://…
    #[arg(value_name = "URL")]
    url: String,
    /// Connect to this ADDRESS or ADDRESS:PORT instead of the URL's host
    #[arg(short, long, value_name = "ADDRESS")]
    server: Option<String>,
    /// The virtual host to ask for, instead of the URL's
    #[arg(short = 'V', long, value_name = "NAME")]
    virtual_host: Option<String>,
    /// Ask with HTTP/1.0
    #[arg(long)]
    http_1_0: bool,
    /// Seconds to wait for the whole answer
    #[arg(long, value_name = "SECONDS", default_value_t = 5)]
    timeout: u16,
}

/// Asks and prints.
pub(crate) fn run(how: &Digest, output: &mut Output) -> Exit {
    match digest(how) {
        Ok((url, answer)) => {
            let host = how.virtual_host.as_deref();
            output.print(&told(&url, host, how.http_1_0, &answer));
            if answer.length == 0 {
                output.complain("the body is empty: the digest is that of nothing\n");
            }
            Exit::Done
        }
        Err((exit, words)) => {
            output.complain(&format!("{words}\n"));
            exit
        }
    }
}

fn digest(how: &Digest) -> Result<(Url, Answer), (Exit, String)> {
    let url = Url::read(&how.url).map_err(|why| (Exit::Config, format!("{}: {why}", how.url)))?;
    let target = target(&url, how.server.as_deref())?;
    let asked = checker::checks::http::Url {
        path: url.path.clone(),
        host: how.virtual_host.clone().or_else(|| url.name()),
        version: if how.http_1_0 { Version::V1_0 } else { Version::V1_1 },
        ..ask::anything()
    };
    let name = asked.host.clone();
    let patience = Duration::from_secs(u64::from(how.timeout));
    let settings = Settings { urls: std::sync::Arc::new([asked]) };
    let answer = ask::ask(&settings, target, url.tls.then_some(name), patience);
    Ok((url, answer.map_err(|why| (Exit::Failed, format!("{target}: {why}")))?))
}

/// Where it is connected to.
fn target(url: &Url, server: Option<&str>) -> Result<SocketAddr, (Exit, String)> {
    let Some(server) = server else { return resolve(&url.host, url.port) };
    if let Ok(address) = server.parse::<SocketAddr>() {
        return Ok(address);
    }
    let bare = server.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(server);
    if bare.parse::<IpAddr>().is_ok() {
        return resolve(bare, url.port);
    }
    match server.rsplit_once(':').map(|(host, port)| (host, port.parse())) {
        Some((host, Ok(port))) => resolve(host, port),
        _ => resolve(server, url.port),
    }
}

fn resolve(host: &str, port: u16) -> Result<SocketAddr, (Exit, String)> {
    let found = (host, port).to_socket_addrs().map_err(|error| (Exit::Failed, format!("{host}: {error}")))?;
    found.into_iter().next().ok_or_else(|| (Exit::Failed, format!("{host} has no address")))
}

/// The digests, and the check that expects one of them.
fn told(url: &Url, host: Option<&str>, old: bool, answer: &Answer) -> String {
    let mut check = format!("type = \"{}\"", if url.tls { "https" } else { "http" });
    if url.path != "/" {
        check.push_str(&format!(", path = {}", quoted(&url.path)));
    }
    if let Some(host) = host.map(ToOwned::to_owned).or_else(|| url.name()) {
        check.push_str(&format!(", host = {}", quoted(&host)));
    }
    if old {
        check.push_str(", version = \"1.0\"");
    }
    if !StatusSet::default().contains(answer.status) {
        check.push_str(&format!(", status = {}", answer.status));
    }
    if answer.length > MAX_BODY {
        check.push_str(&format!(", max_body = {}", answer.length));
    }
    let Answer { md5, sha256, .. } = answer;
    let bare = |digest: String| digest.split_once(':').map(|(_, digits)| digits.to_owned()).unwrap_or(digest);
    format!(
        "status   {}, {} bytes\nMD5      {}\nSHA-256  {}\ncheck = {{ {check}, digest = \"{sha256}\" }}\n",
        answer.status,
        answer.length,
        bare(md5.to_string()),
        bare(sha256.to_string()),
    )
}

/// As a basic string of TOML; what is between is ASCII that can be seen.
fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

#[cfg(test)]
mod tests;
