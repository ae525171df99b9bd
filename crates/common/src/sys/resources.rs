//! The kernel's favour for this process: scheduler, nice, processors, locked memory, limits, and who is killed first when
//! memory runs out.
//!
//! What was in force before the first change is kept, for programs that we start: they are to have none of it.

use std::io;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};

use nix::sched::{CpuSet, sched_getaffinity, sched_setaffinity};
use nix::sys::mman::{MlockAllFlags, mlockall, munlockall};
use nix::sys::resource::{Resource, getrlimit, rlim_t, setrlimit};
use nix::unistd::Pid;

/// How the kernel shares out processor time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scheduler {
    /// Like every other process.
    Other,
    /// Before all of those, in turns among its equals (`SCHED_RR`).
    RoundRobin(u8),
    /// Before all of those, until it waits (`SCHED_FIFO`).
    Fifo(u8),
}

/// What a process had before anything was changed.
#[derive(Debug, Clone, Copy)]
struct Original {
    /// `SCHED_OTHER`, unless whoever started it chose otherwise; with its priority.
    scheduler: (i32, i32),
    nice: i32,
    processors: Option<CpuSet>,
    realtime: Option<(rlim_t, rlim_t)>,
    files: Option<(rlim_t, rlim_t)>,
    out_of_memory: Option<i16>,
}

/// The shortest turn that the kernel grants, in nanoseconds (`__setparam_fair` of kernel/sched/syscalls.c).
const SHORTEST_TURN: u64 = 100_000;
/// Whether this process has asked for such turns.
static SHORT_TURNS: AtomicBool = AtomicBool::new(false);
/// Whether anything else was changed that what we start would inherit.
static CHANGED: AtomicBool = AtomicBool::new(false);

static ORIGINAL: OnceLock<Original> = OnceLock::new();

/// Where the kernel keeps who is killed first when memory runs out.
const OUT_OF_MEMORY: &str = "/proc/self/oom_score_adj";

fn original() -> &'static Original {
    ORIGINAL.get_or_init(|| Original {
        scheduler: scheduler(),
        nice: nice(),
        processors: sched_getaffinity(Pid::from_raw(0)).ok(),
        realtime: getrlimit(Resource::RLIMIT_RTTIME).ok(),
        files: getrlimit(Resource::RLIMIT_NOFILE).ok(),
        out_of_memory: std::fs::read_to_string(OUT_OF_MEMORY).ok().and_then(|text| text.trim().parse().ok()),
    })
}

/// Keeps what is in force now as what programs that we start are to have.
pub fn remember() {
    original();
}

/// What was in force, before something is changed that would be inherited.
fn before_change() -> &'static Original {
    CHANGED.store(true, Ordering::Relaxed);
    original()
}

fn scheduler() -> (i32, i32) {
    // SAFETY: takes an integer; 0 is the calling process.
    let policy = unsafe { libc::sched_getscheduler(0) };
    let mut parameter = libc::sched_param { sched_priority: 0 };
    // SAFETY: the parameter is valid for writing; 0 is the calling process, for which it cannot fail.
    unsafe { libc::sched_getparam(0, &raw mut parameter) };
    (policy, parameter.sched_priority)
}

fn nice() -> i32 {
    // SAFETY: takes integers; 0 is the calling process.
    unsafe { libc::getpriority(libc::PRIO_PROCESS, 0) }
}

/// Sets the scheduler, or gives back what it was. What we start does not inherit it.
///
/// # Errors
/// `EPERM` without `CAP_SYS_NICE`, or where the control group has no real time to give.
pub fn set_scheduler(scheduler: Option<Scheduler>) -> io::Result<()> {
    let (policy, priority) = match scheduler {
        None => original().scheduler,
        Some(Scheduler::Other) => (libc::SCHED_OTHER, 0),
        Some(Scheduler::RoundRobin(priority)) => {
            (libc::SCHED_RR | libc::SCHED_RESET_ON_FORK, i32::from(priority))
        }
        Some(Scheduler::Fifo(priority)) => {
            (libc::SCHED_FIFO | libc::SCHED_RESET_ON_FORK, i32::from(priority))
        }
    };
    // What is so already is not asked for: a filter of system calls may refuse even that.
    if (policy, priority) != self::scheduler() {
        let parameter = libc::sched_param { sched_priority: priority };
        // SAFETY: the parameter is a valid, initialised struct; 0 is the calling process.
        let rc = unsafe { libc::sched_setscheduler(0, policy, &raw const parameter) };
        if rc != 0 {
            return Err(io::Error::last_os_error());
        }
    }
    // Short turns would stay.
    if policy == libc::SCHED_OTHER && SHORT_TURNS.swap(false, Ordering::Relaxed) {
        ask_turn(0);
    }
    Ok(())
}

/// Gives back the scheduler, and where that is the ordinary one, asks it for the shortest turns there are: when this
/// process has something to do, it does not wait for the end of another's longer turn (Linux 6.12; before, it changes
/// nothing). Takes no privilege; what we start does not inherit it.
///
/// # Errors
/// As [`set_scheduler`]. Short turns that a filter of system calls refuses are gone without.
pub fn shorten_turns() -> io::Result<()> {
    set_scheduler(None)?;
    if original().scheduler.0 != libc::SCHED_OTHER {
        return Ok(());
    }
    SHORT_TURNS.store(true, Ordering::Relaxed);
    ask_turn(SHORTEST_TURN);
    Ok(())
}

