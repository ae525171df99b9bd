//! A client's end that waits, with a limit: the operator's command.

use std::fmt;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::Value;

use super::MAX_REPLY;
use super::message::{Reply, Request, line};

/// Why a call failed.
#[derive(Debug)]
pub enum CallError {
    /// Nobody serves that socket.
    NotRunning(PathBuf),
    /// This user may not use it.
    Permission(PathBuf),
    /// No answer in time.
    TimedOut(PathBuf),
    /// The connection broke or what came is no reply.
    Broken(PathBuf, io::Error),
    /// The daemon said no.
    Refused(String),
}

impl fmt::Display for CallError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotRunning(path) => {
                write!(f, "holdfastd is not running: nobody listens on {}", path.display())
            }
            Self::Permission(path) => write!(f, "no permission to use {}", path.display()),
            Self::TimedOut(path) => write!(f, "no answer in time on {}", path.display()),
            Self::Broken(path, error) => write!(f, "{}: {error}", path.display()),
            Self::Refused(message) => f.write_str(message),
        }
    }
}

impl std::error::Error for CallError {}

/// A connection that waits for each reply.
#[derive(Debug)]
pub struct Client {
    path: PathBuf,
    stream: BufReader<UnixStream>,
    next: u64,
}

impl Client {
    /// Connects to the socket at `path`; no call will wait longer than `limit` for bytes.
    ///
    /// # Errors
    /// Nobody listens there, or no permission.
    pub fn connect(path: &Path, limit: Duration) -> Result<Self, CallError> {
        let stream = UnixStream::connect(path).map_err(|error| named(path, error))?;
        let limited = stream.set_read_timeout(Some(limit)).and(stream.set_write_timeout(Some(limit)));
        limited.map_err(|error| named(path, error))?;
        Ok(Self { path: path.to_owned(), stream: BufReader::new(stream), next: 1 })
    }

    /// Sends a request and waits for its reply.
    ///
    /// # Errors
    /// The daemon refused, did not answer in time, or the connection broke.
    pub fn call(&mut self, method: &str, params: Value) -> Result<Value, CallError> {
        let request = Request { id: self.next, method: method.to_owned(), params };
        self.next += 1;
        self.stream.get_mut().write_all(&line(&request)).map_err(|error| named(&self.path, error))?;
        loop {
            let reply: Reply = serde_json::from_slice(&self.line()?)
                .map_err(|error| CallError::Broken(self.path.clone(), error.into()))?;
            if reply.id == request.id {
                return reply.into_outcome().map_err(CallError::Refused);
            }
        }
    }

    fn line(&mut self) -> Result<Vec<u8>, CallError> {
        let mut line = Vec::new();
        let limit = u64::try_from(MAX_REPLY).unwrap_or(u64::MAX);
        self.stream
            .by_ref()
            .take(limit)
            .read_until(b'\n', &mut line)
            .map_err(|error| named(&self.path, error))?;
        if line.last() == Some(&b'\n') {
            return Ok(line);
        }
        Err(CallError::Broken(self.path.clone(), io::ErrorKind::UnexpectedEof.into()))
    }
}

fn named(path: &Path, error: io::Error) -> CallError {
    let path = path.to_owned();
    if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused) {
        CallError::NotRunning(path)
    } else if error.kind() == io::ErrorKind::PermissionDenied {
        CallError::Permission(path)
    } else if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut) {
        CallError::TimedOut(path)
    } else {
        CallError::Broken(path, error)
    }
}
