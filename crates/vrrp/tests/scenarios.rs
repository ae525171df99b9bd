//! Stories of one machine, with times: what happens to it, and every line of what it does about it.
//!
//! A file begins with prose (`#`) and a configuration (lines with `|`). Then come events, `at TIME EVENT`, each followed
//! by what was done from then on, `> TIME ACTION`. `UPDATE=1 cargo test -p holdfast-vrrp --test scenarios` writes
//! what is done anew; read the difference before you commit it.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "helpers of a test: a panic is a failure"
)]

use std::fmt::Write as _;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use common::config::{Diagnostics, Document, Sources, parse_duration};
use vrrp::machine::action::Action;
use vrrp::machine::address::ObservedAddress;
use vrrp::machine::event::{Event, LinkFacts, ObservedLink, ScriptOutcome};
use vrrp::machine::id::{Family, InstanceId, LinkIndex, LinkName, Mac};
use vrrp::machine::router::Router;
use vrrp::plan::{InstancePlan, Plan};
use vrrp::wire::admit::Datagram;
use vrrp::wire::advert::{Addresses, Advert, Auth, MAX_LEN, Version, group};
use vrrp::wire::checksum::Form;

fn plan(text: &str) -> Plan {
    let sources = Sources::from_text("scenario.toml", text);
    let mut d = Diagnostics::new();
    let document = Document::parse(&sources, &mut d);
    let plan = vrrp::plan::plan(&mut document.root(), &mut d);
    assert!(!d.has_errors(), "{}", d.render(&sources));
    plan
}

fn facts(index: u32, up: bool) -> LinkFacts {
    let mac = Some(Mac([2, 0, 0, 0, 0, 1]));
    LinkFacts { index: LinkIndex(index), up, carrier: up, mac, mtu: 1500, parent: None }
}

fn observed(address: IpAddr, ours: bool) -> ObservedAddress {
    ObservedAddress { address, prefix: 24, ours, usable: true }
}

struct Story {
    router: Router,
    start: Instant,
    now: Instant,
    text: String,
}

impl Story {
    fn new(config: &str) -> Self {
        let now = common::event_loop::clock::now();
        let mut router = Router::new(plan(config), now);
        let links =
            [("eth0", 2, [10, 0, 0, 2]), ("eth1", 3, [10, 1, 0, 2])].map(|(name, index, v4)| ObservedLink {
                link: LinkName::new(name).unwrap(),
                facts: facts(index, true),
                addresses: vec![
                    observed(IpAddr::from(v4), false),
                    observed(format!("fe80::{index}").parse().unwrap(), false),
                ],
            });
        router.handle(Event::LinksObserved(links.into()), now, &mut Vec::new());
        Self { router, start: now, now, text: String::new() }
    }

    /// Lets time pass until a moment, writing down what is done.
    fn pass_until(&mut self, until: Instant) {
        while let Some(at) = self.router.poll_timeout().filter(|at| *at < until) {
            self.now = self.now.max(at);
            let mut out = Vec::new();
            self.router.handle_timeout(self.now, &mut out);
            self.write(&out);
        }
        self.now = until;
    }

    fn write(&mut self, out: &[Action]) {
        for action in out {
            let ms = (self.now - self.start).as_secs_f64() * 1000.0;
            writeln!(self.text, "> {ms:.3}ms {action}").unwrap();
        }
    }

