//! The three directors, the servers they share, and the steps.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::time::Duration;

use lab::{Error, Holdfast, Lan, Netns, Process, Program, Result, TempDir, wait};
use nix::sys::signal::Signal;

use crate::backends::{Backend, Speaks};
use crate::scenario::{Deed, Places, Scenario, Step};

/// How long they may take to do what a step asks for.
const LIMIT: Duration = Duration::from_secs(240);
/// How long the tables must stay so.
const QUIET: Duration = Duration::from_secs(3);
/// The same at the end: longer than a check with its retry.
const FINAL: Duration = Duration::from_secs(12);
/// What stands before all scenarios, in both languages.
pub const GLOBAL: (&str, &str) = (
    "global_defs {
        script_user root
        lvs_flush
        lvs_flush_on_stop
        lvs_timeouts tcp 700 tcpfin 70 udp 200
        checker_priority -3
        checker_no_swap
    }
    ",
    "[global]
    script_user = \"root\"
    [watchdog]
    hello_timeout = \"60s\"
    [checker]
    flush_at_start = true
    flush_at_stop = true
    timeouts = { tcp = \"700s\", tcp_fin = \"70s\", udp = \"200s\" }
    resources = { nice = -3, lock_memory = true }
    ",
);
/// A service of somebody else.
const FOREIGN: &str = "203.0.113.9:80";
/// From one look to the next.
const PAUSE: Duration = Duration::from_secs(1);
/// The numbers of servers that have an address.
const SERVERS: std::ops::RangeInclusive<usize> = 1..=5;

/// What runs on a director.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Make {
    Keepalived,
    /// As it is told in the scenarios.
    Holdfast,
    /// As `holdfast convert` writes it from keepalived's text.
    Converted,
}

/// One of the three: its host, and the folder of its scripts and files.
struct Side {
    make: Make,
    name: &'static str,
    address: &'static str,
    director: Netns,
    folder: TempDir,
}

/// All of them, and what they share.
pub struct Twins {
    scenarios: Vec<Scenario>,
    /// Those whose second configuration is loaded.
    reloaded: Vec<bool>,
    backends: BTreeMap<(usize, usize), Backend>,
    servers: Netns,
    left: Side,
    right: Side,
    converted: Side,
    files: TempDir,
    keepalived: Option<Process>,
    holdfast: Option<Holdfast>,
    from_converter: Option<Holdfast>,
    _lan: Lan,
}

impl Side {
    fn new(lan: &Lan, make: Make, name: &'static str, number: usize) -> Result<Self> {
        let address =
            ["10.0.0.1", "10.0.0.2", "10.0.0.3"].get(number - 1).copied().ok_or("three directors")?;
        let director = lan.host(name, &[&format!("{address}/24"), &format!("2001:db8::{number}/64")])?;
        Ok(Self { make, name, address, director, folder: TempDir::new()? })
    }

    fn places(&self, number: usize) -> Places {
        Places { number, folder: self.folder.path().to_string_lossy().into_owned(), own: self.address }
    }

    fn write(&self, number: usize, name: &str, text: &str) -> Result {
        // Moved into place: a reader sees the old text or the new one.
        let path = self.folder.write(&format!("{number}/{name}.new"), text)?;
        Ok(std::fs::rename(&path, path.with_extension(""))?)
    }

    /// What the scripts of a scenario wrote.
    fn said(&self, number: usize) -> Vec<String> {
        let path = self.folder.path().join(format!("{number}/said"));
        std::fs::read_to_string(path).unwrap_or_default().lines().map(str::to_owned).collect()
    }

    fn saved(&self) -> Result<String> {
        self.director.run(&["ipvsadm", "-S", "-n"])
    }
}

impl Twins {
    pub fn new(scenarios: Vec<Scenario>) -> Result<Self> {
        assert!(lab::uml::in_guest(), "this would change the machine's own table");
        let lan = Lan::new()?;
        let left = Side::new(&lan, Make::Keepalived, "keepalived", 1)?;
        let right = Side::new(&lan, Make::Holdfast, "holdfast", 2)?;
        let converted = Side::new(&lan, Make::Converted, "converted", 3)?;
        let own: Vec<String> = SERVERS
            .flat_map(|number| [format!("10.0.0.2{number}/24"), format!("2001:db8::2{number}/64")])
            .collect();
        let servers = lan.host("servers", &own.iter().map(String::as_str).collect::<Vec<_>>())?;
        let files = TempDir::new()?;
        lab::self_signed(&files, "/CN=server.example", &[])?;
        let mut twins = Self {
            reloaded: vec![false; scenarios.len()],
            scenarios,
            backends: BTreeMap::new(),
            servers,
            left,
            right,
            converted,
            files,
            keepalived: None,
            holdfast: None,
            from_converter: None,
            _lan: lan,
        };
        for number in 0..twins.scenarios.len() {
            twins.prepare(number)?;
        }
        Ok(twins)
    }

