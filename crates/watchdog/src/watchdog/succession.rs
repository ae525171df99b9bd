//! Giving place to another version of the program.

use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::time::Duration;

use common::event_loop::clock;
use nix::sys::signal::Signal;
use serde_json::json;

use super::Watchdog;
use crate::incarnation::Incarnation;
use crate::upgrade;

/// What a killed child may need to be gone. Hellos wait meanwhile, and so does systemd's watchdog.
const DYING: Duration = Duration::from_secs(5);

impl Watchdog {
    /// The program that would take our place, or why that cannot be now.
    pub(super) fn may_upgrade(&self) -> Result<PathBuf, String> {
        if self.supervisor.is_stopping() {
            return Err("the daemon is stopping".to_owned());
        }
        if !self.started_up || self.reload.is_busy() {
            return Err("a start or a reload is in flight: try again".to_owned());
        }
        let program = upgrade::executable().map_err(|error| format!("no program is known: {error}"))?;
        upgrade::is_program(&program)
            .map_err(|error| format!("{} cannot be executed: {error}", program.display()))?;
        Ok(program)
    }

    /// A client wants another version in our place; it is given when this turn of the loop is over.
    pub(super) fn begin_upgrade(&mut self) {
        self.give_place = true;
    }

    /// Whether the loop has ended for that. Asked once.
    pub(crate) fn is_to_give_place(&mut self) -> bool {
        std::mem::take(&mut self.give_place)
    }

    /// Gives place to the program that lies where ours did. Signals are blocked: the other one shall hear them. Returns
    /// only if that failed; then the children are started again as after any kill.
    pub(crate) fn give_place(&mut self) {
        match self.may_upgrade() {
            Ok(program) => self.upgrade(&program),
            // The last signals that we heard say so.
            Err(why) => log::error!("upgrade: staying with this version: {why}"),
        }
    }

    fn upgrade(&mut self, program: &Path) {
        let living = || self.places.iter().filter_map(|place| place.living.as_ref());
        for child in living() {
            child.signal(Signal::SIGKILL);
        }
        if !living().all(|child| Incarnation::ends_within(child, DYING)) {
            log::error!("upgrade: a child does not die: staying with this version");
            return;
        }
        // What they told last, and that it was not their end.
        let event = json!({
            "event": "upgrade", "program": program, "version": env!("CARGO_PKG_VERSION"),
        });
        self.history.tell(&event, clock::now());
        self.alert(None);
        self.post.close();
        let Some(pid_file) = &self.pid_file else { return };
        let stores =
            self.places.iter().filter_map(|place| Some((place.role.name, place.checkpoint.as_ref()?.fd())));
        let stores: Vec<_> = stores.collect();
        let checkpoints: Vec<_> = stores.iter().map(|(name, fd)| (*name, fd.as_fd())).collect();
        let args = self.options.daemon_args();
        let error = upgrade::replace(
            program,
            args,
            self.incarnation,
            pid_file.lock_fd(),
            pid_file.mark(),
            &checkpoints,
        );
        log::error!("upgrade: staying with this version: cannot execute {}: {error}", program.display());
    }
}
