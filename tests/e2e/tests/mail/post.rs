//! A machine with a mail server, and what it has taken.

use std::path::{Path, PathBuf};

use lab::{Lan, Netns, Process, Result, TempDir, wait};
use serde_json::Value;

use super::LONG;

/// Where it listens, unless it says otherwise.
pub(crate) const SERVER: &str = "192.168.152.25";
const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/mail/postman.py");

/// How a server is reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Encryption {
    None,
    StartTls,
    Tls,
}

/// A mail that a server has taken.
#[derive(Clone, Debug)]
pub(crate) struct Mail {
    pub(crate) from: String,
    pub(crate) to: Vec<String>,
    pub(crate) helo: String,
    pub(crate) encrypted: bool,
    pub(crate) user: Option<String>,
    pub(crate) subject: String,
    pub(crate) text: String,
}

/// The machine, with a server or without.
pub(crate) struct Post {
    pub(crate) host: Netns,
    folder: TempDir,
    server: Option<Process>,
}

impl Post {
    /// A machine without a server yet.
    pub(crate) fn new(lan: &Lan) -> Result<Self> {
        let host = lan.host("post", &[&format!("{SERVER}/24")])?;
        let folder = TempDir::new()?;
        folder.write("mode", "accept")?;
        Ok(Self { host, folder, server: None })
    }

    /// One with a server that takes everything, in the clear.
    pub(crate) fn open(lan: &Lan) -> Result<Self> {
        let mut post = Self::new(lan)?;
        post.listen(Encryption::None, &[])?;
        Ok(post)
    }

    /// Starts the server. `login` is nobody's, or a name and a password.
    pub(crate) fn listen(&mut self, encryption: Encryption, login: &[&str]) -> Result {
        let folder = self.folder.path().display().to_string();
        let (certificate, key) = (format!("{folder}/server.pem"), format!("{folder}/server.key"));
        // The interpreter of the system: it has the library.
        let mut argv = vec!["/usr/bin/python3", SCRIPT, &folder, SERVER, "25"];
        argv.push(match encryption {
            Encryption::None => "none",
            Encryption::StartTls => "starttls",
            Encryption::Tls => "tls",
        });
        if encryption != Encryption::None || !login.is_empty() {
            argv.extend([&*certificate, &*key]);
            argv.extend(login);
        }
        let log = self.folder.path().join("log");
        let _first = std::fs::remove_file(&log);
        let server = Process::start(&self.host, &argv, &log)?;
        server.log().wait("listening", LONG)?;
        self.server = Some(server);
        Ok(())
    }

    /// Makes an authority and, signed by it, the server's certificate; returns the authority's file.
    pub(crate) fn certify(&self) -> Result<PathBuf> {
        let path = |name: &str| self.folder.path().join(name).display().to_string();
        let curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"];
        let authority = [path("ca.key"), path("ca.pem")];
        let mut argv = vec!["openssl", "req", "-x509", "-days", "30", "-subj", "/CN=authority of the test"];
        argv.extend(curve);
        argv.extend(["-keyout", &authority[0], "-out", &authority[1]]);
        lab::run(&argv)?;
        let server = [path("server.key"), path("server.csr"), path("server.pem"), path("extensions")];
        std::fs::write(&server[3], format!("subjectAltName = IP:{SERVER}\nbasicConstraints = CA:FALSE\n"))?;
        let mut argv = vec!["openssl", "req", "-new", "-subj", "/CN=mail.example.org"];
        argv.extend(curve);
        argv.extend(["-keyout", &server[0], "-out", &server[1]]);
        lab::run(&argv)?;
        lab::run(&[
            "openssl",
            "x509",
            "-req",
            "-days",
            "30",
            "-in",
            &server[1],
            "-CA",
            &authority[1],
            "-CAkey",
            &authority[0],
            "-CAcreateserial",
            "-extfile",
            &server[3],
            "-out",
            &server[2],
        ])?;
        Ok(authority[1].clone().into())
    }

    /// From now on the server behaves so.
    pub(crate) fn behave(&self, mode: &str) -> Result {
        // Renamed: a session reads all of it or all of what was before.
        let new = self.folder.write("mode.new", mode)?;
        Ok(std::fs::rename(new, self.folder.path().join("mode"))?)
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// What the server has taken so far.
    pub(crate) fn mails(&self) -> Result<Vec<Mail>> {
        let mut mails = Vec::new();
        for number in 0.. {
            let path = self.folder.path().join(format!("{number}.json"));
            if !path.exists() {
                break;
            }
            mails.push(mail(&path)?);
        }
        Ok(mails)
    }

    pub(crate) fn subjects(&self) -> Result<Vec<String>> {
        Ok(self.mails()?.into_iter().map(|mail| mail.subject).collect())
    }

    /// Waits for a mail with this in its subject.
    #[track_caller]
    pub(crate) fn wait(&self, subject: &str) -> Result<Mail> {
        let found = wait::value(&format!("a mail about {subject:?}"), LONG, || {
            Ok(self.mails()?.into_iter().find(|mail| mail.subject.contains(subject)))
        });
        found.map_err(|error| lab::Error::new(format!("{error}; there are {:?}", self.subjects())))
    }
}

fn mail(path: &Path) -> Result<Mail> {
    let mail: Value = serde_json::from_str(&std::fs::read_to_string(path)?)?;
    let text = mail["text"].as_str().unwrap_or_default().replace("\r\n", "\n");
    // A long line is folded: what follows it begins with white space.
    let unfolded = text.replace("\n ", " ");
    let subject = unfolded.lines().find_map(|line| line.strip_prefix("Subject: ")).unwrap_or_default();
    let of = |key: &str| mail[key].as_str().unwrap_or_default().to_owned();
    Ok(Mail {
        from: of("from"),
        to: mail["to"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(|to| to.as_str().map(str::to_owned))
            .collect(),
        helo: of("helo"),
        encrypted: mail["encrypted"].as_bool().unwrap_or_default(),
        user: mail["user"].as_str().map(str::to_owned),
        subject: subject.to_owned(),
        text,
    })
}