    /// The directors; who is looked at first has the least time.
    fn sides(&self) -> [&Side; 3] {
        [&self.right, &self.converted, &self.left]
    }

    fn prepare(&mut self, number: usize) -> Result {
        for side in self.sides() {
            side.folder.write(&format!("{number}/said"), "")?;
            // What notify commands run: their words go to the file that is compared.
            let script = "#!/bin/sh\necho \"$*\" >>\"${0%/*}/said\"\n";
            let path = side.folder.write(&format!("{number}/tell"), script)?;
            lab::run(&["chmod", "755", &path.to_string_lossy()])?;
            // What checks run: it ends with the status that the file says.
            let script = "#!/bin/sh\nread -r status <\"${0%/*}/status\"\nexit \"$status\"\n";
            let path = side.folder.write(&format!("{number}/judge"), script)?;
            lab::run(&["chmod", "755", &path.to_string_lossy()])?;
            side.write(number, "status", "0\n")?;
            side.write(number, "number", "0\n")?;
        }
        let backends = self.scenarios.get(number).map_or(0, |scenario| scenario.backends.len());
        (1..=backends).try_for_each(|server| self.start_server(number, server))
    }

    fn start_server(&mut self, number: usize, server: usize) -> Result {
        let scenario = self.scenarios.get(number).ok_or("no such scenario")?;
        let speaks = *scenario.backends.get(server - 1).ok_or("no such server")?;
        let places = self.right.places(number);
        let address = match speaks {
            Speaks::Http6 => format!("[2001:db8::2{server}]:{}", places.port()),
            _ => format!("{}:{}", places.server(server), places.port()),
        };
        let backend = Backend::start(&self.servers, speaks, &address, &self.files)
            .map_err(|error| Error::new(format!("{}: server {server}: {error}", scenario.name)))?;
        self.backends.insert((number, server), backend);
        Ok(())
    }

    /// The file that a director is given.
    fn text(&self, side: &Side) -> Result<String> {
        let mut text = match side.make {
            Make::Keepalived | Make::Converted => GLOBAL.0.to_owned(),
            Make::Holdfast => GLOBAL.1.to_owned(),
        };
        for (number, scenario) in self.scenarios.iter().enumerate() {
            let now = if self.reloaded.get(number) == Some(&true) { scenario.reloaded } else { None };
            let (theirs, ours) = now.unwrap_or((scenario.keepalived, scenario.holdfast));
            let places = side.places(number);
            let one = match side.make {
                Make::Keepalived | Make::Converted => places.keepalived(theirs),
                Make::Holdfast => places.fill(ours),
            };
            text.push_str(&format!("# {}\n{one}\n", scenario.name));
        }
        if side.make == Make::Converted {
            let file = side.folder.write("keepalived.conf", &text)?;
            let command = lab::program(Program::Holdfast)?;
            let argv = [command.as_os_str(), OsStr::new("convert"), file.as_os_str()];
            // Whatever is lost makes it fail.
            text = lab::run(&argv)?;
            text.push_str("\n[watchdog]\nhello_timeout = \"60s\"\n");
        }
        Ok(text)
    }

    pub fn start(&mut self) -> Result {
        for side in self.sides() {
            side.director.run(&["ipvsadm", "-A", "-t", FOREIGN, "-s", "rr"])?;
        }
        let file = self.left.folder.write("keepalived.conf", &self.text(&self.left)?)?;
        let place = |name: &str| self.left.folder.path().join(name).to_string_lossy().into_owned();
        let (file, pid, child) = (file.to_string_lossy(), place("pid"), place("child"));
        let argv = ["keepalived", "-n", "-l", "-G", "-D", "-C", "-f", &file, "-p", &pid, "-c", &child];
        let log = self.left.folder.path().join("log");
        self.keepalived = Some(Process::start(&self.left.director, &argv, &log)?);
        self.holdfast = Some(Holdfast::start(&self.right.director, &self.text(&self.right)?)?);
        self.from_converter = Some(Holdfast::start(&self.converted.director, &self.text(&self.converted)?)?);
        Ok(())
    }

    fn reload(&mut self) -> Result {
        self.left.folder.write("keepalived.conf", &self.text(&self.left)?)?;
        self.keepalived.as_ref().ok_or("keepalived does not run")?.signal(Signal::SIGHUP)?;
        for (side, holdfast) in [(&self.right, &self.holdfast), (&self.converted, &self.from_converter)] {
            let done = holdfast.as_ref().ok_or("Holdfast does not run")?.reload(&self.text(side)?)?;
            assert_eq!(done.code, Some(0), "{}: {}{}", side.name, done.stdout, done.stderr);
        }
        Ok(())
    }

    /// How many steps the longest scenario has.
    pub fn steps(&self) -> usize {
        self.scenarios.iter().map(|scenario| scenario.steps.len()).max().unwrap_or_default()
    }

