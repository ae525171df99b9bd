//! From start to end: what root alone may open is opened, then the process is an ordinary user's, then it talks to the
//! world.

use std::fs::File;
use std::io::{self, Read, Seek, Write};
use std::path::Path;

use common::alerts::job::{FDS_VARIABLE, Job, Report};
use common::capability::Capability;
use common::config::UserName;
use common::exit::Exit;
use common::script::Identity;
use common::surroundings::Surroundings;
use common::sys::inherit;
use nix::sys::signal::{SigSet, Signal};
use nix::unistd::{getppid, setgroups, setresgid, setresuid};

use crate::copies;
use crate::session::{self, Secrets};

/// No file that we read is longer.
const LONGEST: u64 = 8 << 20;

/// Delivers the job that the watchdog has left. What goes wrong is told the watchdog, who has the log.
#[must_use]
pub fn run() -> Exit {
    // It was blocked for the sake of children that stop in order.
    let _cosmetic = SigSet::from(Signal::SIGTERM).thread_unblock();
    let (job, mut pipe) = match take() {
        Ok(taken) => taken,
        Err(error) => {
            log::error!("cannot deliver mail: {error}");
            return Exit::Failed;
        }
    };
    let mut tell = |report: Report| -> Result<(), String> {
        let mut line = serde_json::to_vec(&report).map_err(|error| error.to_string())?;
        line.push(b'\n');
        pipe.write_all(&line).map_err(|error| format!("telling the watchdog: {error}"))
    };
    if let Some(copies) = &job.copies
        && let Err(error) = copies::make(&job.waiting, &job.spool, copies)
    {
        // They are delivered all the same.
        let _unheard = tell(Report::NotCopied { error: error.to_string() });
    }
    let done = prepare(&job).and_then(|secrets| session::deliver(&job, secrets, &mut tell));
    match done {
        Ok(()) => Exit::Done,
        Err(error) => {
            // Who is not there to hear it finds everything in the spool.
            let _unheard = tell(Report::Failed { error });
            Exit::Failed
        }
    }
}

fn take() -> io::Result<(Job, File)> {
    let fault = |text: &str| io::Error::new(io::ErrorKind::InvalidInput, text.to_owned());
    let variable = std::env::var(FDS_VARIABLE).map_err(|_| fault("not started by the watchdog"))?;
    let numbers: Result<Vec<i32>, _> = variable.split(',').map(str::parse).collect();
    let Ok(&[job, pipe]) = numbers.as_deref() else { return Err(fault("not two descriptors")) };
    let mut memory = File::from(inherit::take(job)?);
    // The watchdog has left it at the end of what it wrote.
    memory.rewind()?;
    let job = serde_json::from_reader(io::BufReader::new(memory))?;
    Ok((job, File::from(inherit::take(pipe)?)))
}

/// What needs privileges, and then never again any.
fn prepare(job: &Job) -> Result<Secrets, String> {
    settle(job);
    let mut secrets = Secrets::default();
    if let Some(path) = &job.ca_file {
        secrets.authorities = Some(read(path)?);
    }
    if let Some((_, path)) = &job.login {
        let text = String::from_utf8(read(path)?).map_err(|_| format!("{}: not a text", path.display()))?;
        let first = text.lines().next().unwrap_or_default();
        if first.is_empty() {
            return Err(format!("{}: the first line, which is the password, is empty", path.display()));
        }
        first.clone_into(&mut secrets.password);
    }
    let namespace = Surroundings { namespace: job.namespace.clone(), ..Surroundings::default() };
    namespace.enter().map_err(|error| error.to_string())?;
    become_ordinary(job)?;
    Ok(secrets)
}

/// Puts the mails safely on the disk, which may take its time: that is why the watchdog has not done it. A spool that
/// cannot be written to is the watchdog's affair.
fn settle(job: &Job) {
    let names = job.letters.iter().map(|letter| job.spool.join(format!("{}.mail", letter.id)));
    for path in names.chain([job.spool.clone()]) {
        let settled = File::open(&path).and_then(|file| file.sync_all());
        if let Err(error) = settled {
            log::debug!("not synced: {error} file={}", path.display());
        }
    }
}

fn read(path: &Path) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::new();
    let read = File::open(path).and_then(|file| file.take(LONGEST).read_to_end(&mut bytes));
    read.map(|_| bytes).map_err(|error| format!("reading {}: {error}", path.display()))
}

fn become_ordinary(job: &Job) -> Result<(), String> {
    let name = job.run_as.as_deref().map(str::parse::<UserName>).transpose()?;
    let who = Identity::find(name.as_ref()).map_err(|error| error.to_string())?;
    let failed = |error: io::Error| format!("becoming the user {}: {error}", who.name);
    if who.change {
        let lacking =
            |capability: Capability| move |error: nix::Error| failed(capability.explain(error.into()));
        setgroups(&who.groups).map_err(lacking(Capability::Setgid))?;
        setresgid(who.gid, who.gid, who.gid).map_err(lacking(Capability::Setgid))?;
        setresuid(who.uid, who.uid, who.uid).map_err(lacking(Capability::Setuid))?;
    }
    nix::sys::prctl::set_no_new_privs().map_err(|error| failed(error.into()))?;
    // Becoming somebody else has cleared it; and the watchdog may have ended before.
    nix::sys::prctl::set_pdeathsig(Signal::SIGKILL).map_err(|error| failed(error.into()))?;
    if getppid().as_raw() != job.watchdog {
        return Err("the watchdog is gone".to_owned());
    }
    Ok(())
}
