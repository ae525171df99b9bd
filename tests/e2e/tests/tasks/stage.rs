//! The site of the pages: two directors, two web servers, a client; all of it made anew for every page.

use std::collections::BTreeMap;
use std::time::Duration;

use lab::{Error, Holdfast, HttpServer, Lan, Netns, Process, Program, Result, TempDir, wait};

use crate::page::{Block, Command, shows};

/// How long what a page shows may take to become true.
const LIMIT: Duration = Duration::from_secs(60);

/// A host, with a folder where its commands are run.
struct Host {
    netns: Netns,
    folder: TempDir,
    daemon: Option<Holdfast>,
    config: Option<String>,
    background: Vec<Process>,
}

/// All hosts.
pub struct Stage {
    hosts: BTreeMap<&'static str, Host>,
    _webs: Vec<HttpServer>,
    _lan: Lan,
}

const HOSTS: [(&str, &str); 5] = [
    ("lb-1", "192.0.2.11/24"),
    ("lb-2", "192.0.2.12/24"),
    ("web1", "192.0.2.21/24"),
    ("web2", "192.0.2.22/24"),
    ("client", "192.0.2.30/24"),
];

impl Stage {
    pub fn new() -> Result<Self> {
        let lan = Lan::new()?;
        let mut hosts = BTreeMap::new();
        for (name, address) in HOSTS {
            let netns = lan.host(name, &[address])?;
            for (path, value) in
                [("all/rp_filter", "0"), ("default/rp_filter", "0"), ("eth0/send_redirects", "0")]
            {
                netns.sysctl(&format!("net/ipv4/conf/{path}"), value)?;
            }
            let host =
                Host { netns, folder: TempDir::new()?, daemon: None, config: None, background: Vec::new() };
            hosts.insert(name, host);
        }
        let mut webs = Vec::new();
        // The directors have a web server of their own, too.
        for name in ["web1", "web2", "lb-1", "lb-2"] {
            let host = hosts.get(name).ok_or("a host")?;
            webs.push(HttpServer::start(&host.netns, "0.0.0.0:80", &format!("{name}\n"))?);
        }
        Ok(Self { hosts, _webs: webs, _lan: lan })
    }

    fn host(&mut self, name: &str) -> Result<&mut Host> {
        self.hosts.get_mut(name).ok_or_else(|| Error::new(format!("no host is called {name}")))
    }

    /// Does what a block shows.
    pub fn perform(&mut self, block: &Block) -> Result {
        match block {
            Block::Idle(_) => Ok(()),
            Block::Keepalived(text) => self.host("lb-1")?.folder.write("keepalived.conf", text).map(drop),
            Block::Config { hosts, text } => {
                check(text)?;
                for (name, change) in hosts {
                    let text = match change {
                        None => text.clone(),
                        Some((key, value)) => with(text, key, value)?,
                    };
                    check(&text)?;
                    let host = self.host(name)?;
                    if let Some(daemon) = &host.daemon {
                        daemon.write_config(&text)?;
                    }
                    host.config = Some(text);
                }
                Ok(())
            }
            Block::Console(commands) => {
                for host in self.hosts.values_mut() {
                    if let (None, Some(config)) = (&host.daemon, &host.config) {
                        host.daemon = Some(Holdfast::start(&host.netns, config)?);
                    }
                }
                commands.iter().try_for_each(|command| self.run(command))
            }
        }
    }

    fn run(&mut self, command: &Command) -> Result {
        let host = self.host(&command.host)?;
        let bin = host.folder.path().join("bin");
        let program = lab::program(Program::Holdfast)?;
        let options = host.daemon.as_ref().map_or(String::new(), |daemon| {
            let folder = daemon.folder().path();
            format!("--run-dir {}/run --config {}/holdfast.toml", folder.display(), folder.display())
        });
        let wrapper = format!("#!/bin/sh\nexec {} \"$@\" {options}\n", program.display());
        host.folder.write("bin/holdfast", &wrapper)?;
        lab::run(&["chmod", "755", &bin.join("holdfast").to_string_lossy()])?;
        let shell =
            format!("cd {}; PATH={}:$PATH; {}", host.folder.path().display(), bin.display(), command.line);
        if let Some(line) = shell.strip_suffix(" &") {
            let log = host.folder.path().join("background.log");
            let exec = line.replacen(
                &command.line.replace(" &", ""),
                &format!("exec {}", command.line.replace(" &", "")),
                1,
            );
            host.background.push(Process::start(&host.netns, &["sh", "-c", &exec], &log)?);
            return Ok(());
        }
        let mut last = String::new();
        let done = wait::until("what the page shows", LIMIT, || {
            let done = host.netns.output(&["sh", "-c", &shell])?;
            last = format!("{}{}", done.stdout, done.stderr);
            // What prints nothing on the page is done once, and must succeed.
            if command.prints.is_empty() && done.code != Some(0) {
                return Err(Error::new(format!("exit code {:?}", done.code)));
            }
            Ok(shows(&last, &command.prints))
        });
        done.map_err(|error| {
            let log = host.daemon.as_ref().map(|daemon| daemon.log().tail(20)).unwrap_or_default();
            Error::new(format!(
                "{}# {}\n{error}; wanted\n{}\nit printed\n{last}\nlog:\n{log}",
                command.host,
                command.line,
                command.prints.join("\n")
            ))
        })
    }
}

/// `holdfast check` has nothing to say against it.
pub fn check(text: &str) -> Result {
    let folder = TempDir::new()?;
    let file = folder.write("holdfast.toml", text)?;
    let program = lab::program(Program::Holdfast)?;
    let done = lab::output(&[program.as_os_str(), "check".as_ref(), file.as_os_str()])?;
    if done.code == Some(0) {
        Ok(())
    } else {
        Err(Error::new(format!("{}{}\n{text}", done.stdout, done.stderr)))
    }
}

/// The same text where a key has another value: the same file on the other machine.
fn with(text: &str, key: &str, value: &str) -> Result<String> {
    let start = format!("{key} = ");
    let line = text.lines().find(|line| line.starts_with(&start));
    let line = line.ok_or_else(|| Error::new(format!("no line says {key}")))?;
    Ok(text.replacen(line, &format!("{start}{value}"), 1))
}