    /// What happens in a step, in all scenarios.
    pub fn act(&mut self, step: usize) -> Result {
        let mut reload = false;
        for number in 0..self.scenarios.len() {
            let deeds = self.scenarios.get(number).and_then(|scenario| scenario.steps.get(step));
            for deed in deeds.map_or(&[][..], |step| step.deeds) {
                let places = self.right.places(number);
                match *deed {
                    Deed::Dies(server) => drop(self.backends.remove(&(number, server))),
                    Deed::Returns(server) => self.start_server(number, server)?,
                    Deed::Answers(server, status) => {
                        self.backends.get(&(number, server)).ok_or("no such server")?.answers(status)?;
                    }
                    Deed::Unplugs(server) => {
                        self.servers.ip(&format!("addr del {}/24 dev eth0", places.server(server)))?;
                    }
                    Deed::Plugs(server) => {
                        self.servers.ip(&format!("addr add {}/24 dev eth0", places.server(server)))?;
                    }
                    Deed::Writes(name, text) => {
                        for side in self.sides() {
                            side.write(number, name, text)?;
                        }
                    }
                    Deed::Reload => {
                        *self.reloaded.get_mut(number).ok_or("no such scenario")? = true;
                        reload = true;
                    }
                }
            }
        }
        if reload { self.reload() } else { Ok(()) }
    }

    /// Waits until all tables are as they should be, and then looks whether they stay so.
    pub fn compare(&self, step: usize) -> Result {
        let wrong = || self.differences(step);
        let quiet = if step + 1 == self.steps() { FINAL } else { QUIET };
        let last = || wrong().unwrap_or_default().join("\n");
        // A look starts two processes, which is much work in the test kernel: those who are watched need it more.
        let right = || {
            wait::pause(PAUSE);
            Ok(wrong()?.is_empty())
        };
        let settled = wait::until("the tables", LIMIT, right);
        let stays = settled.and_then(|()| wait::stays("the tables", quiet, right));
        stays.map_err(|error| {
            let ends = self.keepalived.as_ref().map(|process| process.log().tail(80)).unwrap_or_default();
            let tail = |holdfast: &Option<Holdfast>| {
                holdfast.as_ref().map(|holdfast| holdfast.log().tail(80)).unwrap_or_default()
            };
            Error::new(format!(
                "step {step}: {error}\n{}\n\nkeepalived:\n{ends}\n\nHoldfast:\n{}\n\nconverted:\n{}",
                last(),
                tail(&self.holdfast),
                tail(&self.from_converter)
            ))
        })
    }

    fn differences(&self, step: usize) -> Result<Vec<String>> {
        let mut wrong = Vec::new();
        for side in self.sides() {
            let saved = side.saved()?;
            for (number, scenario) in self.scenarios.iter().enumerate() {
                // Who has no more steps stays as he is.
                let Some(Step { table, .. }) = scenario.steps.get(step).or(scenario.steps.last()) else {
                    continue;
                };
                let places = side.places(number);
                let (wanted, said) = places.table(scenario, table);
                let have = (places.own(scenario, &saved), side.said(number));
                if have != (wanted.clone(), said.clone()) {
                    wrong.push(format!(
                        "{}, {}:\n  is      {:?} {:?}\n  not yet {wanted:?} {said:?}",
                        scenario.name, side.name, have.0, have.1
                    ));
                }
            }
        }
        Ok(wrong)
    }

    /// What is no entry of the table: the kernel's time-outs, what was there before, and nice values.
    pub fn compare_the_rest(&self) -> Result {
        for side in self.sides() {
            let told = side.director.run(&["ipvsadm", "-L", "--timeout"])?;
            assert_eq!(told.trim(), "Timeout (tcp tcpfin udp): 700 70 200", "{}", side.name);
            assert!(!side.saved()?.contains(FOREIGN), "{} leaves what was there", side.name);
        }
        let theirs = self.keepalived.as_ref().and_then(|it| lab::children(it.pid()).first().copied());
        let mut checkers = vec![theirs];
        for holdfast in [&self.holdfast, &self.from_converter] {
            checkers.push(holdfast.as_ref().and_then(|it| it.running_child("checker")));
        }
        for pid in checkers {
            let told = crate::routers::of_process(pid.ok_or("a process of checks")?);
            assert!(told.starts_with("process nice -3 ") && told.contains(" memory locked"), "{told}");
        }
        Ok(())
    }

    /// All stop; nothing is left, not even of others.
    pub fn stop(mut self) -> Result {
        for side in self.sides() {
            side.director.run(&["ipvsadm", "-A", "-t", FOREIGN, "-s", "rr"])?;
        }
        let mut keepalived = self.keepalived.take().ok_or("keepalived does not run")?;
        keepalived.signal(Signal::SIGTERM)?;
        for holdfast in [self.holdfast.take(), self.from_converter.take()] {
            assert_eq!(holdfast.ok_or("Holdfast does not run")?.stop()?, 0);
        }
        keepalived.wait_exit(LIMIT)?;
        for side in self.sides() {
            assert_eq!(side.saved()?, "", "{}", side.name);
        }
        Ok(())
    }
}
