//! Captured adverts: files with lines `config KEY = VALUE` and `packet [SECONDS] SOURCE DESTINATION TTL BYTES`, where the
//! seconds are the time of day at which a signed one was taken.

use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use common::config::{Diagnostics, Document, Sources};
use vrrp::machine::id::LinkName;
use vrrp::plan::InstancePlan;
use vrrp::wire::admit::{Datagram, Verdict, admit};
use vrrp::wire::hmac::Stamp;

pub(crate) struct Packet {
    at: Option<Duration>,
    pub(crate) source: IpAddr,
    pub(crate) destination: IpAddr,
    pub(crate) ttl: u8,
    pub(crate) payload: Vec<u8>,
}

pub(crate) struct Capture {
    pub(crate) name: String,
    pub(crate) plan: InstancePlan,
    pub(crate) packets: Vec<Packet>,
}

/// Every capture in a folder beside this one, in the order of their names.
pub(crate) fn captures(folder: &str) -> Vec<Capture> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests").join(folder);
    let mut paths: Vec<PathBuf> = std::fs::read_dir(folder).unwrap().map(|e| e.unwrap().path()).collect();
    paths.sort();
    assert!(paths.len() >= 4);
    paths.iter().map(|path| capture(path)).collect()
}

fn capture(path: &Path) -> Capture {
    let text = std::fs::read_to_string(path).unwrap();
    let mut config =
        "[[vrrp.instance]]\nname = \"V\"\ninterface = \"eth0\"\nvirtual_router_id = 51\n".to_owned();
    let mut packets = Vec::new();
    for line in text.lines().filter(|l| !l.starts_with('#')) {
        let (word, rest) = line.split_once(' ').unwrap();
        if word == "config" {
            config += rest;
            config += "\n";
        } else {
            packets.push(packet(rest));
        }
    }
    let sources = Sources::from_text("capture.toml", config);
    let mut d = Diagnostics::new();
    let plan = vrrp::plan::plan(&mut Document::parse(&sources, &mut d).root(), &mut d);
    assert!(!d.has_errors(), "{}", d.render(&sources));
    let name = path.file_stem().unwrap().to_string_lossy().into_owned();
    Capture { name, plan: plan.instances[0].clone(), packets }
}

fn packet(line: &str) -> Packet {
    let mut fields: Vec<&str> = line.split(' ').collect();
    let at = (fields.len() == 5).then(|| Duration::from_secs(fields.remove(0).parse().unwrap()));
    let digits = fields[3].as_bytes().chunks(2);
    Packet {
        at,
        source: fields[0].parse().unwrap(),
        destination: fields[1].parse().unwrap(),
        ttl: fields[2].parse().unwrap(),
        payload: digits.map(|d| u8::from_str_radix(str::from_utf8(d).unwrap(), 16).unwrap()).collect(),
    }
}

/// What is made of `payload`, had it come as the packet came, but so much later.
pub(crate) fn judge(capture: &Capture, packet: &Packet, payload: &[u8], later: Duration) -> Verdict {
    let datagram = Datagram {
        link: LinkName::new("eth0").unwrap(),
        source: packet.source,
        destination: packet.destination,
        ttl: packet.ttl,
        payload,
    };
    let stamp = packet.at.map(|at| Stamp::new(at + later));
    admit(&capture.plan.admission(), &datagram, stamp, |_| false)
}
