//! Telling how the start-up ended: the process that waits at the operator's terminal, and systemd.
//!
//! The terminal's process reads one byte, the exit code, and then words, until the end of a pipe. systemd reads
//! datagrams of `KEY=value` lines (`sd_notify(3)`); we speak to it only if it has asked to be spoken to.

use std::env;
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::OwnedFd;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::time::Duration;

use crate::failure::Failure;
use common::exit::Exit;
use nix::time::{ClockId, clock_gettime};

/// Who is waiting for us to come up.
#[derive(Debug, Default)]
pub struct Announcer {
    pipe: Option<File>,
    systemd: Option<UnixDatagram>,
}

impl Announcer {
    /// With the pipe to the terminal's process, if there is one, and systemd, if it asks for us.
    #[must_use]
    pub fn new(pipe: Option<OwnedFd>) -> Self {
        let systemd = env::var("NOTIFY_SOCKET").ok().and_then(|name| match systemd(&name) {
            Ok(socket) => Some(socket),
            Err(error) => {
                log::warn!("systemd will not hear of us: cannot use NOTIFY_SOCKET={name}: {error}");
                None
            }
        });
        Self { pipe: pipe.map(File::from), systemd }
    }

    /// Nobody waits at the end of a pipe: our own standard error is the operator's terminal, or systemd's journal.
    pub(crate) fn is_foreground(&self) -> bool {
        self.pipe.is_none()
    }

    /// The start-up has ended well.
    pub(crate) fn ready(&mut self, status: &str) {
        self.tell_terminal(Exit::Done, "");
        self.tell_systemd(&format!("READY=1\nSTATUS={status}"));
    }

    /// The daemon ends before it has ever been ready.
    pub fn failed(&mut self, failure: &Failure) {
        self.tell_terminal(failure.exit, &failure.text);
        self.tell_systemd(&format!("STATUS={}", failure.text.lines().next().unwrap_or_default()));
    }

    /// A reload has begun; [`Announcer::reloaded`] follows.
    pub(crate) fn reloading(&mut self) {
        // systemd compares this with its own clock, to tell an old message from a new one.
        let now = clock_gettime(ClockId::CLOCK_MONOTONIC).map_or(Duration::ZERO, Duration::from);
        self.tell_systemd(&format!("RELOADING=1\nMONOTONIC_USEC={}", now.as_micros()));
    }

    /// A reload is over, one way or the other.
    pub(crate) fn reloaded(&mut self, status: &str) {
        self.tell_systemd(&format!("READY=1\nSTATUS={status}"));
    }

    /// The orderly stop has begun.
    pub(crate) fn stopping(&mut self) {
        self.tell_systemd("STOPPING=1\nSTATUS=stopping");
    }

    /// The watchdog's own loop is alive.
    pub(crate) fn alive(&mut self) {
        self.tell_systemd("WATCHDOG=1");
    }

    /// How often systemd wants to hear that we are alive: half of what it would put up with.
    pub(crate) fn alive_interval(&self) -> Option<Duration> {
        let ours = env::var("WATCHDOG_PID").ok().is_none_or(|pid| pid == std::process::id().to_string());
        let limit: u64 = env::var("WATCHDOG_USEC").ok()?.parse().ok()?;
        (ours && self.systemd.is_some() && limit > 0).then(|| Duration::from_micros(limit / 2))
    }

    fn tell_terminal(&mut self, exit: Exit, text: &str) {
        if let Some(mut pipe) = self.pipe.take() {
            let told = pipe.write_all(&[exit.code()]).and_then(|()| pipe.write_all(text.as_bytes()));
            if let Err(error) = told {
                log::debug!("nobody waits for us at the terminal any more: {error}");
            }
        }
    }

    fn tell_systemd(&mut self, message: &str) {
        if let Some(socket) = &self.systemd
            && let Err(error) = socket.send(message.as_bytes())
        {
            log::debug!("systemd does not listen: {error}");
        }
    }
}

fn systemd(name: &str) -> io::Result<UnixDatagram> {
    let address = match name.strip_prefix('@') {
        Some(name) => SocketAddr::from_abstract_name(name)?,
        None => SocketAddr::from_pathname(name)?,
    };
    let socket = UnixDatagram::unbound()?;
    socket.set_nonblocking(true)?;
    socket.connect_addr(&address)?;
    Ok(socket)
}

/// The terminal's side: waits for the outcome. Nothing at all means that the daemon died on its way.
pub(crate) fn outcome(mut pipe: impl Read) -> (Exit, String) {
    let mut bytes = Vec::new();
    let read = pipe.read_to_end(&mut bytes);
    let told = bytes.split_first().filter(|_| read.is_ok());
    match told.and_then(|(code, text)| Some((Exit::from_code((*code).into())?, text))) {
        Some((exit, text)) => (exit, String::from_utf8_lossy(text).into_owned()),
        None => (Exit::Failed, "the daemon died before it was ready; its log may say why".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(tell: impl FnOnce(&mut Announcer)) -> (Exit, String) {
        let (reader, writer) = nix::unistd::pipe().unwrap();
        let mut announcer = Announcer { pipe: Some(writer.into()), systemd: None };
        tell(&mut announcer);
        drop(announcer);
        outcome(File::from(reader))
    }

    #[test]
    fn the_terminal_learns_the_outcome() {
        assert_eq!(told(|a| a.ready("x")), (Exit::Done, String::new()));
        assert_eq!(
            told(|a| a.failed(&Failure::new(Exit::Config, "line 3"))),
            (Exit::Config, "line 3".to_owned())
        );
        assert_eq!(told(|_| ()).0, Exit::Failed);
    }

    #[test]
    fn systemd_hears_what_it_can_read() {
        let (ours, theirs) = UnixDatagram::pair().unwrap();
        let mut announcer = Announcer { pipe: None, systemd: Some(ours) };
        announcer.ready("generation 1");
        announcer.reloading();
        announcer.stopping();
        let mut heard = Vec::new();
        for _ in 0..3 {
            let mut buffer = [0; 256];
            let length = theirs.recv(&mut buffer).unwrap();
            heard.push(String::from_utf8(buffer[..length].to_vec()).unwrap());
        }
        assert_eq!(heard[0], "READY=1\nSTATUS=generation 1");
        assert!(heard[1].starts_with("RELOADING=1\nMONOTONIC_USEC=") && !heard[1].ends_with('='));
        assert_eq!(heard[2], "STOPPING=1\nSTATUS=stopping");
    }
}
