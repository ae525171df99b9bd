//! Mail about what happens, to a real mail server: what it says, how it gets there, and that nobody waits for it.

mod delivery;
mod post;
mod reboot;
mod switches;
mod trouble;

use std::time::Duration;

use lab::{Holdfast, Lan, Netns, Result, wait};

/// Ends a hanging test; nothing is measured by it.
const LONG: Duration = Duration::from_secs(60);

/// The hosts of a scenario.
struct Site {
    lan: Lan,
    a: Netns,
}

impl Site {
    fn new() -> Result<Self> {
        lab::require_privileges()?;
        let lan = Lan::new()?;
        let a = lan.host("a", &["192.168.152.11/24"])?;
        Ok(Self { lan, a })
    }
}

/// To whom, with more keys.
fn alerts(keys: &str) -> String {
    format!(
        "[global]\nrouter_id = \"lb-1\"\n[alerts]\nto = [\"ops@example.org\", \"boss@example.org\"]\n\
         from = \"holdfast@lb-1.example.org\"\nserver = \"{}:25\"\ntls = \"none\"\nhelo = \"lb-1.example.org\"\n{keys}\n",
        post::SERVER
    )
}

/// A virtual router that becomes master at once.
fn router(name: &str, vrid: u8, more: &str) -> String {
    format!(
        "[[vrrp.instance]]\nname = \"{name}\"\ninterface = \"eth0\"\nvirtual_router_id = {vrid}\npriority = 200\n\
         advert_interval = \"100ms\"\nvirtual_addresses = [\"192.168.152.{vrid}\"]\n{more}\n"
    )
}

/// What the status says of mail.
fn mail_status(holdfast: &Holdfast, pointer: &str) -> Result<serde_json::Value> {
    let status = holdfast.status()?;
    Ok(status.pointer(&format!("/watchdog/mail{pointer}")).cloned().unwrap_or_default())
}

/// Waits until everything has been delivered and nobody is at work for it any more.
#[track_caller]
fn wait_idle(holdfast: &Holdfast) -> Result {
    wait::until("every mail to be delivered", LONG, || {
        Ok(mail_status(holdfast, "/waiting")? == 0 && holdfast.running_child("mail").is_none())
    })
    .map_err(|error| lab::Error::new(format!("{error}; the log ends:\n{}", holdfast.log().tail(30))))
}

/// The files that wait.
fn spooled(holdfast: &Holdfast) -> usize {
    let folder = std::fs::read_dir(holdfast.folder().path().join("run/mail"));
    folder.map_or(0, |folder| folder.count())
}
