//! E-mail alerts: what happened, as mails that are kept until somebody has taken them.
//!
//! * [`alert`]: which events are told, and in what words (pure)
//! * [`digest`]: many of them as one mail (pure)
//! * [`queue`]: what waits, what is tried when, what is given up (pure)
//! * [`spool`]: the files that outlive every process
//! * [`courier`]: the process that talks to the server
//! * [`post`]: all of it together, on the event loop
//!
//! The watchdog writes small files and never waits for anything: syncing them, reading the password, asking for the
//! server's address and talking to it is done by the courier, one at a time, which is killed when it hangs. So are the
//! copies that outlive a reboot. The children know nothing of mail.

mod alert;
mod courier;
mod digest;
pub(crate) mod post;
mod queue;
mod spool;

/// A mail as the tests of these rooms keep it.
#[cfg(test)]
fn sample(id: &str, delivered: &[&str]) -> queue::Letter {
    queue::Letter {
        id: id.to_owned(),
        at: 1,
        queued_at: 2,
        subject: format!("subject of {id}"),
        body: "body\n".to_owned(),
        delivered: delivered.iter().map(ToString::to_string).collect(),
    }
}
