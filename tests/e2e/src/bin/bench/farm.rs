//! Many services for both makes, each told in its own words; and both makes without IPVS, on this machine's kernel.

use std::fmt::Write;
use std::path::PathBuf;
use std::time::Duration;

use lab::{Netns, Process, Program, Result, TempDir};

use crate::director::Make;

/// What is asked of every server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Tcp,
    Http,
    Https,
}

/// Services with equally many servers each. All servers are addresses of the loopback interface.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Farm {
    pub(crate) services: usize,
    pub(crate) servers: usize,
    pub(crate) kind: Kind,
    /// Between two attempts of a check.
    pub(crate) interval: Duration,
    /// Further attempts, a second apart, before a failure counts.
    pub(crate) retries: u32,
    /// The weight of the last server of the last service; all others have 1.
    pub(crate) last_weight: u32,
    /// Whether the kernel's table is programmed.
    pub(crate) ipvs: bool,
}

impl Farm {
    /// A thousand services of ten servers that are checked so seldom that it does not count.
    pub(crate) fn large() -> Self {
        let interval = Duration::from_secs(600);
        Self {
            services: 1000,
            servers: 10,
            kind: Kind::Tcp,
            interval,
            retries: 0,
            last_weight: 1,
            ipvs: true,
        }
    }

    pub(crate) fn service(number: usize) -> (String, u16) {
        (format!("10.1.{}.{}", number / 250, number % 250 + 1), 80)
    }

    pub(crate) fn server(service: usize, number: usize) -> String {
        format!("127.{}.{}.{}", 1 + number, service / 250, service % 250 + 1)
    }

    fn port(self) -> u16 {
        if self.kind == Kind::Https { 443 } else { 80 }
    }

    fn weight(self, service: usize, server: usize) -> u32 {
        if service + 1 == self.services && server + 1 == self.servers { self.last_weight } else { 1 }
    }

    /// The file of a make.
    pub(crate) fn config(self, make: Make) -> String {
        match make {
            Make::Holdfast => self.ours(),
            Make::Keepalived => self.theirs(),
        }
    }

    fn ours(self) -> String {
        let mut file = if self.ipvs { String::new() } else { "[checker]\nipvs = false\n".to_owned() };
        let (interval, retries) = (self.interval.as_secs(), self.retries);
        let check = match self.kind {
            Kind::Tcp => "type = \"tcp\"",
            Kind::Http => "type = \"http\", path = \"/\", status = [200]",
            Kind::Https => "type = \"https\", path = \"/\", status = [200]",
        };
        // Writing into a String cannot fail.
        for number in 0..self.services {
            let (address, port) = Self::service(number);
            let _ = writeln!(
                file,
                "[[virtual_server]]\naddress = \"{address}:{port}\"\nprotocol = \"tcp\"\nscheduler = \"rr\"\n\
                 forward = \"nat\"\ncheck = {{ {check}, interval = \"{interval}s\", retries = {retries}, \
                 retry_delay = \"1s\" }}"
            );
            for place in 0..self.servers {
                let _ = writeln!(
                    file,
                    "[[virtual_server.real_server]]\naddress = \"{}:{}\"\nweight = {}",
                    Self::server(number, place),
                    self.port(),
                    self.weight(number, place)
                );
            }
        }
        file
    }

    fn theirs(self) -> String {
        let mut file = lab::keepalived::header();
        let retries = self.retries;
        let tail = format!("connect_timeout 5\n   retry {retries}\n   delay_before_retry 1\n  }}");
        let check = match self.kind {
            Kind::Tcp => format!("TCP_CHECK {{\n   {tail}"),
            Kind::Http => format!("HTTP_GET {{\n   {URL}\n   {tail}"),
            Kind::Https => format!("SSL_GET {{\n   {URL}\n   {tail}"),
        };
        for number in 0..self.services {
            let (address, port) = Self::service(number);
            let _ = writeln!(
                file,
                "virtual_server {address} {port} {{\n lb_algo rr\n lb_kind NAT\n protocol TCP\n delay_loop {}",
                self.interval.as_secs()
            );
            for place in 0..self.servers {
                let _ = writeln!(
                    file,
                    " real_server {} {} {{\n  weight {}\n  {check}\n }}",
                    Self::server(number, place),
                    self.port(),
                    self.weight(number, place)
                );
            }
            file.push_str("}\n");
        }
        file
    }
}

const URL: &str = "url {\n    path /\n    status_code 200\n   }";

/// The source of a library that makes keepalived believe that the kernel has IPVS and carries everything out.
const STAND_IN: &str = include_str!("stand_in.c");

/// A make's checks on this machine's kernel, which need not have IPVS: Holdfast is told so, and keepalived's requests
/// are answered without asking the kernel, which is to its advantage.
#[derive(Debug)]
pub(crate) struct Running {
    pub(crate) process: Process,
    folder: TempDir,
    make: Make,
}

impl Running {
    pub(crate) fn start(make: Make, host: &Netns, config: &str) -> Result<Self> {
        let folder = TempDir::new()?;
        let file = folder.write("config", config)?.to_string_lossy().into_owned();
        let mut argv = command(make, &file, &folder)?;
        if make == Make::Keepalived {
            let library = stand_in(&folder)?;
            argv.splice(0..0, ["env".to_owned(), format!("LD_PRELOAD={}", library.to_string_lossy())]);
        }
        let argv: Vec<&str> = argv.iter().map(String::as_str).collect();
        let process = Process::start(host, &argv, &folder.path().join("log"))?;
        Ok(Self { process, folder, make })
    }

    pub(crate) fn write(&self, config: &str) -> Result {
        self.folder.write("config", config).map(drop)
    }

    /// The process that checks: the last child of both.
    pub(crate) fn checker(&self) -> Result<i32> {
        let is_it = |pid: &i32| {
            let words = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
            let words = String::from_utf8_lossy(&words).into_owned();
            self.make == Make::Keepalived || words.contains("checker")
        };
        let found = self.process.tree().into_iter().rfind(is_it);
        found.ok_or_else(|| "no process that checks".into())
    }
}

fn stand_in(folder: &TempDir) -> Result<PathBuf> {
    let source = folder.write("stand_in.c", STAND_IN)?;
    let library = folder.path().join("stand_in.so");
    lab::run(&[
        "gcc".as_ref(),
        "-shared".as_ref(),
        "-fPIC".as_ref(),
        "-o".as_ref(),
        library.as_os_str(),
        source.as_os_str(),
    ])?;
    Ok(library)
}

/// How a make is started in the foreground.
pub(crate) fn command(make: Make, file: &str, folder: &TempDir) -> Result<Vec<String>> {
    let path = |name: &str| folder.path().join(name).to_string_lossy().into_owned();
    let words = match make {
        Make::Holdfast => {
            let daemon = lab::program(Program::Holdfastd)?.to_string_lossy().into_owned();
            let run = path("run");
            std::fs::create_dir_all(&run)?;
            let options =
                ["-n", "-c", file, "--run-dir", &run, "--log-level", "info", "--log-target", "stderr"];
            [&[daemon.as_str()], &options[..]].concat().into_iter().map(str::to_owned).collect()
        }
        Make::Keepalived => {
            let (pid, checkers, vrrp) = (path("pid"), path("checkers.pid"), path("vrrp.pid"));
            // Without `-G` it also writes every line to the console of a machine that has no syslog.
            let options = ["-n", "-l", "-G", "-f", file, "-p", &pid, "-c", &checkers, "-r", &vrrp];
            [&["keepalived"], &options[..]].concat().into_iter().map(str::to_owned).collect()
        }
    };
    Ok(words)
}
