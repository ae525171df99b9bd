//! `type = "dns"`: the server answers a question (RFC 1035).
//!
//! The reply must carry the identifier and the question that were sent, and a response code of 0. A reply without an answer
//! is a failure unless `allow_empty` is set. A truncated reply is asked for again over TCP (RFC 7766). What is expected is
//! compared with the answers in their textual form.

use std::net::SocketAddr;

use common::config::{Diagnostics, Located, Table};
use simple_dns::rdata::RData;
use simple_dns::{CLASS, Name, Packet, PacketFlag, QCLASS, QTYPE, Question, RCODE, TYPE};

use super::{CheckKind, Defaults, Input, Path, Probe, Shown, Step, Verdict};

/// The largest reply: what the length in front of a message over TCP can say (RFC 1035 4.2.2).
const MAX_REPLY: usize = 65_535;

/// The record types that can be asked for.
const TYPES: &[(&str, QTYPE)] = &[
    ("A", QTYPE::TYPE(TYPE::A)),
    ("AAAA", QTYPE::TYPE(TYPE::AAAA)),
    ("ANY", QTYPE::ANY),
    ("CAA", QTYPE::TYPE(TYPE::CAA)),
    ("CNAME", QTYPE::TYPE(TYPE::CNAME)),
    ("DNSKEY", QTYPE::TYPE(TYPE::DNSKEY)),
    ("DS", QTYPE::TYPE(TYPE::DS)),
    ("HTTPS", QTYPE::TYPE(TYPE::HTTPS)),
    ("MX", QTYPE::TYPE(TYPE::MX)),
    ("NAPTR", QTYPE::TYPE(TYPE::NAPTR)),
    ("NS", QTYPE::TYPE(TYPE::NS)),
    ("PTR", QTYPE::TYPE(TYPE::PTR)),
    ("SOA", QTYPE::TYPE(TYPE::SOA)),
    ("SRV", QTYPE::TYPE(TYPE::SRV)),
    ("SVCB", QTYPE::TYPE(TYPE::SVCB)),
    ("TXT", QTYPE::TYPE(TYPE::TXT)),
];

/// What is asked and what is expected.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Settings {
    /// The name asked about; `.` is the root.
    pub name: String,
    /// The record type, one of those that the configuration knows.
    pub record: &'static str,
    /// Each of these must be among the answers.
    pub expect: Vec<String>,
    /// Whether a reply without an answer is a pass.
    pub allow_empty: bool,
}

impl CheckKind for Settings {
    const NAME: &'static str = "dns";
    const DEFAULTS: Defaults = Defaults { retries: 3, ..Defaults::NETWORK };

    fn read(table: &mut Table<'_>, d: &mut Diagnostics) -> Option<Self> {
        let words: Vec<(&'static str, &'static str)> = TYPES.iter().map(|(word, _)| (*word, *word)).collect();
        let record = table.choice_or("record", &words, "SOA", d);
        let name = table.optional::<String>("name", d);
        let expect =
            table.optional::<Vec<String>>("expect", d).map(|expect| expect.value).unwrap_or_default();
        let allow_empty = table.or("allow_empty", false, d);
        let name = match name {
            None => ".".to_owned(),
            Some(name) if is_domain(&name.value) => name.value,
            Some(Located { span, .. }) => {
                d.error(span, "`name` is not a domain name: labels of 1 to 63 bytes, 255 in all");
                return None;
            }
        };
        if allow_empty
            && !expect.is_empty()
            && let Some(span) = table.key_span("allow_empty")
        {
            d.error(span, "`allow_empty` contradicts `expect`: an empty reply has none of what is expected");
        }
        Some(Self { name, record, expect, allow_empty })
    }

    fn probe(&self, target: SocketAddr) -> Box<dyn Probe> {
        let id = identifier(&self.name, target);
        Box::new(DnsProbe { settings: self.clone(), id, stream: false, answer: Vec::new() })
    }
}

/// The library takes empty labels for none.
fn is_domain(name: &str) -> bool {
    let labels = trimmed(name);
    Name::new(labels).is_ok() && (labels.is_empty() || labels.split('.').all(|label| !label.is_empty()))
}

/// The library writes names without the dot of the root.
fn trimmed(name: &str) -> &str {
    name.strip_suffix('.').unwrap_or(name)
}

/// FNV-1a: tells replies apart. Against forgers the port, which the kernel chooses anew each time, protects.
fn identifier(name: &str, target: SocketAddr) -> u16 {
    let text = format!("{name} {target}");
    let hash =
        text.bytes().fold(0x811c_9dc5_u32, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193));
    let [a, b, c, d] = hash.to_be_bytes();
    u16::from_be_bytes([a ^ c, b ^ d])
}

impl Settings {
    fn qtype(&self) -> QTYPE {
        TYPES.iter().find(|(word, _)| *word == self.record).map_or(QTYPE::ANY, |(_, qtype)| *qtype)
    }

    fn query(&self, id: u16) -> Option<Vec<u8>> {
        let mut packet = Packet::new_query(id);
        packet.set_flags(PacketFlag::RECURSION_DESIRED);
        let name = Name::new(trimmed(&self.name)).ok()?;
        packet.questions.push(Question::new(name, self.qtype(), QCLASS::CLASS(CLASS::IN), false));
        packet.build_bytes_vec().ok()
    }

