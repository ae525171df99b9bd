//! Where the bytes of a log go, for the whole process: a file that can be opened anew, or a datagram a line.
//!
//! Nothing is waited for. Lines that a log daemon has no room for, or that is being started again, wait here; the loop
//! offers them again at the end of every turn. Of more than [`WAITING`] the rest is counted, and the number is logged.

use std::collections::VecDeque;
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

/// So many lines wait at most.
const WAITING: usize = 4096;

static SINK: Mutex<Sink> = Mutex::new(Sink::None);
/// Some lines wait.
static LATE: AtomicBool = AtomicBool::new(false);

#[derive(Debug)]
enum Sink {
    None,
    File(PathBuf, File),
    Datagrams(Datagrams),
}

/// What the logger writes to.
#[derive(Debug)]
pub(super) struct Way;

impl Write for Way {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match &mut *SINK.lock().unwrap_or_else(PoisonError::into_inner) {
            Sink::None => {}
            Sink::File(_, file) => file.write_all(bytes)?,
            Sink::Datagrams(datagrams) => {
                datagrams.send(bytes);
                LATE.store(datagrams.is_late(), Ordering::Relaxed);
            }
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// From now on the log goes to this file.
pub(super) fn to_file(path: &Path) -> io::Result<Way> {
    let file = open(path)?;
    *SINK.lock().unwrap_or_else(PoisonError::into_inner) = Sink::File(path.to_path_buf(), file);
    Ok(Way)
}

/// From now on the log goes to this socket.
pub(super) fn to_socket(path: &'static str) -> io::Result<Way> {
    let datagrams = Datagrams::connect(Path::new(path))?;
    *SINK.lock().unwrap_or_else(PoisonError::into_inner) = Sink::Datagrams(datagrams);
    Ok(Way)
}

fn open(path: &Path) -> io::Result<File> {
    OpenOptions::new().append(true).create(true).mode(0o640).open(path)
}

/// Opens the log's file anew, which somebody has moved away; the old one is written to where that fails.
pub fn reopen() {
    let reopened = match &mut *SINK.lock().unwrap_or_else(PoisonError::into_inner) {
        Sink::None | Sink::Datagrams(_) => return,
        Sink::File(path, file) => open(path).map(|new| *file = new),
    };
    match reopened {
        Ok(()) => log::info!("the log goes on here: its file was opened anew"),
        Err(error) => log::error!("the log stays in its old file: the new one cannot be opened: {error}"),
    }
}

/// Offers the lines that wait for a log daemon. To be called every turn; it costs nothing while none wait.
pub fn flush() {
    if !LATE.load(Ordering::Relaxed) {
        return;
    }
    let lost = {
        let mut sink = SINK.lock().unwrap_or_else(PoisonError::into_inner);
        let Sink::Datagrams(datagrams) = &mut *sink else { return };
        datagrams.offer();
        LATE.store(datagrams.is_late(), Ordering::Relaxed);
        if datagrams.is_late() { 0 } else { std::mem::take(&mut datagrams.lost) }
    };
    if lost > 0 {
        log::warn!("the system log did not keep up: lines are missing not_logged={lost}");
    }
}

/// One datagram a line.
#[derive(Debug)]
struct Datagrams {
    socket: UnixDatagram,
    path: PathBuf,
    waiting: VecDeque<Vec<u8>>,
    lost: u64,
}

impl Datagrams {
    fn connect(path: &Path) -> io::Result<Self> {
        let socket = UnixDatagram::unbound()?;
        socket.connect(path)?;
        socket.set_nonblocking(true)?;
        Ok(Self { socket, path: path.to_path_buf(), waiting: VecDeque::new(), lost: 0 })
    }

    fn is_late(&self) -> bool {
        !self.waiting.is_empty() || self.lost > 0
    }

    fn send(&mut self, line: &[u8]) {
        if self.waiting.len() < WAITING {
            self.waiting.push_back(line.to_vec());
        } else {
            self.lost += 1;
        }
        self.offer();
    }

    fn offer(&mut self) {
        while let Some(line) = self.waiting.front() {
            let mut sent = self.socket.send(line);
            if sent.as_ref().is_err_and(|error| error.kind() != io::ErrorKind::WouldBlock) {
                // The log daemon may have been restarted: its socket is a new one then.
                sent = self.socket.connect(&self.path).and_then(|()| self.socket.send(line));
            }
            match sent {
                // One that is too long for it would be so next time.
                Ok(_) => drop(self.waiting.pop_front()),
                Err(error) if error.raw_os_error() == Some(libc::EMSGSIZE) => {
                    self.waiting.pop_front();
                    self.lost += 1;
                }
                Err(_) => return,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn received(socket: &UnixDatagram) -> Vec<String> {
        let mut buffer = [0; 100];
        let next = || {
            socket.recv(&mut buffer).ok().map(|count| String::from_utf8(buffer[..count].to_vec()).unwrap())
        };
        std::iter::from_fn(next).collect()
    }

    #[test]
    fn what_a_log_daemon_has_no_room_for_waits_in_order_and_over_its_restart() {
        let path = std::env::temp_dir().join(format!("holdfast-sink-{}", std::process::id()));
        let bind = || {
            let _old = std::fs::remove_file(&path);
            let socket = UnixDatagram::bind(&path).unwrap();
            socket.set_nonblocking(true).unwrap();
            socket
        };
        let daemon = bind();
        let mut datagrams = Datagrams::connect(&path).unwrap();
        let lines: Vec<String> = (0..2000).map(|number| format!("line {number}")).collect();
        for line in &lines {
            datagrams.send(line.as_bytes());
        }
        assert!(datagrams.is_late(), "a socket has room for some only");
        let mut all = received(&daemon);
        drop(daemon);
        datagrams.offer();
        let daemon = bind();
        while datagrams.is_late() {
            datagrams.offer();
            all.extend(received(&daemon));
        }
        assert_eq!(all, lines);
        for _ in 0..10_000 {
            datagrams.send(b"flood");
        }
        let mut count = 0;
        while !datagrams.waiting.is_empty() {
            count += received(&daemon).len();
            datagrams.offer();
        }
        count += received(&daemon).len();
        assert!(datagrams.lost > 0);
        assert_eq!(u64::try_from(count).unwrap() + datagrams.lost, 10_000, "what is missing is known");
        std::fs::remove_file(&path).unwrap();
    }
}
