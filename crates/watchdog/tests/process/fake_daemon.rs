//! A daemon for the process tests: the real watchdog over children, `one` and `two`, that misbehave on request.
//!
//! What a child does is in its table of the configuration (`start`, `prepare`, `commit`, `stop`), or asked for over
//! its socket (`spin`, `die`). It counts its incarnations in its checkpoint, and leaves a file when it stops in order.
#![forbid(unsafe_code)]

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;

use common::child::{self, App, AppCx, Inherited, StartError, Which};
use common::config::{Diagnostics, Document, Table};
use common::event_loop::{Drained, Readiness};
use common::exit::Exit;
use common::role::{Need, Role};
use common::surroundings::Surroundings;
use common::sys::inherit;
use serde_json::{Value, json};
use watchdog::{Announcer, Options};

const ROLES: &[Role] = &[
    Role {
        name: "one",
        parts: &[],
        check: |root, _, d| need(Manners::read("one", root, d).as_ref()),
        run: |inherited| run("one", inherited),
    },
    Role {
        name: "two",
        parts: &[],
        check: |root, _, d| need(Manners::read("two", root, d).as_ref()),
        run: |inherited| run("two", inherited),
    },
];

fn need(manners: Option<&Manners>) -> Need {
    if manners.is_some() { Need::Wanted } else { Need::Idle }
}

/// How a child behaves.
#[derive(Clone, Debug)]
struct Manners {
    word: String,
    start: String,
    prepare: String,
    commit: String,
    stop: String,
}

impl Manners {
    fn read(name: &'static str, root: &mut Table<'_>, d: &mut Diagnostics) -> Option<Self> {
        // The other one's table is his.
        let mut table = root.table(name, d)?;
        let mut word =
            |key: &'static str| table.optional::<String>(key, d).map_or("ok".to_owned(), |word| word.value);
        let manners = Self {
            word: word("word"),
            start: word("start"),
            prepare: word("prepare"),
            commit: word("commit"),
            stop: word("stop"),
        };
        table.finish(d);
        Some(manners)
    }

    fn of(name: &'static str, document: &Document) -> Self {
        let mut d = Diagnostics::new();
        let nobody = "nobody".to_owned();
        Self::read(name, &mut document.root(), &mut d).unwrap_or(Self {
            word: nobody.clone(),
            start: nobody.clone(),
            prepare: nobody.clone(),
            commit: nobody.clone(),
            stop: nobody,
        })
    }
}

fn run(name: &'static str, inherited: Inherited) -> Exit {
    let Ok(document) = inherited.config.document() else { return Exit::Failed };
    let manners = Manners::of(name, &document);
    let stopped_file = inherited.run_dir.join(format!("{name}.stopped"));
    child::run(
        inherited,
        Fake { name, manners, prepared: None, starts: 0, dirty: true, stopped: false, stopped_file },
    )
}

struct Fake {
    name: &'static str,
    manners: Manners,
    prepared: Option<Manners>,
    starts: u64,
    dirty: bool,
    stopped: bool,
    stopped_file: PathBuf,
}

impl Fake {
    fn behave(how: &str) -> Result<(), String> {
        match how {
            "die" => std::process::abort(),
            "spin" => loop {
                std::hint::spin_loop();
            },
            "refuse" => Err("it does not like it".to_owned()),
            _ => Ok(()),
        }
    }
}

impl App for Fake {
    type Key = ();

    fn start(&mut self, checkpoint: Option<Vec<u8>>, _: &mut AppCx<'_, ()>) -> Result<(), StartError> {
        let state = checkpoint.and_then(|state| String::from_utf8(state).ok());
        self.starts = state.as_ref().and_then(|state| state.parse().ok()).unwrap_or(0) + 1;
        let fault = |exit| StartError { exit, message: "as it was told to".to_owned() };
        match self.manners.start.as_str() {
            "config" => Err(fault(Exit::Config)),
            "permission" => Err(fault(Exit::Permission)),
            "fail" => Err(fault(Exit::Failed)),
            // The state of the predecessor is what kills it.
            "poisoned" if state.is_some() => Err(fault(Exit::Failed)),
            other => Self::behave(other).map_err(|_| fault(Exit::Failed)),
        }
    }

