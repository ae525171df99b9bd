//! Debian's keepalived in a host: the peer every user already has.

use std::fmt::Write;
use std::time::Duration;

use nix::sys::signal::Signal;

use crate::{Error, Log, Netns, Process, Result, TempDir};

/// A running keepalived (its VRRP half only: its other half needs IPVS).
#[derive(Debug)]
pub struct Keepalived {
    process: Process,
    folder: TempDir,
}

/// A `vrrp_instance` in keepalived's words.
#[derive(Debug, Clone)]
pub struct Instance {
    /// Its name; `VI_1` unless told.
    pub name: String,
    /// `BACKUP` unless told.
    pub state: String,
    /// `eth0` unless told.
    pub interface: String,
    /// The virtual router.
    pub vrid: u8,
    /// The priority.
    pub priority: u8,
    /// The interval as it stands in the file: seconds, with a fraction for version 3.
    pub interval: String,
    /// 2 or 3.
    pub version: u8,
    /// The password of PASS authentication.
    pub password: Option<String>,
    /// The virtual addresses.
    pub addresses: Vec<String>,
    /// More lines inside the block, such as `nopreempt`.
    pub extra: Vec<String>,
}

impl Instance {
    /// VRRP version 2, no authentication, 1 s.
    #[must_use]
    pub fn v2(vrid: u8, priority: u8, address: &str) -> Self {
        Self {
            name: "VI_1".into(),
            state: "BACKUP".into(),
            interface: "eth0".into(),
            vrid,
            priority,
            interval: "1".into(),
            version: 2,
            password: None,
            addresses: vec![address.into()],
            extra: Vec::new(),
        }
    }

    /// VRRP version 3, 1 s.
    #[must_use]
    pub fn v3(vrid: u8, priority: u8, address: &str) -> Self {
        Self { version: 3, ..Self::v2(vrid, priority, address) }
    }

    /// With PASS authentication.
    #[must_use]
    pub fn password(self, password: &str) -> Self {
        Self { password: Some(password.into()), ..self }
    }

    /// With another interval.
    #[must_use]
    pub fn interval(self, seconds: &str) -> Self {
        Self { interval: seconds.into(), ..self }
    }

    /// With one more line inside the block.
    #[must_use]
    pub fn extra(mut self, line: &str) -> Self {
        self.extra.push(line.into());
        self
    }

    /// The block alone, for a file with several.
    #[must_use]
    pub fn block(&self) -> String {
        let mut text = String::new();
        // Writing into a String cannot fail.
        let _ = writeln!(text, "vrrp_instance {} {{", self.name);
        let _ = writeln!(text, "  state {}\n  interface {}", self.state, self.interface);
        let _ = writeln!(text, "  virtual_router_id {}\n  priority {}", self.vrid, self.priority);
        let _ = writeln!(text, "  advert_int {}\n  version {}", self.interval, self.version);
        if let Some(password) = &self.password {
            let _ = writeln!(text, "  authentication {{\n    auth_type PASS\n    auth_pass {password}\n  }}");
        }
        let _ = writeln!(text, "  virtual_ipaddress {{\n    {}\n  }}", self.addresses.join("\n    "));
        for line in &self.extra {
            let _ = writeln!(text, "  {line}");
        }
        text.push_str("}\n");
        text
    }

    /// A whole file with this instance.
    #[must_use]
    pub fn config(&self) -> String {
        format!("{}{}", header(), self.block())
    }
}

/// The head of a file: scripts as root, since the lab's hosts have no other user.
#[must_use]
pub fn header() -> String {
    "global_defs {\n  script_user root\n}\n".to_owned()
}

fn program() -> Result<String> {
    let program = std::env::var("LAB_KEEPALIVED").unwrap_or_else(|_| "keepalived".into());
    if !program.contains('/') {
        crate::command::find(&program)?;
    }
    Ok(program)
}

impl Keepalived {
    /// Starts keepalived's VRRP half with this configuration: the one of the distribution, or `LAB_KEEPALIVED`.
    #[track_caller]
    pub fn start(host: &Netns, config: &str) -> Result<Self> {
        Self::start_program(&program()?, host, config, &["-D"])
    }

    /// The same without details in its log, as an operator would run it: for measurements.
    #[track_caller]
    pub fn start_terse(host: &Netns, config: &str) -> Result<Self> {
        Self::start_program(&program()?, host, config, &[])
    }

    /// Starts one of version 2.4 or later, which knows what Debian's does not: the program `LAB_KEEPALIVED_NEW` names.
    #[track_caller]
    pub fn start_new(host: &Netns, config: &str) -> Result<Self> {
        let program = std::env::var("LAB_KEEPALIVED_NEW")
            .map_err(|_| Error::new("LAB_KEEPALIVED_NEW does not name a keepalived 2.4"))?;
        Self::start_program(&program, host, config, &["-D"])
    }

    fn start_program(program: &str, host: &Netns, config: &str, options: &[&str]) -> Result<Self> {
        let folder = TempDir::new()?;
        let file = folder.write("keepalived.conf", config)?;
        let place = |name: &str| folder.path().join(name).to_string_lossy().into_owned();
        let file = file.to_string_lossy();
        let (pid, vrrp_pid, log) = (place("pid"), place("vrrp.pid"), folder.path().join("log"));
        // Without `-G` it also writes every line to the console of a machine that has no syslog, which takes its time.
        let argv = [program, "-n", "-l", "-G", "--vrrp", "-f", &file, "-p", &pid, "-r", &vrrp_pid];
        let process = Process::start(host, &[&argv, options].concat(), &log)?;
        Ok(Self { process, folder })
    }

    /// What it wrote.
    #[must_use]
    pub fn log(&self) -> &Log {
        self.process.log()
    }

    /// The process, for signals and waits.
    #[must_use]
    pub fn process(&mut self) -> &mut Process {
        &mut self.process
    }

    /// The process id of its first process.
    #[must_use]
    pub fn pid(&self) -> i32 {
        self.process.pid()
    }

    /// The last state an instance entered: `MASTER`, `BACKUP` or `FAULT`.
    #[must_use]
    pub fn state(&self, instance: &str) -> Option<String> {
        self.transitions(instance).pop()
    }

    /// Every state an instance entered, in order.
    #[must_use]
    pub fn transitions(&self, instance: &str) -> Vec<String> {
        let start = format!("({instance}) Entering ");
        let text = self.log().text();
        let entered = |line: &str| {
            let (_, rest) = line.split_once(&start)?;
            rest.split_whitespace().next().map(str::to_owned)
        };
        text.lines().filter_map(entered).collect()
    }

    /// Waits until an instance is in a state.
    #[track_caller]
    pub fn wait_state(&self, instance: &str, state: &str, limit: Duration) -> Result {
        crate::wait::until(&format!("keepalived's {instance} to be {state}"), limit, || {
            Ok(self.state(instance).as_deref() == Some(state))
        })
        .map_err(|error| Error::new(format!("{error}; its log ends:\n{}", self.log().tail(30))))
    }

    /// Replaces the configuration and reloads it.
    pub fn reload(&self, config: &str) -> Result {
        self.folder.write("keepalived.conf", config)?;
        self.process.signal(Signal::SIGHUP)
    }

    /// An orderly stop: SIGTERM, and the end waited for.
    #[track_caller]
    pub fn stop(mut self) -> Result {
        self.process.signal(Signal::SIGTERM)?;
        self.process.wait_exit(Duration::from_secs(10)).map(drop)
    }

    /// SIGKILL for all its processes at once.
    pub fn kill(mut self) -> Result {
        self.process.kill_tree()
    }
}