/// Asks for turns of so many nanoseconds; of the usual ones with 0. Async-signal-safe.
fn ask_turn(nanos: u64) {
    let attributes = libc::sched_attr {
        size: u32::try_from(size_of::<libc::sched_attr>()).unwrap_or(0),
        sched_policy: libc::SCHED_OTHER.cast_unsigned(),
        sched_flags: 0,
        sched_nice: nice(),
        sched_priority: 0,
        sched_runtime: nanos,
        sched_deadline: 0,
        sched_period: 0,
    };
    // SAFETY: the attributes are a valid, initialised struct of the size that they tell; 0 is the calling process, the
    // last 0 is for flags, of which there are none.
    unsafe { libc::syscall(libc::SYS_sched_setattr, 0, &raw const attributes, 0) };
}

/// Sets the nice value, or gives back what it was.
///
/// # Errors
/// `EACCES` for a lower one without `CAP_SYS_NICE`.
pub fn set_nice(value: Option<i8>) -> io::Result<()> {
    let before = before_change();
    let value = value.map_or(before.nice, i32::from);
    if value == nice() { Ok(()) } else { change_nice(value) }
}

fn change_nice(value: i32) -> io::Result<()> {
    // SAFETY: takes integers; 0 is the calling process.
    let rc = unsafe { libc::setpriority(libc::PRIO_PROCESS, 0, value) };
    if rc == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Runs on these processors only, or on those of before.
///
/// # Errors
/// `EINVAL` where there is none of them.
pub fn set_processors(processors: Option<&[u16]>) -> io::Result<()> {
    let set = match (processors, before_change().processors) {
        (Some(processors), _) => {
            let mut set = CpuSet::new();
            for processor in processors {
                set.set(usize::from(*processor))?;
            }
            set
        }
        (None, Some(set)) => set,
        (None, None) => return Ok(()),
    };
    Ok(sched_setaffinity(Pid::from_raw(0), &set)?)
}

/// Keeps all memory, that of now and of later, from being swapped out; or lets it.
///
/// # Errors
/// `EPERM` or `ENOMEM` without `CAP_IPC_LOCK`.
pub fn lock_memory(locked: bool) -> io::Result<()> {
    if locked {
        mlockall(MlockAllFlags::MCL_CURRENT | MlockAllFlags::MCL_FUTURE)?;
    } else {
        munlockall()?;
    }
    Ok(())
}

/// A real-time process that does not wait for this long, in microseconds, is killed; none: as before.
///
/// # Errors
/// What the kernel says.
pub fn limit_realtime(micros: Option<u64>) -> io::Result<()> {
    limit(Resource::RLIMIT_RTTIME, micros, |before| before.realtime)
}

/// So many descriptors; none: as before.
///
/// # Errors
/// `EPERM` beyond the hard limit without `CAP_SYS_RESOURCE`.
pub fn limit_files(files: Option<u64>) -> io::Result<()> {
    limit(Resource::RLIMIT_NOFILE, files, |before| before.files)
}

fn limit(
    resource: Resource,
    value: Option<u64>,
    of: fn(&Original) -> Option<(rlim_t, rlim_t)>,
) -> io::Result<()> {
    if value.is_none() && !CHANGED.load(Ordering::Relaxed) {
        return Ok(());
    }
    let Some((soft, hard)) = of(before_change()) else { return Ok(()) };
    let (soft, hard) = value.map_or((soft, hard), |value| (value, hard.max(value)));
    Ok(setrlimit(resource, soft, hard)?)
}

/// The kernel's killer looks for its victim elsewhere (below 0) or here (above); none: as before.
///
/// # Errors
/// `EACCES` for a lower one without `CAP_SYS_RESOURCE`.
pub fn set_out_of_memory(score: Option<i16>) -> io::Result<()> {
    match score.or(before_change().out_of_memory) {
        Some(score) => std::fs::write(OUT_OF_MEMORY, score.to_string()),
        None => Ok(()),
    }
}

/// In a forked child: everything as it was before the first change. What cannot be given back is let be.
///
/// Async-signal-safe: system calls only.
pub(super) fn give_back() {
    let Some(original) = ORIGINAL.get() else { return };
    if SHORT_TURNS.load(Ordering::Relaxed) {
        ask_turn(0);
    }
    if !CHANGED.load(Ordering::Relaxed) {
        return;
    }
    if original.nice != nice() {
        let _kept = change_nice(original.nice);
    }
    if let Some(processors) = &original.processors {
        let _kept = sched_setaffinity(Pid::from_raw(0), processors);
    }
    for (resource, limits) in
        [(Resource::RLIMIT_RTTIME, original.realtime), (Resource::RLIMIT_NOFILE, original.files)]
    {
        if let Some((soft, hard)) = limits {
            let _kept = setrlimit(resource, soft, hard);
        }
    }
    if let Some(score) = original.out_of_memory {
        write_score(score);
    }
}

fn write_score(score: i16) {
    // Formatted without an allocation: sign, up to four digits.
    let mut text = [b'0'; 5];
    let (mut rest, mut at) = (score.unsigned_abs(), text.len());
    loop {
        at = at.saturating_sub(1);
        if let Some(place) = text.get_mut(at) {
            *place = b'0' + u8::try_from(rest % 10).unwrap_or(0);
        }
        rest /= 10;
        if rest == 0 || at <= 1 {
            break;
        }
    }
    if score < 0 {
        at = at.saturating_sub(1);
        if let Some(place) = text.get_mut(at) {
            *place = b'-';
        }
    }
    let path = c"/proc/self/oom_score_adj".as_ptr();
    // SAFETY: the path ends with a zero byte; the call takes no other memory.
    let fd = unsafe { libc::open(path, libc::O_WRONLY | libc::O_CLOEXEC) };
    if fd < 0 {
        return;
    }
    if let Some(text) = text.get(at..) {
        // SAFETY: the text is valid for its length.
        unsafe { libc::write(fd, text.as_ptr().cast(), text.len()) };
    }
    // SAFETY: the descriptor was opened above and nobody else knows it.
    unsafe { libc::close(fd) };
}