    /// None: it answers another question, or none.
    fn judge(&self, reply: &[u8], id: u16) -> Option<Judged> {
        let Ok(packet) = Packet::parse(reply) else {
            return Some(Judged::Verdict(Verdict::fail(format!("reply is not DNS: {}", Shown(reply)))));
        };
        if packet.id() != id || !packet.has_flags(PacketFlag::RESPONSE) {
            return None;
        }
        let wanted = trimmed(&self.name).to_ascii_lowercase();
        let asked = packet.questions.first().is_some_and(|question| {
            question.qname.to_string().to_ascii_lowercase() == wanted && question.qtype == self.qtype()
        });
        // A server that refuses may leave the question out.
        let refused = packet.questions.is_empty() && packet.rcode() != RCODE::NoError;
        if !asked && !refused {
            return None;
        }
        if packet.has_flags(PacketFlag::TRUNCATION) {
            return Some(Judged::Truncated);
        }
        Some(Judged::Verdict(self.answered(&packet)))
    }

    fn answered(&self, packet: &Packet<'_>) -> Verdict {
        if packet.rcode() != RCODE::NoError {
            return Verdict::fail(format!("response code {:?}", packet.rcode()));
        }
        let qtype = self.qtype();
        let answers: Vec<&RData<'_>> = packet
            .answers
            .iter()
            .map(|answer| &answer.rdata)
            .filter(|rdata| qtype == QTYPE::ANY || QTYPE::TYPE(rdata.type_code()) == qtype)
            .collect();
        if answers.is_empty() && !self.allow_empty {
            return Verdict::fail("a reply without an answer");
        }
        let texts: Vec<String> = answers.iter().map(|rdata| text(rdata)).collect();
        let same = |expected: &str, text: &String| trimmed(expected).eq_ignore_ascii_case(text);
        match self.expect.iter().find(|expected| !texts.iter().any(|text| same(expected, text))) {
            None => Verdict::pass(format!("{} answers", answers.len())),
            Some(missing) => Verdict::fail(format!(
                "{missing:?} is not among the answers: {}",
                Shown(texts.join(", ").as_bytes())
            )),
        }
    }
}

#[expect(clippy::wildcard_enum_match_arm, reason = "the library has forty record types, most of them rare")]
/// A record's data as `dig` would write it, without the dot of the root at the end of names.
fn text(rdata: &RData<'_>) -> String {
    match rdata {
        RData::A(a) => std::net::Ipv4Addr::from(a.address).to_string(),
        RData::AAAA(a) => std::net::Ipv6Addr::from(a.address).to_string(),
        RData::NS(ns) => ns.0.to_string(),
        RData::CNAME(cname) => cname.0.to_string(),
        RData::PTR(ptr) => ptr.0.to_string(),
        RData::MX(mx) => format!("{} {}", mx.preference, mx.exchange),
        RData::SRV(srv) => format!("{} {} {} {}", srv.priority, srv.weight, srv.port, srv.target),
        RData::SOA(soa) => soa.mname.to_string(),
        RData::TXT(txt) => String::try_from(txt.clone()).unwrap_or_default(),
        other => format!("{:?}", other.type_code()),
    }
}

enum Judged {
    Verdict(Verdict),
    Truncated,
}

#[derive(Debug)]
struct DnsProbe {
    settings: Settings,
    id: u16,
    /// Whether TCP is spoken, where a length of two bytes goes before each message.
    stream: bool,
    answer: Vec<u8>,
}

impl DnsProbe {
    fn ask(&self) -> Step {
        let Some(query) = self.settings.query(self.id) else {
            return Step::Done(Verdict::Unknown("the question cannot be written".into()));
        };
        if !self.stream {
            return Step::Send(query);
        }
        let mut message = u16::try_from(query.len()).unwrap_or_default().to_be_bytes().to_vec();
        message.extend(query);
        Step::Send(message)
    }

    fn heard(&mut self, bytes: &[u8]) -> Step {
        let room = (MAX_REPLY + 2).saturating_sub(self.answer.len());
        self.answer.extend_from_slice(bytes.get(..room).unwrap_or(bytes));
        let Some(&[high, low]) = self.answer.first_chunk::<2>() else { return Step::Read };
        let Some(reply) = self.answer.get(2..2 + usize::from(u16::from_be_bytes([high, low]))) else {
            return Step::Read;
        };
        match self.settings.judge(reply, self.id) {
            Some(Judged::Verdict(verdict)) => Step::Done(verdict),
            Some(Judged::Truncated) => Step::Done(Verdict::fail("reply truncated over TCP too")),
            None => Step::Done(Verdict::fail("reply to another question")),
        }
    }
}

impl Probe for DnsProbe {
    fn on(&mut self, input: Input<'_>) -> Step {
        match input {
            Input::Start => Step::Connect(Path::Datagram),
            Input::Connected => self.ask(),
            Input::Datagram(reply) => match self.settings.judge(reply, self.id) {
                Some(Judged::Verdict(verdict)) => Step::Done(verdict),
                Some(Judged::Truncated) => {
                    self.stream = true;
                    Step::Connect(Path::Request)
                }
                // Somebody else's: ours may still come.
                None => Step::Read,
            },
            Input::Bytes(bytes) => self.heard(bytes),
            Input::Closed => Step::Done(Verdict::fail("connection closed without an answer")),
            Input::Refused(refusal) => Step::Done(Verdict::Fail(refusal.words.clone())),
            Input::TimedOut => Step::Done(Verdict::fail("no reply in time")),
            Input::Secured | Input::Exited(_) => Step::Read,
        }
    }
}

#[cfg(test)]
mod tests;
