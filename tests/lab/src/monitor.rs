//! `ip monitor`: every change of links, addresses, routes and neighbours that the kernel reports.

use std::time::Duration;

use crate::{Log, Netns, Process, Result, TempDir};

/// A running `ip monitor`, one event a line.
#[derive(Debug)]
pub struct Monitor {
    process: Process,
    _folder: TempDir,
}

impl Monitor {
    /// Starts to watch a host. `objects` as for `ip monitor`: `["address", "route"]`.
    #[track_caller]
    pub fn start(host: &Netns, objects: &[&str]) -> Result<Self> {
        let folder = TempDir::new()?;
        let mut argv = vec!["stdbuf", "-oL", "ip", "-o", "-ts", "monitor"];
        argv.extend(objects);
        let process = Process::start(host, &argv, &folder.path().join("monitor.log"))?;
        let monitor = Self { process, _folder: folder };
        monitor.ready(host)?;
        Ok(monitor)
    }

    /// Provokes events until the last one is seen: then nothing later can be missed, and nothing earlier comes late.
    #[track_caller]
    fn ready(&self, host: &Netns) -> Result {
        let mut round = 0;
        crate::wait::until("ip monitor to report", Duration::from_secs(10), || {
            round += 1;
            let (link, address) = (format!("hfmark{round}"), format!("127.255.255.{round}"));
            host.ip(&format!("link add {link} type veth peer name {link}p"))?;
            host.ip(&format!("link del {link}"))?;
            host.ip(&format!("addr add {address}/32 dev lo"))?;
            host.ip(&format!("addr del {address}/32 dev lo"))?;
            let text = self.log().text();
            Ok(text
                .lines()
                .any(|line| line.contains("Deleted") && (line.contains(&link) || line.contains(&address))))
        })
    }

    /// What it wrote, for waiting and counting.
    #[must_use]
    pub fn log(&self) -> &Log {
        self.process.log()
    }

    /// The events after a mark.
    #[must_use]
    pub fn lines_from(&self, mark: usize) -> Vec<String> {
        self.log().text_from(mark).lines().map(str::to_owned).collect()
    }
}
