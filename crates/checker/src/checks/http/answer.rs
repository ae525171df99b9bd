//! What a server answers, for somebody who asks rather than judges: `holdfast digest`.

use std::cell::RefCell;
use std::net::SocketAddr;
use std::rc::Rc;

use super::super::{Probe, Tls};
use super::{Digest, HttpProbe, Settings};

/// An answer that came whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// Its status.
    pub status: u16,
    /// The length of its body.
    pub length: u64,
    /// The MD5 of its body.
    pub md5: Digest,
    /// The SHA-256 of its body.
    pub sha256: Digest,
}

/// Where it is left; empty while there is none.
pub type Report = Rc<RefCell<Option<Answer>>>;

impl Settings {
    /// A probe that passes with whatever answer comes whole, and leaves the last one in the report.
    #[must_use]
    pub fn asking(&self, target: SocketAddr, tls: Option<Tls>, report: Report) -> Box<dyn Probe> {
        Box::new(HttpProbe { report: Some(report), ..HttpProbe::new(self, target, tls) })
    }
}
