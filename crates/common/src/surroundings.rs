//! What a process lives in: its network namespace, and the favour it asks of the kernel (real time, memory, processors).
//!
//! Read from the table of its role. What the kernel refuses is told once and gone without: a virtual router that is a
//! little late is better than none.

use std::fmt;
use std::io;
use std::time::Duration;

use crate::config::{Diagnostics, Located, Table};
use crate::namespace::{self, NamespaceError};
use crate::sys::resources::{self as kernel, Scheduler};

/// How long a real-time process may go on without waiting, unless it is said.
const REALTIME_LIMIT: Duration = Duration::from_secs(1);
/// The real-time priority, unless it is said: above other programs' ordinary choice, below the kernel's own threads.
const REALTIME_PRIORITY: u8 = 10;
/// So many processors can be told apart.
const PROCESSORS: u16 = 1024;

/// What a process lives in.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Surroundings {
    /// Its network namespace; the one it was started in without.
    pub namespace: Option<String>,
    /// What it asks of the kernel.
    pub resources: Resources,
}

/// What a process asks of the kernel; nothing is changed where nothing is said.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Resources {
    /// The scheduler.
    pub scheduling: Option<Scheduling>,
    /// The nice value.
    pub nice: Option<i8>,
    /// Whether nothing of it is swapped out.
    pub lock_memory: Option<bool>,
    /// The processors it runs on.
    pub processors: Option<Vec<u16>>,
    /// How likely it is killed when memory runs out.
    pub out_of_memory: Option<i16>,
    /// How many descriptors it may have.
    pub files: Option<u64>,
}

/// How it shares the processor with others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scheduling {
    /// As every other process does.
    Ordinary,
    /// As it was started; an ordinary process does not wait for the end of another's turn.
    Prompt,
    /// In real time.
    Realtime {
        /// `SCHED_RR` or `SCHED_FIFO` with the priority.
        scheduler: Scheduler,
        /// It is killed when it does not wait for so long.
        limit: Duration,
    },
}

/// Reads `network_namespace` and `resources` of a table.
pub fn read(table: &mut Table<'_>, d: &mut Diagnostics) -> Surroundings {
    Surroundings { namespace: namespace_of(table, d), resources: resources(table, d) }
}

/// Reads `network_namespace`.
fn namespace_of(table: &mut Table<'_>, d: &mut Diagnostics) -> Option<String> {
    let name: Located<String> = table.optional("network_namespace", d)?;
    let text = name.value.as_str();
    let plain = !text.is_empty() && !text.contains(char::is_control) && text != "." && text != "..";
    if !plain || text.contains('/') && !text.starts_with('/') {
        d.error(name.span, "`network_namespace`: a name as `ip netns` shows it, or an absolute path");
        return None;
    }
    Some(name.value)
}

/// Reads `resources`.
pub fn resources(table: &mut Table<'_>, d: &mut Diagnostics) -> Resources {
    let Some(mut t) = table.table("resources", d) else { return Resources::default() };
    let resources = Resources {
        scheduling: scheduling(&mut t, d),
        nice: t.within("nice", &(-20..=19), d).map(|nice| nice.value),
        lock_memory: t.optional("lock_memory", d).map(|lock| lock.value),
        processors: processors(&mut t, d),
        out_of_memory: t.within("oom_score_adjust", &(-1000..=1000), d).map(|score| score.value),
        files: t.within("open_files", &(64..=1_048_576), d).map(|files| files.value),
    };
    t.finish(d);
    resources
}

fn scheduling(t: &mut Table<'_>, d: &mut Diagnostics) -> Option<Scheduling> {
    type Make = fn(u8) -> Scheduler;
    let kinds: [(&str, Option<Make>); 3] =
        [("other", None), ("rr", Some(Scheduler::RoundRobin)), ("fifo", Some(Scheduler::Fifo))];
    let kind = t.choice("scheduler", &kinds, d).map(|kind| kind.value);
    let priority = t.within("realtime_priority", &(1..=99), d);
    let limits = Duration::from_millis(10)..=Duration::from_secs(60);
    let limit = t.within("realtime_limit", &limits, d);
    let Some(make) = kind.flatten() else {
        let keys = [
            ("realtime_priority", priority.map(|priority| priority.span)),
            ("realtime_limit", limit.map(|limit| limit.span)),
        ];
        for (key, span) in keys {
            if let Some(span) = span {
                d.error(span, format!("`{key}` is for real time only"))
                    .hint("write scheduler = \"rr\" beside it");
            }
        }
        return kind.map(|_| Scheduling::Ordinary);
    };
    Some(Scheduling::Realtime {
        scheduler: make(priority.map_or(REALTIME_PRIORITY, |priority| priority.value)),
        limit: limit.map_or(REALTIME_LIMIT, |limit| limit.value),
    })
}