    fn event(&mut self, words: &[&str]) {
        let mut out = Vec::new();
        let link = |at: usize| LinkName::new(words[at]).unwrap();
        let address = |at: usize| words[at].parse::<IpAddr>().unwrap();
        let now = self.now;
        match words[0] {
            "start" => self.router.start(now, &mut out),
            "stop" => self.router.handle(Event::StopRequested, now, &mut out),
            "end" => {}
            "advert" => {
                let name = words[1];
                let found = self.router.plan().instances.iter().find(|i| i.name.as_str() == name);
                let plan = found.unwrap_or_else(|| panic!("no instance {name}")).clone();
                let interval = words.get(4).map_or(plan.interval, |w| parse_duration(w).unwrap());
                self.advert(&plan, address(2), words[3].parse().unwrap(), interval, &mut out);
            }
            "up" | "down" => {
                let facts = facts(if words[1] == "eth0" { 2 } else { 3 }, words[0] == "up");
                self.router.handle(Event::LinkChanged { link: link(1), facts }, now, &mut out);
            }
            "deleted" => self.router.handle(Event::LinkVanished { link: link(1) }, now, &mut out),
            "appeared" => {
                let address = observed(address(2), words.get(3) == Some(&"ours"));
                self.router.handle(Event::AddressAppeared { link: link(1), address }, now, &mut out);
            }
            "vanished" => {
                let (link, address) = (link(1), address(2));
                self.router.handle(Event::AddressVanished { link, address }, now, &mut out);
            }
            "exit" => {
                let outcome = ScriptOutcome::Exited(words[2].parse().unwrap());
                self.router.handle(Event::ScriptFinished { script: words[1].into(), outcome }, now, &mut out);
            }
            "unsendable" => {
                let error = words[1..].join(" ");
                let instance = InstanceId(0);
                self.router.handle(Event::SendFailed { instance, error }, now, &mut out);
            }
            other => panic!("unknown event {other}"),
        }
        self.write(&out);
    }

    fn advert(
        &mut self,
        plan: &InstancePlan,
        source: IpAddr,
        priority: u8,
        interval: Duration,
        out: &mut Vec<Action>,
    ) {
        let listed = plan.advertised();
        let advert = Advert {
            version: plan.version,
            vrid: plan.key.vrid,
            priority,
            interval,
            auth: if plan.version == Version::V2 { plan.auth } else { Auth::None },
            addresses: Addresses::new(plan.key.family, &listed),
        };
        let form = if plan.version == Version::V2 { Form::Plain } else { Form::PseudoHeader };
        let destination = group(Family::of(source));
        let mut buffer = [0; MAX_LEN];
        let len = advert.encode(form, source, destination, &mut buffer).unwrap();
        let datagram =
            Datagram { link: plan.key.link, source, destination, ttl: 255, payload: &buffer[..len] };
        self.router.handle(Event::DatagramReceived(datagram), self.now, out);
    }
}

/// The file as it should be.
fn told(text: &str) -> String {
    let config: Vec<&str> =
        text.lines().filter_map(|l| l.strip_prefix('|')).map(|l| l.strip_prefix(' ').unwrap_or(l)).collect();
    let mut story = Story::new(&config.join("\n"));
    for line in text.lines() {
        let Some(event) = line.strip_prefix("at ") else {
            if !line.starts_with('>') {
                story.text += line;
                story.text.push('\n');
            }
            continue;
        };
        let words: Vec<&str> = event.split_whitespace().collect();
        let at = story.start + parse_duration(words[0]).unwrap();
        story.pass_until(at);
        story.text += line;
        story.text.push('\n');
        story.event(&words[1..]);
    }
    story.text
}

fn files() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/scenarios");
    let entries = std::fs::read_dir(folder).unwrap().map(|e| e.unwrap().path());
    let mut files: Vec<PathBuf> = entries.filter(|p| p.extension().is_some_and(|e| e == "scn")).collect();
    files.sort();
    files
}

#[test]
fn every_story_goes_as_it_is_told() {
    let update = std::env::var_os("UPDATE").is_some();
    let files = files();
    assert!(!files.is_empty());
    for file in files {
        let text = std::fs::read_to_string(&file).unwrap();
        assert!(text.lines().take(2).all(|l| l.starts_with("# ")), "two lines of prose: {}", file.display());
        let now = told(&text);
        if update {
            std::fs::write(&file, now).unwrap();
        } else {
            assert_eq!(text, now, "{}", file.display());
        }
    }
}
