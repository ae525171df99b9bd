//! A configuration that was read and found faultless, in the form in which children get it.

use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;

use common::alerts::Alerts;
use common::config::global::Global;
use common::config::{Diagnostics, LoadErrorKind, Severity, Sources};
use common::exit::Exit;
use common::role::{self, Need, Role};
use common::sys::memory;
use nix::fcntl::{FcntlArg, SealFlag, fcntl};
use nix::sys::memfd::{MFdFlags, memfd_create};

use crate::failure::Failure;
use crate::options::Options;
use crate::supervisor::Limits;

/// A faultless text and what it means for the watchdog.
#[derive(Debug)]
pub(crate) struct Text {
    /// For every role its share, in sealed memory: nobody can change it, not even we.
    pub(crate) shares: Vec<OwnedFd>,
    /// Its share for every process.
    pub(crate) global: Global,
    /// To whom mail is sent about what happens.
    pub(crate) alerts: Option<Alerts>,
    /// For every role, whether it is to run.
    pub(crate) wanted: Vec<bool>,
    /// What the operator should look at all the same, for a terminal.
    pub(crate) warnings: String,
}

impl Text {
    /// Reads and checks the file that `options` name.
    pub(crate) fn load(options: &Options, roles: &[Role]) -> Result<Self, Failure> {
        let text = Self::read(options, roles);
        // The plans were for judging only; what a large one took is not needed until the next reload. The program is:
        // there is a start or a reload to be gone through.
        memory::trim();
        text
    }

    fn read(options: &Options, roles: &[Role]) -> Result<Self, Failure> {
        let sources = Sources::load(&options.config).map_err(|error| {
            let exit = match error.kind() {
                LoadErrorKind::Missing => Exit::NoConfig,
                LoadErrorKind::Permission => Exit::Permission,
                LoadErrorKind::Unusable => Exit::Config,
            };
            Failure::new(exit, error.to_string())
        })?;
        let mut diagnostics = Diagnostics::new();
        let checked = role::check(roles, &sources, &mut diagnostics);
        if diagnostics.has_errors() {
            let lines = diagnostics.lines(&sources).into_iter();
            let lines = lines.filter(|(severity, _)| *severity == Severity::Error).map(|(_, line)| line);
            return Err(Failure {
                exit: Exit::Config,
                text: diagnostics.render(&sources),
                lines: lines.collect(),
            });
        }
        for (_, line) in diagnostics.lines(&sources) {
            log::warn!("configuration: {line}");
        }
        let share = |sections: &Vec<&str>| {
            sealed("holdfast-config", |file| checked.document.write_share(sections, file))
        };
        let shares: io::Result<Vec<OwnedFd>> = checked.sections.iter().map(share).collect();
        let wanted = roles.iter().zip(checked.needs);
        let chosen = |role: &Role| options.only.is_none_or(|only| only == role.name);
        Ok(Self {
            shares: shares.map_err(|error| Failure::io("keep the text of", &options.config, &error))?,
            global: checked.global,
            alerts: checked.alerts,
            wanted: wanted.map(|(role, need)| need == Need::Wanted && chosen(role)).collect(),
            warnings: diagnostics.render(&sources),
        })
    }

    /// Its idea of patience.
    pub(crate) fn limits(&self) -> Limits {
        let watchdog = self.global.watchdog;
        Limits {
            hello_interval: watchdog.hello_interval,
            hello_timeout: watchdog.hello_timeout,
            start: watchdog.start_timeout,
            stop: watchdog.stop_timeout,
        }
    }

    /// What the machine is called in the status.
    pub(crate) fn router_id(&self) -> String {
        let host = || nix::unistd::gethostname().ok().and_then(|name| name.into_string().ok());
        self.global.router_id.clone().or_else(host).unwrap_or_default()
    }
}

/// What is written, in memory that nobody can change any more.
pub(crate) fn sealed(name: &str, write: impl FnOnce(&mut File) -> io::Result<()>) -> io::Result<OwnedFd> {
    let flags = MFdFlags::MFD_CLOEXEC | MFdFlags::MFD_ALLOW_SEALING;
    let mut file = File::from(memfd_create(name, flags)?);
    write(&mut file)?;
    let seals =
        SealFlag::F_SEAL_WRITE | SealFlag::F_SEAL_GROW | SealFlag::F_SEAL_SHRINK | SealFlag::F_SEAL_SEAL;
    fcntl(&file, FcntlArg::F_ADD_SEALS(seals))?;
    Ok(file.into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;
    use std::os::unix::fs::FileExt;

    #[test]
    fn nobody_can_change_a_sealed_text() {
        let file = File::from(sealed("test", |file| file.write_all(b"text")).unwrap());
        file.write_at(b"x", 0).unwrap_err();
        file.set_len(0).unwrap_err();
        let mut bytes = [0; 4];
        file.read_exact_at(&mut bytes, 0).unwrap();
        assert_eq!(&bytes, b"text");
    }
}
