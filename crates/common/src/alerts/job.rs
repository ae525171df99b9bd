//! What the watchdog and the process that delivers mail say to each other: one job, and lines of report.
//!
//! The job is a JSON object in a memory file, so that a mail that could not be written to the disk is delivered all
//! the same; a report is a line of JSON in a pipe. The deliverer decides nothing: what becomes of a mail that was not
//! taken is the watchdog's affair.

use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::Encryption;

/// The descriptors of the job and of the pipe for the reports, in the environment of the deliverer.
pub const FDS_VARIABLE: &str = "HOLDFAST_MAIL_FDS";

/// What is to be delivered, and how.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Job {
    /// The server's name or address.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// How the connection is encrypted.
    pub encryption: Encryption,
    /// The authorities that its certificate must be of; those of the system without.
    pub ca_file: Option<PathBuf>,
    /// As whom to log in, and where the password is.
    pub login: Option<(String, PathBuf)>,
    /// How we introduce ourselves.
    pub helo: String,
    /// For the connection, and for every answer.
    pub timeout: Duration,
    /// The sender's address.
    pub from: String,
    /// As which user to talk to the world; a default one without.
    pub run_as: Option<String>,
    /// The network namespace to do it in.
    pub namespace: Option<String>,
    /// The number of the process that waits for the reports.
    pub watchdog: i32,
    /// Where the mails are kept: they are put safely on the disk before they are sent.
    pub spool: PathBuf,
    /// Where copies of mails outlive a reboot; none where the spool itself does, or is all there is.
    pub copies: Option<PathBuf>,
    /// Every mail that waits, also those that are not tried now: what is copied.
    pub waiting: Vec<String>,
    /// The mails, oldest first.
    pub letters: Vec<Parcel>,
}

/// One mail of a job.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Parcel {
    /// Its name in the spool directory.
    pub id: String,
    /// Who has not got it yet.
    pub to: Vec<String>,
    /// Seconds since 1970: when what it tells has happened.
    pub at: u64,
    /// One line.
    pub subject: String,
    /// Lines.
    pub body: String,
}

/// What the deliverer tells.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Report {
    /// There are no copies of the mails that would outlive a reboot.
    NotCopied {
        /// Why.
        error: String,
    },
    /// The server talks to us.
    Connected,
    /// What became of one mail.
    Letter {
        /// Which.
        id: String,
        /// Those for whom the server has taken it.
        delivered: Vec<String>,
        /// What the server said of the first of the others.
        error: Option<String>,
    },
    /// The server is of no use now: the rest of the mails was not tried.
    Failed {
        /// Why.
        error: String,
    },
}
