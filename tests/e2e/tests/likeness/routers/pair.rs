//! A router of keepalived and one of Holdfast that was converted from it, each alone on wires of its own: same
//! interfaces, same addresses, same hardware addresses, same neighbours.

use std::time::Duration;

use lab::packet::Mac;
use lab::{
    Capture, Error, Holdfast, Keepalived, Lan, Netns, Process, Program, Result, Stopwatch, TempDir, wait,
};

use super::{differences, view};

/// How long both may take to do what a step asks for.
const LIMIT: Duration = Duration::from_secs(45);
/// How long what both show must stay the same.
pub const QUIET: Duration = Duration::from_millis(1500);

/// A file of keepalived's, and what happens.
pub struct Story {
    /// `routers/NAME.conf`; `$DIR` in it is a folder of the router's own, `$NS` the namespace it is in.
    pub text: &'static str,
    /// Addresses whose announcements are compared.
    pub announced: &'static [&'static str],
    /// Addresses that a client is to ping.
    pub pinged: &'static [&'static str],
    /// Whether it is started somewhere else, and moves into its namespace by itself.
    pub moves: bool,
    /// Whether it takes a keepalived that Debian has not yet.
    pub newer: bool,
    /// Whether what the process asks of the kernel is compared.
    pub process: bool,
    /// How long what both show must stay the same, after every step.
    pub quiet: Duration,
    /// What happens.
    pub steps: &'static [Step],
}

/// Something happens; then both must show these lines (as far as they go), and besides them the same.
pub struct Step {
    pub deeds: &'static [Deed],
    pub shown: &'static [&'static str],
    pub hidden: &'static [&'static str],
}

