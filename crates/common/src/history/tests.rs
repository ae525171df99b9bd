use std::path::PathBuf;
use std::time::{Duration, UNIX_EPOCH};

use serde_json::json;

use super::*;
use crate::event_loop::clock;

struct Dir(PathBuf);

impl Dir {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("holdfast-history-{name}-{}", std::process::id()));
        let _old = std::fs::remove_dir_all(&path);
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn events(&self) -> Vec<String> {
        let short = |line: Line| format!("{} {}", line.seq(), line.text_of("event"));
        read(&self.0).unwrap().map(short).collect()
    }
}

impl Drop for Dir {
    fn drop(&mut self) {
        std::fs::remove_dir_all(&self.0).unwrap();
    }
}

fn lines(names: &[&str]) -> Vec<Vec<u8>> {
    names.iter().map(|name| json!({ "event": name }).to_string().into_bytes()).collect()
}

fn told(inbox: &mut Inbox) -> Vec<String> {
    let mut lines = Vec::new();
    while inbox.read(&mut lines) {}
    lines.into_iter().map(|line| String::from_utf8(line).unwrap()).collect()
}

#[test]
fn an_event_says_when_and_by_whom_it_was_told() {
    let (reader, writer) = pipe().unwrap();
    let (mut inbox, mut outbox) = (Inbox::new(reader), Outbox::new(writer, "vrrp"));
    let events = [
        json!({ "event": "fault", "instance": "VI_1" }),
        json!({ "event": "child_died", "child": "checker", "pid": 7 }),
    ];
    outbox.tell(&events, clock::now(), UNIX_EPOCH + Duration::from_millis(1_795_219_200_123));
    let pid = std::process::id();
    let wanted = [
        format!(
            "{{\"at\":\"2026-11-21T00:00:00.123Z\",\"child\":\"vrrp\",\"pid\":{pid},\"event\":\"fault\",\"instance\":\"VI_1\"}}"
        ),
        "{\"at\":\"2026-11-21T00:00:00.123Z\",\"child\":\"checker\",\"event\":\"child_died\",\"pid\":7}"
            .to_owned(),
    ];
    assert_eq!(told(&mut inbox), wanted);
}

#[test]
fn what_is_told_of_packets_is_not_kept() {
    let (reader, writer) = pipe().unwrap();
    let (mut inbox, mut outbox) = (Inbox::new(reader), Outbox::new(writer, "vrrp"));
    let events = ["packet_dropped", "inferior_advert", "of_tomorrow"].map(|name| json!({ "event": name }));
    outbox.tell(&events, clock::now(), clock::wall());
    let told = told(&mut inbox);
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(told[0].contains("of_tomorrow"));
}

#[test]
fn a_storm_is_cut_and_counted_and_one_that_does_not_read_stops_nobody() {
    let (reader, writer) = pipe().unwrap();
    let (mut inbox, mut outbox) = (Inbox::new(reader), Outbox::new(writer, "checker"));
    let storm: Vec<_> = (0..10_000).map(|n| json!({ "event": "server_changed", "n": n })).collect();
    let start = clock::now();
    outbox.tell(&storm, start, clock::wall());
    let kept = told(&mut inbox);
    assert_eq!(kept.len(), 1000);
    let later = outbox.poll_timeout().unwrap();
    outbox.timeout(later - Duration::from_millis(1), clock::wall());
    assert!(told(&mut inbox).is_empty());
    outbox.timeout(later, clock::wall());
    let told_later = told(&mut inbox);
    assert!(told_later[0].contains("\"count\":9000") && told_later[0].contains("dropped"), "{told_later:?}");
    assert_eq!(outbox.poll_timeout(), None);

    // Nobody reads: the pipe gets full, and what is told is counted.
    let mut now = later;
    for _ in 0..100 {
        now += Duration::from_secs(10);
        outbox.tell(&storm[..1000], now, clock::wall());
    }
    now = outbox.poll_timeout().unwrap().max(now);
    outbox.timeout(now, clock::wall());
    assert!(outbox.poll_timeout().is_some(), "there is no room to tell it");
    let kept = told(&mut inbox).len();
    assert!((1..100_000).contains(&kept), "{kept}");
    outbox.timeout(now + Duration::from_secs(10), clock::wall());
    let told = told(&mut inbox);
    assert!(told[0].contains(&format!("\"count\":{}", 100_000 - kept)), "{told:?} besides {kept}");
}

#[test]
fn an_event_that_is_too_long_is_shortened() {
    let (reader, writer) = pipe().unwrap();
    let (mut inbox, mut outbox) = (Inbox::new(reader), Outbox::new(writer, "checker"));
    let event = json!({ "event": "server_changed", "server": "10.0.0.1:80", "reason": "ü".repeat(5000) });
    outbox.tell(&[event], clock::now(), clock::wall());
    let told = told(&mut inbox);
    let line = Line::parse(&told[0]).unwrap();
    assert_eq!(line.text_of("server"), "10.0.0.1:80");
    assert_eq!(line.text_of("reason"), format!("{}…", "ü".repeat(200)));
}