fn processors(t: &mut Table<'_>, d: &mut Diagnostics) -> Option<Vec<u16>> {
    let list = t.optional::<Vec<Located<u16>>>("processors", d)?;
    if list.value.is_empty() {
        d.error(list.span, "`processors`: it needs one at least");
    }
    if let Some(wrong) = list.value.iter().find(|processor| processor.value >= PROCESSORS) {
        d.error(wrong.span, format!("`processors`: they are numbered from 0 to {}", PROCESSORS - 1));
    }
    let mut processors: Vec<u16> = list.value.into_iter().map(|processor| processor.value).collect();
    processors.sort_unstable();
    processors.dedup();
    Some(processors)
}

impl Surroundings {
    /// With what is said for all processes where nothing is said for this one.
    #[must_use]
    pub fn or(&self, all: &Self) -> Self {
        let namespace = self.namespace.as_ref().or(all.namespace.as_ref()).cloned();
        Self { namespace, resources: self.resources.or(&all.resources) }
    }

    /// Moves into the namespace. To be called once, before anything is opened.
    ///
    /// # Errors
    /// There is none of this name, or no permission.
    pub fn enter(&self) -> Result<(), NamespaceError> {
        let Some(name) = &self.namespace else { return Ok(()) };
        namespace::enter(name)?;
        log::info!("network namespace entered namespace={name}");
        Ok(())
    }

    /// Says no to a reload that would move a process to another namespace: its sockets cannot go along.
    ///
    /// # Errors
    /// In words.
    pub fn allow(&self, next: &Self) -> Result<(), String> {
        if self.namespace == next.namespace {
            return Ok(());
        }
        let name = |s: &Self| s.namespace.clone().unwrap_or_else(|| "none".to_owned());
        Err(format!(
            "network_namespace {} -> {}: a process cannot move while it runs; restart holdfastd for it",
            name(self),
            name(next)
        ))
    }
}

/// What the kernel was asked for, and what it refused.
#[derive(Debug, Default)]
pub struct Favour {
    resources: Resources,
    refused: Vec<String>,
}

impl Favour {
    /// Asks for what differs; what is refused is told and gone without.
    pub fn change(&mut self, resources: Resources) {
        if resources == self.resources {
            return;
        }
        let refused = resources.apply(&self.resources);
        self.refused = refused.iter().map(ToString::to_string).collect();
        for refused in &self.refused {
            log::warn!("{refused}; going on without");
        }
        self.resources = resources;
    }

    /// What was refused, in words, for the status.
    #[must_use]
    pub fn refused(&self) -> &[String] {
        &self.refused
    }
}

/// Something that the kernel refused.
#[derive(Debug)]
pub struct Refused {
    key: &'static str,
    wanted: String,
    needs: &'static str,
    error: io::Error,
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "resources: the kernel refuses {} {}: {}", self.key, self.wanted, self.error)?;
        let denied = matches!(self.error.raw_os_error(), Some(libc::EPERM | libc::EACCES | libc::ENOMEM));
        if denied && !self.needs.is_empty() { write!(f, " ({} is missing)", self.needs) } else { Ok(()) }
    }
}

impl Resources {
    /// With what is said for all processes where nothing is said for this one.
    #[must_use]
    pub fn or(&self, all: &Self) -> Self {
        Self {
            scheduling: self.scheduling.or(all.scheduling),
            nice: self.nice.or(all.nice),
            lock_memory: self.lock_memory.or(all.lock_memory),
            processors: self.processors.as_ref().or(all.processors.as_ref()).cloned(),
            out_of_memory: self.out_of_memory.or(all.out_of_memory),
            files: self.files.or(all.files),
        }
    }