/// What may happen.
#[derive(Debug, Clone, Copy)]
pub enum Deed {
    /// A file beside the scripts gets another content.
    Writes(&'static str, &'static str),
    /// An interface loses its carrier, or has it again.
    Unplugs(&'static str),
    Plugs(&'static str),
    /// A neighbour begins to speak VRRP by this file, until it is master; it ends without a word.
    Neighbour(&'static str),
    NeighbourDies,
    /// The neighbour's cable is cut without its noticing, and mended.
    Cuts,
    Mends,
    /// The routers themselves begin: first of all, unless it is told.
    Begins,
    /// What was announced before does not count any more.
    Forgets,
    /// Everything stops in order.
    Ends,
}

/// One of the two.
struct Side {
    name: &'static str,
    host: Netns,
    /// A host that has no interfaces.
    elsewhere: Netns,
    neighbour: Netns,
    wires: [Capture; 2],
    lans: [Lan; 2],
    folder: TempDir,
    /// What the neighbour runs.
    other: Option<Keepalived>,
    _helpers: Vec<Process>,
}

const MACS: [&str; 2] = ["02:00:00:00:01:0b", "02:00:00:00:01:1b"];

impl Side {
    fn new(name: &'static str) -> Result<Self> {
        let lans = [Lan::new()?, Lan::new()?];
        let host = Netns::new(name)?;
        let own = [
            ["192.0.2.11/24", "192.0.2.21/24", "2001:db8::11/64", "fe80::11/64"].as_slice(),
            &["198.51.100.11/24", "2001:db8:1::11/64", "fe80::1:11/64"],
        ];
        for (number, lan) in lans.iter().enumerate() {
            let interface = format!("eth{number}");
            lan.attach(&host, &interface, &["fe80::99/64"])?;
            // Its hardware address first: addresses of IPv6 do not outlive the change.
            host.ip(&format!("link set {interface} down"))?;
            host.ip(&format!("addr flush dev {interface}"))?;
            host.ip(&format!("link set {interface} address {}", MACS.get(number).ok_or("two interfaces")?))?;
            host.ip(&format!("link set {interface} up"))?;
            for address in own.get(number).into_iter().copied().flatten() {
                let nodad = if address.contains(':') { "nodad" } else { "" };
                host.ip(&format!("addr add {address} dev {interface} {nodad}"))?;
            }
        }
        let [first, second] = &lans;
        let neighbour = first.host("neighbour", &["192.0.2.12/24", "2001:db8::12/64", "fe80::12/64"])?;
        // Adverts for it leave also while its cable is cut.
        let mac = neighbour.mac("eth0")?;
        host.ip(&format!("neigh replace 192.0.2.12 lladdr {mac} dev eth0 nud permanent"))?;
        let wires = [first.capture()?, second.capture()?];
        let folder = TempDir::new()?;
        folder.write("said", "")?;
        // What notify commands run: their words go to the file that is compared.
        for (script, text) in [
            ("tell", "#!/bin/sh\necho \"$*\" >>\"${0%/*}/said\"\n"),
            // What tracked scripts run: it ends with the status that the file says.
            ("judge", "#!/bin/sh\nread -r status <\"${0%/*}/${1:-status}\"\nexit \"$status\"\n"),
        ] {
            let path = folder.write(script, text)?;
            lab::run(&["chmod", "755", &path.to_string_lossy()])?;
        }
        for file in ["status", "stop", "number", "reverse"] {
            folder.write(file, "0\n")?;
        }
        // A process that is tracked.
        let argv = ["/bin/sleep", "86399"];
        let mut helpers = vec![Process::start(&host, &argv, &folder.path().join("helpers.log"))?];
        for pipe in ["fifo", "vrrp_fifo"] {
            let path = folder.path().join(pipe).to_string_lossy().into_owned();
            lab::run(&["mkfifo", &path])?;
            // Opened for both, it has no end.
            let read = format!("exec sed -u 's/^/{pipe}: /' <>{path} >>{path}.said");
            helpers.push(Process::start(&host, &["sh", "-c", &read], &folder.path().join("helpers.log"))?);
        }
        let elsewhere = Netns::new("elsewhere")?;
        Ok(Self { name, host, elsewhere, neighbour, wires, lans, folder, other: None, _helpers: helpers })
    }

    fn fill(&self, text: &str) -> String {
        text.replace("$DIR", &self.folder.path().to_string_lossy()).replace("$NS", self.host.name())
    }

    /// What it shows. Its own folder and name are not part of it.
    fn view(&self, story: &Story, mark: usize) -> Result<Vec<String>> {
        let mut lines = view::of_host(&self.host)?;
        let [first, second] = &self.wires;
        lines.extend(view::adverts(&[first, second]));
        lines.extend(view::announcements(first, mark, story.announced)?);
        for address in story.pinged {
            let asked = ["ping", "-n", "-c", "1", "-W", "1", address];
            let answers = self.neighbour.output(&asked)?.code == Some(0);
            lines.push(format!("ping {address} {}", if answers { "answered" } else { "not answered" }));
        }
        for file in ["said", "fifo.said", "vrrp_fifo.said"] {
            let said = std::fs::read_to_string(self.folder.path().join(file)).unwrap_or_default();
            lines.extend(said.lines().map(|line| format!("said {line}")));
        }
        // Instances are independent of each other: what they say has no common order.
        lines.sort();
        let folder = self.folder.path().to_string_lossy();
        Ok(lines.iter().map(|line| line.replace(&*folder, "$DIR")).collect())
    }

    fn act(&mut self, deed: Deed) -> Result {
        let lan = |interface: &str| usize::from(interface == "eth1");
        match deed {
            Deed::Writes(name, text) => {
                // Moved into place: a reader sees the old text or the new one.
                let path = self.folder.write(&format!("{name}.new"), text)?;
                std::fs::rename(&path, path.with_extension(""))?;
            }
            Deed::Unplugs(interface) => {
                self.lans.get(lan(interface)).ok_or("a wire")?.unplug(&self.host, interface)?;
            }
            Deed::Plugs(interface) => {
                self.lans.get(lan(interface)).ok_or("a wire")?.plug(&self.host, interface)?;
            }
            Deed::Neighbour(text) => {
                self.other = None;
                let other = Keepalived::start(&self.neighbour, &self.fill(text))?;
                for name in text.lines().filter_map(|line| line.strip_prefix("vrrp_instance ")) {
                    other.wait_state(name.trim_end_matches(" {"), "MASTER", LIMIT)?;
                }
                self.other = Some(other);
            }
            Deed::Cuts => self.lans[0].isolate(&self.neighbour, "eth0")?,
            Deed::Mends => self.lans[0].join(&self.neighbour, "eth0")?,
            Deed::NeighbourDies => self.other.take().ok_or("a neighbour")?.kill()?,
            Deed::Begins | Deed::Ends | Deed::Forgets => {}
        }
        Ok(())
    }
}

/// Both sides, and what runs on them.
pub struct Pair {
    left: Side,
    right: Side,
    keepalived: Option<Keepalived>,
    holdfast: Option<Holdfast>,
}

/// keepalived's file in Holdfast's words; what cannot be carried over is a failure.
fn converted(folder: &TempDir, text: &str) -> Result<String> {
    let file = folder.write("keepalived.conf", text)?;
    let command = lab::program(Program::Holdfast)?;
    lab::run(&[command.as_os_str(), "convert".as_ref(), file.as_os_str()])
}

impl Pair {
    fn begin(&mut self, story: &Story) -> Result {
        let host = if story.moves { &self.left.elsewhere } else { &self.left.host };
        let start = if story.newer { Keepalived::start_new } else { Keepalived::start };
        self.keepalived = Some(start(host, &self.left.fill(story.text))?);
        let host = if story.moves { &self.right.elsewhere } else { &self.right.host };
        let text = converted(&self.right.folder, &self.right.fill(story.text))?;
        self.holdfast = Some(Holdfast::start(host, &text)?);
        Ok(())
    }

    fn logs(&self, marks: [usize; 2]) -> String {
        format!(
            "keepalived announced:\n{}\nHoldfast announced:\n{}\nkeepalived:\n{}\n\nHoldfast:\n{}\n{}",
            view::announcers(&self.left.wires[0], marks[0]),
            view::announcers(&self.right.wires[0], marks[1]),
            self.keepalived.as_ref().map(|keepalived| keepalived.log().tail(60)).unwrap_or_default(),
            self.holdfast.as_ref().map(|holdfast| holdfast.log().tail(60)).unwrap_or_default(),
            std::fs::read_to_string(self.right.folder.path().join("keepalived.conf")).unwrap_or_default(),
        )
    }

    /// Whatever is not as it should be.
    fn wrong(&self, story: &Story, step: &Step, marks: [usize; 2]) -> Result<Vec<String>> {
        let [mut left, mut right] = [self.left.view(story, marks[0])?, self.right.view(story, marks[1])?];
        if story.process {
            let child = |parent: i32| lab::children(parent).first().copied();
            left.extend(self.keepalived.as_ref().and_then(|it| child(it.pid())).map(view::of_process));
            right
                .extend(self.holdfast.as_ref().and_then(|it| it.running_child("vrrp")).map(view::of_process));
        }
        for view in [&mut left, &mut right] {
            differences::leave_out(view);
        }
        let mut wrong = Vec::new();
        for (side, view) in [(self.left.name, &left), (self.right.name, &right)] {
            let is_there = |wanted: &&&str| view.iter().any(|line| line.starts_with(**wanted));
            wrong.extend(
                step.shown.iter().filter(|line| !is_there(line)).map(|line| format!("{side} lacks {line}")),
            );
            wrong.extend(step.hidden.iter().filter(is_there).map(|line| format!("{side} still has {line}")));
        }
        wrong.extend(
            left.iter().filter(|line| !right.contains(line)).map(|line| format!("keepalived only: {line}")),
        );
        wrong.extend(
            right.iter().filter(|line| !left.contains(line)).map(|line| format!("Holdfast only:   {line}")),
        );
        if wrong.is_empty() && left != right {
            wrong.push(format!("not as often, or not in this order: {left:?} {right:?}"));
        }
        Ok(wrong)
    }

    /// Tells a whole story.
    pub fn tell(story: &Story) -> Result {
        lab::require_privileges()?;
        let mut pair = Self {
            left: Side::new("keepalived")?,
            right: Side::new("holdfast")?,
            keepalived: None,
            holdfast: None,
        };
        let begins = |step: &Step| step.deeds.iter().any(|deed| matches!(deed, Deed::Begins));
        if !story.steps.iter().any(begins) {
            pair.begin(story)?;
        }
        let mut marks = [0, 0];
        for (number, step) in story.steps.iter().enumerate() {
            for deed in step.deeds {
                match deed {
                    Deed::Begins => pair.begin(story)?,
                    Deed::Forgets => {
                        marks = [&pair.left, &pair.right].map(|side| side.wires[0].mark());
                    }
                    Deed::Ends => {
                        pair.keepalived.take().ok_or("keepalived runs")?.stop()?;
                        assert_eq!(pair.holdfast.take().ok_or("Holdfast runs")?.stop()?, 0);
                    }
                    other => {
                        pair.left.act(*other)?;
                        pair.right.act(*other)?;
                    }
                }
            }
            let mut last = Vec::new();
            let mut since = None;
            let stays = wait::until("both routers to show the same, and go on so", LIMIT, || {
                last = pair.wrong(story, step, marks)?;
                if last.is_empty() {
                    Ok(since.get_or_insert_with(Stopwatch::start).elapsed() >= story.quiet)
                } else {
                    since = None;
                    Ok(false)
                }
            });
            stays.map_err(|error| {
                Error::new(format!("step {number}: {error}\n{}\n\n{}", last.join("\n"), pair.logs(marks)))
            })?;
        }
        Ok(())
    }
}

/// Whether a router sent it: from one of its own interfaces, or from a virtual one.
pub fn is_own(mac: Mac) -> bool {
    mac.0.starts_with(&[2, 0, 0, 0, 1]) || mac.0.starts_with(&[0, 0, 0x5e, 0])
}