#[test]
fn the_numbers_go_on_after_a_restart_and_a_torn_line_is_nobodys() {
    let dir = Dir::new("numbers");
    let mut store = Store::new(&dir.0);
    store.append(&lines(&["one", "two"]), clock::wall());
    // A loss of power in the middle of a line.
    let mut file = std::fs::read(dir.0.join(FILE)).unwrap();
    file.extend(b"{\"seq\":3,\"event\":\"to");
    std::fs::write(dir.0.join(FILE), file).unwrap();
    assert_eq!(dir.events(), ["1 one", "2 two"]);
    let mut store = Store::new(&dir.0);
    store.append(&lines(&["three"]), clock::wall());
    assert_eq!(dir.events(), ["1 one", "2 two", "3 three"]);
    let garbage = [b"garbage".to_vec(), Vec::new()];
    store.append(&garbage, clock::wall());
    assert_eq!(dir.events().len(), 3);
}

#[test]
fn two_files_bound_the_history_and_a_file_that_was_removed_is_made_anew() {
    let dir = Dir::new("bound");
    let mut store = Store::bounded(&dir.0, 1000);
    for _ in 0..1000 {
        store.append(&lines(&["one"]), clock::wall());
    }
    for file in [FILE, OLDER] {
        assert!(std::fs::metadata(dir.0.join(file)).unwrap().len() <= 1000);
    }
    let events = dir.events();
    assert!(events.len() > 20, "{}", events.len());
    assert_eq!(events.last().unwrap(), "1000 one");
    std::fs::remove_file(dir.0.join(FILE)).unwrap();
    store.append(&lines(&["two"]), clock::wall());
    assert_eq!(dir.events().last().unwrap(), "1001 two");
    // A successor knows the number from the older file as well.
    std::fs::write(dir.0.join(FILE), "").unwrap();
    let mut store = Store::new(&dir.0);
    store.append(&lines(&["three"]), clock::wall());
    assert!(dir.events().last().unwrap().ends_with("three"));
    assert!(Line::seq(&read(&dir.0).unwrap().last().unwrap()) > 900);
}

#[test]
fn what_cannot_be_written_is_counted_and_told_afterwards() {
    let dir = Dir::new("full");
    let nowhere = dir.0.join("not-there");
    let mut store = Store::new(&nowhere);
    for _ in 0..5 {
        store.append(&lines(&["lost", "lost"]), clock::wall());
    }
    assert!(store.error().is_some());
    std::fs::create_dir(&nowhere).unwrap();
    store.append(&lines(&["kept"]), clock::wall());
    assert_eq!(store.error(), None);
    let lines: Vec<Line> = read(&nowhere).unwrap().collect();
    assert_eq!(lines.len(), 2);
    assert_eq!((lines[0].text_of("event"), lines[0].fields["count"].as_u64()), ("dropped", Some(10)));
    assert_eq!(lines[1].text_of("event"), "kept");
}

#[test]
fn a_follower_goes_from_file_to_file() {
    let dir = Dir::new("follow");
    let mut store = Store::bounded(&dir.0, 2000);
    store.append(&lines(&["one"]), clock::wall());
    let (before, mut follower) = Follower::new(&dir.0).unwrap();
    assert_eq!(before.len(), 1);
    let mut seen = Vec::new();
    for number in 2..=200 {
        store.append(&lines(&["more"]), clock::wall());
        assert_eq!(follower.read(&mut seen).unwrap(), 0);
        assert_eq!(seen.last().unwrap().seq(), number);
    }
    assert_eq!(seen.len(), 199);
    // It sleeps while more is written than two files hold.
    for _ in 0..500 {
        store.append(&lines(&["more"]), clock::wall());
    }
    let missing = follower.read(&mut seen).unwrap();
    assert!(missing > 0);
    assert_eq!(seen.last().unwrap().seq(), 700);
    assert_eq!(u64::try_from(seen.len()).unwrap() + missing, 699, "what is missing is known");
}

#[test]
fn a_follower_waits_for_the_end_of_a_line() {
    let dir = Dir::new("half");
    std::fs::write(dir.0.join(FILE), "{\"seq\":1,\"event\":\"one\"}\n{\"seq\":2,").unwrap();
    let (before, mut follower) = Follower::new(&dir.0).unwrap();
    assert_eq!(before.len(), 1);
    // The writer took its half line back, and wrote another.
    std::fs::write(dir.0.join(FILE), "{\"seq\":1,\"event\":\"one\"}\n{\"seq\":2,\"event\":\"two\"}\n")
        .unwrap();
    let mut seen = Vec::new();
    follower.read(&mut seen).unwrap();
    assert_eq!(seen.len(), 1);
    assert_eq!(seen[0].text_of("event"), "two");
}

#[test]
fn every_kind_and_every_identifier_is_there_once() {
    for (index, kind) in KINDS.iter().enumerate() {
        assert_eq!(kind.id.len(), 32);
        for other in &KINDS[..index] {
            assert!(kind.name != other.name && kind.id != other.id, "{}", kind.name);
        }
    }
}
