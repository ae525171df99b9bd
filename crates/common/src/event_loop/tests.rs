use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use super::*;

/// Records what happened; reads one byte a call.
struct Toy {
    stream: UnixStream,
    seen: Vec<String>,
    deadline: Option<Instant>,
    wanted: usize,
    /// Signals are the whole process's: those that the test beside this one raises are none of ours.
    hears_signals: bool,
}

impl Process for Toy {
    type Key = &'static str;

    fn ready(&mut self, key: Self::Key, _: Readiness, _: &mut Cx<'_, Self::Key>) -> Drained {
        let mut byte = [0];
        match self.stream.read(&mut byte) {
            Ok(1) => {
                self.seen.push(format!("{key} {}", char::from(byte[0])));
                Drained::More
            }
            _ => Drained::Yes,
        }
    }

    fn timeout(&mut self, _: &mut Cx<'_, Self::Key>) {
        self.deadline = None;
        self.seen.push("timeout".into());
    }

    fn poll_timeout(&self) -> Option<Instant> {
        self.deadline
    }

    fn signal(&mut self, signal: Signal, _: &mut Cx<'_, Self::Key>) {
        if self.hears_signals {
            self.seen.push(format!("{signal:?}"));
        }
    }

    fn finished(&self) -> Option<Exit> {
        (self.seen.len() >= self.wanted).then_some(Exit::Done)
    }
}

fn toy(wanted: usize) -> (EventLoop<&'static str>, Toy, UnixStream) {
    let (ours, theirs) = UnixStream::pair().unwrap();
    ours.set_nonblocking(true).unwrap();
    (
        EventLoop::new().unwrap(),
        Toy { stream: ours, seen: vec![], deadline: None, wanted, hears_signals: false },
        theirs,
    )
}

#[test]
fn a_source_that_is_cut_off_goes_on_in_the_next_turn() {
    let (mut event_loop, mut toy, mut theirs) = toy(3);
    let _registration = event_loop.cx().registry().add(&toy.stream, "stream", Interest::Read).unwrap();
    theirs.write_all(b"abc").unwrap();
    assert_eq!(event_loop.run(&mut toy).unwrap(), Exit::Done);
    assert_eq!(toy.seen, ["stream a", "stream b", "stream c"]);
}

#[test]
fn what_waits_to_be_read_beats_a_deadline_that_passed() {
    let (mut event_loop, mut toy, mut theirs) = toy(2);
    let _registration = event_loop.cx().registry().add(&toy.stream, "stream", Interest::Read).unwrap();
    theirs.write_all(b"a").unwrap();
    toy.deadline = Some(clock::now());
    event_loop.run(&mut toy).unwrap();
    assert_eq!(toy.seen, ["stream a", "timeout"]);
}

#[test]
fn a_deadline_wakes_the_loop_and_lateness_is_known() {
    let (mut event_loop, mut toy, _theirs) = toy(1);
    toy.deadline = Some(clock::now() + Duration::from_millis(3));
    event_loop.run(&mut toy).unwrap();
    assert_eq!(toy.seen, ["timeout"]);
    assert!(event_loop.cx().lateness().worst > Duration::ZERO);
}

#[test]
fn an_event_for_a_dropped_registration_reaches_nobody() {
    let (mut event_loop, mut toy, mut theirs) = toy(1);
    let registration = event_loop.cx().registry().add(&toy.stream, "gone", Interest::Read).unwrap();
    theirs.write_all(b"a").unwrap();
    drop(registration);
    toy.deadline = Some(clock::now());
    event_loop.run(&mut toy).unwrap();
    assert_eq!(toy.seen, ["timeout"]);
    let _again = event_loop.cx().registry().add(&toy.stream, "new", Interest::Read).unwrap();
    toy.wanted = 2;
    event_loop.run(&mut toy).unwrap();
    assert_eq!(toy.seen, ["timeout", "new a"]);
}

#[test]
fn signals_arrive_as_our_own_names() {
    let (mut event_loop, mut toy, _theirs) = toy(1);
    toy.hears_signals = true;
    nix::sys::signal::raise(nix::sys::signal::Signal::SIGUSR1).unwrap();
    event_loop.run(&mut toy).unwrap();
    assert_eq!(toy.seen, ["Dump"]);
}