    fn ready(&mut self, (): (), _: Readiness, _: &mut AppCx<'_, ()>) -> Drained {
        Drained::Yes
    }

    fn timeout(&mut self, _: &mut AppCx<'_, ()>) {}

    fn surroundings(&self, _: Which) -> Surroundings {
        Surroundings::default()
    }

    fn poll_timeout(&self) -> Option<Instant> {
        None
    }

    fn progress(&self) -> Value {
        json!({ "starts": self.starts })
    }

    fn status(&mut self, _: Instant) -> Value {
        json!({ "word": self.manners.word, "starts": self.starts, "pid": std::process::id() })
    }

    fn checkpoint(&mut self) -> Option<Vec<u8>> {
        std::mem::take(&mut self.dirty).then(|| self.starts.to_string().into_bytes())
    }

    fn prepare(&mut self, _: &Document, document: &Document) -> Result<Value, String> {
        let new = Manners::of(self.name, document);
        Self::behave(&new.prepare)?;
        let change = if new.word == self.manners.word { "kept" } else { "changed" };
        let detail = format!("{} -> {}", self.manners.word, new.word);
        self.prepared = Some(new);
        Ok(json!([{ "object": format!("word {}", self.name), "change": change, "detail": detail }]))
    }

    fn commit(&mut self, _: &mut AppCx<'_, ()>) {
        if let Some(new) = self.prepared.take() {
            let _cannot_refuse = Self::behave(&new.commit);
            self.manners = new;
        }
    }

    fn abort(&mut self) {
        self.prepared = None;
    }

    fn request(
        &mut self,
        method: &str,
        _: &Value,
        _: Option<u32>,
        _: &mut AppCx<'_, ()>,
    ) -> Result<Value, String> {
        Self::behave(method)?;
        Err(format!("unknown method {method}"))
    }

    fn stop(&mut self, _: &mut AppCx<'_, ()>) {
        match self.manners.stop.as_str() {
            "ignore" => {}
            _ => {
                self.stopped = std::fs::write(&self.stopped_file, std::process::id().to_string()).is_ok();
            }
        }
    }

    fn stopped(&self) -> bool {
        self.stopped
    }
}

/// The arguments that the watchdog itself makes, and `--detach` for the operator's side of a daemon.
fn main() -> ExitCode {
    let mut options = Options {
        config: PathBuf::new(),
        run_dir: PathBuf::new(),
        only: None,
        log_level: log::LevelFilter::Debug.into(),
        log_target: common::log::Target::Stderr,
    };
    let (mut role, mut announce, mut detach) = (None, None, false);
    let mut args = std::env::args_os().skip(1);
    while let Some(arg) = args.next() {
        let mut value = || args.next().unwrap_or_default();
        let text = |value: OsString| value.into_string().unwrap_or_default();
        match arg.to_str().unwrap_or_default() {
            "--config" => options.config = value().into(),
            "--run-dir" => options.run_dir = value().into(),
            "--log-level" => options.log_level = text(value()).parse().unwrap_or(options.log_level),
            "--log-target" => {
                options.log_target = text(value()).parse().unwrap_or(common::log::Target::Stderr);
            }
            "--one-only" => options.only = Some("one"),
            "--role" => {
                let name = text(value());
                role = ROLES.iter().find(|role| role.name == name);
            }
            "--announce" => announce = text(value()).parse().ok().and_then(|fd| inherit::take(fd).ok()),
            "--detach" => detach = true,
            _ => return Exit::Config.into(),
        }
    }
    if detach {
        return watchdog::detach(&options).into();
    }
    if announce.is_some() && watchdog::leave_terminal().is_err() {
        return Exit::Failed.into();
    }
    let name = role.map_or("watchdog", |role| role.name);
    if common::log::init(name, &[], &options.log_level, &options.log_target).is_err() {
        return Exit::Failed.into();
    }
    match role {
        None => watchdog::run(&options, ROLES, Announcer::new(announce), None).into(),
        Some(role) => match Inherited::take(options.run_dir, role.name) {
            Ok(inherited) => (role.run)(inherited).into(),
            Err(_) => Exit::Failed.into(),
        },
    }
}