    /// With what a process asks for, where nothing is said, that the others' work is not to delay.
    #[must_use]
    pub fn prompt(self) -> Self {
        Self { scheduling: self.scheduling.or(Some(Scheduling::Prompt)), ..self }
    }

    /// What a reload changes, in words; empty where it changes nothing.
    #[must_use]
    pub fn changes(&self, next: &Self) -> String {
        let differing = differing(self, next);
        let words = differing.map(|Ask { key, word, .. }| format!("{key} {} -> {}", word(self), word(next)));
        words.collect::<Vec<_>>().join(", ")
    }

    /// Asks the kernel for what differs from `before`; what it refuses is gone without.
    pub fn apply(&self, before: &Self) -> Vec<Refused> {
        kernel::remember();
        let refused = differing(self, before).filter_map(|ask| {
            let error = (ask.ask)(self).err()?;
            Some(Refused { key: ask.key, wanted: (ask.word)(self), needs: ask.needs, error })
        });
        refused.collect()
    }
}

/// Something the kernel is asked for.
struct Ask {
    key: &'static str,
    /// The capability it takes.
    needs: &'static str,
    /// What is asked for, in words.
    word: fn(&Resources) -> String,
    ask: fn(&Resources) -> io::Result<()>,
}

const ASKS: [Ask; 6] = [
    Ask {
        key: "scheduler",
        needs: "CAP_SYS_NICE",
        word: |r| word(r.scheduling.as_ref()),
        ask: |r| ask_scheduling(r.scheduling),
    },
    Ask {
        key: "nice",
        needs: "CAP_SYS_NICE",
        word: |r| word(r.nice.as_ref()),
        ask: |r| kernel::set_nice(r.nice),
    },
    Ask {
        key: "lock_memory",
        needs: "CAP_IPC_LOCK",
        word: |r| word(r.lock_memory.as_ref()),
        ask: |r| kernel::lock_memory(r.lock_memory == Some(true)),
    },
    Ask {
        key: "processors",
        needs: "CAP_SYS_NICE",
        word: |r| word(r.processors.as_ref().map(|processors| format!("{processors:?}")).as_ref()),
        ask: |r| kernel::set_processors(r.processors.as_deref()),
    },
    Ask {
        key: "oom_score_adjust",
        needs: "CAP_SYS_RESOURCE",
        word: |r| word(r.out_of_memory.as_ref()),
        ask: |r| kernel::set_out_of_memory(r.out_of_memory),
    },
    Ask {
        key: "open_files",
        needs: "CAP_SYS_RESOURCE",
        word: |r| word(r.files.as_ref()),
        ask: |r| kernel::limit_files(r.files),
    },
];

fn differing<'a>(one: &'a Resources, other: &'a Resources) -> impl Iterator<Item = &'static Ask> + 'a {
    ASKS.iter().filter(|ask| (ask.word)(one) != (ask.word)(other))
}

fn word(value: Option<&impl fmt::Display>) -> String {
    value.map_or_else(|| "unset".to_owned(), ToString::to_string)
}

fn ask_scheduling(scheduling: Option<Scheduling>) -> io::Result<()> {
    match scheduling {
        Some(Scheduling::Realtime { scheduler, limit }) => {
            // The limit first: real time without one can take a processor away for good.
            kernel::limit_realtime(Some(u64::try_from(limit.as_micros()).unwrap_or(u64::MAX)))?;
            kernel::set_scheduler(Some(scheduler))
        }
        given => {
            match given {
                Some(Scheduling::Prompt) => kernel::shorten_turns(),
                Some(_) => kernel::set_scheduler(Some(Scheduler::Other)),
                None => kernel::set_scheduler(None),
            }?;
            kernel::limit_realtime(None)
        }
    }
}

impl fmt::Display for Scheduling {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (word, priority, limit) = match self {
            Self::Ordinary | Self::Realtime { scheduler: Scheduler::Other, .. } => {
                return f.write_str("other");
            }
            Self::Prompt => return f.write_str("default"),
            Self::Realtime { scheduler: Scheduler::RoundRobin(priority), limit } => ("rr", priority, limit),
            Self::Realtime { scheduler: Scheduler::Fifo(priority), limit } => ("fifo", priority, limit),
        };
        write!(f, "{word} {priority} within {limit:?}")
    }
}

#[cfg(test)]
mod tests;
