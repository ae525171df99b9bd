//! Every kind of check against a real server of its protocol, as Debian packages it.
//!
//! The pattern is the same everywhere: the server runs in a host of its own, Holdfast checks it, the status says that it
//! lives and why; then the server is killed (or made sick), and the status says so and why.

mod databases;
mod dial;
mod dns;
mod hostile;
mod mail;
mod network;
mod programs;
mod web;

use std::time::Duration;

use lab::{Error, Holdfast, Netns, Process, Result, TempDir, wait};
use serde_json::Value;

const LIMIT: Duration = Duration::from_secs(30);

/// A host with a server in it and Holdfast that checks it.
struct Bench {
    host: Netns,
    folder: TempDir,
}

impl Bench {
    fn new(label: &str) -> Result<Self> {
        lab::require_privileges()?;
        Ok(Self { host: Netns::new(label)?, folder: TempDir::new()? })
    }

    fn path(&self, name: &str) -> String {
        self.folder.path().join(name).to_string_lossy().into_owned()
    }

    fn write(&self, name: &str, text: &str) -> Result<String> {
        Ok(self.folder.write(name, text)?.to_string_lossy().into_owned())
    }

    fn server(&self, argv: &[&str]) -> Result<Process> {
        Process::start(&self.host, argv, &self.folder.path().join("server.log"))
    }

    /// A certificate for "server.example" and its key, as PEM files.
    fn certificate(&self) -> Result<(String, String)> {
        let extensions = ["subjectAltName=DNS:server.example", "basicConstraints=critical,CA:FALSE"];
        lab::self_signed(&self.folder, "/CN=server.example", &extensions)
    }

    /// Starts Holdfast with one check of `address`; nothing is up before its first success, unless the check says so.
    fn checked(&self, address: &str, check: &str) -> Result<Watched> {
        let initial = if check.contains("initial = ") { "" } else { "initial = \"down\", " };
        let config = format!(
            "[checker]\nipvs = false\n\n[[virtual_server]]\naddress = \"192.0.2.100:80\"\nprotocol = \"tcp\"\n\
             real_servers = [\"{address}\"]\n\
             check = {{ interval = \"200ms\", timeout = \"2s\", retries = 0, warm_up = 0, {initial}{check} }}\n"
        );
        Ok(Watched { holdfast: Holdfast::start(&self.host, &config)? })
    }
}

/// A server under watch.
struct Watched {
    holdfast: Holdfast,
}

impl Watched {
    fn server(&self) -> Result<Value> {
        let status = self.holdfast.status()?;
        let server = status.pointer("/checker/virtual_servers/0/real_servers/0");
        server.cloned().ok_or_else(|| Error::new(format!("no real server in {status}")))
    }

    /// Waits until the server is alive or dead and its last result says so in these words.
    #[track_caller]
    fn wait(&self, alive: bool, words: &str) -> Result {
        let mut last = Value::Null;
        let what = format!("the server to be {}: {words:?}", if alive { "alive" } else { "dead" });
        let seen = wait::until(&what, LIMIT, || {
            last = self.server()?;
            let result = last.pointer("/checks/0/last_result").and_then(Value::as_str).unwrap_or_default();
            Ok(last.pointer("/alive") == Some(&Value::Bool(alive)) && result.contains(words))
        });
        seen.map_err(|error| {
            Error::new(format!("{error}; last: {last}; log:\n{}", self.holdfast.log().tail(20)))
        })
    }

    #[track_caller]
    fn alive(&self, words: &str) -> Result {
        self.wait(true, words)
    }

    #[track_caller]
    fn dead(&self, words: &str) -> Result {
        self.wait(false, words)
    }
}
