//! The queue with a clock in hand: what is tried when, and that nothing is lost whoever dies.

mod property;

use std::collections::BTreeMap;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use common::alerts::job::Report;
use common::alerts::{Alerts, Encryption, Kinds};
use common::event_loop::clock;

use super::*;

const SECOND: Duration = Duration::from_secs(1);

fn settings() -> Alerts {
    Alerts {
        to: vec!["a@example.org".to_owned(), "b@example.org".to_owned()],
        from: None,
        host: "mail.example.org".to_owned(),
        port: 25,
        encryption: Encryption::None,
        ca_file: None,
        login: None,
        helo: None,
        timeout: 2 * SECOND,
        run_as: None,
        spool: None,
        retry_delay: 10 * SECOND,
        expire: 86_400 * SECOND,
        burst: 3,
        burst_period: 60 * SECOND,
        kinds: Kinds {
            instances: true,
            sync_groups: true,
            virtual_servers: true,
            real_servers: true,
            processes: true,
            faults: true,
        },
    }
}

/// A queue with what a disk would hold of it.
struct Bench {
    queue: Queue,
    start: Instant,
    wall: SystemTime,
    passed: Duration,
    files: BTreeMap<String, Letter>,
    notes: Vec<Alert>,
    job: Option<Vec<Parcel>>,
    jobs: usize,
    killed: usize,
    said: Vec<String>,
    /// Everything dies when so many actions of one turn have been performed.
    cut: Option<usize>,
}

impl Bench {
    fn new(settings: Alerts) -> Self {
        let mut bench = Self {
            queue: Queue::default(),
            start: clock::now(),
            wall: UNIX_EPOCH + Duration::from_secs(1_800_000_000),
            passed: Duration::ZERO,
            files: BTreeMap::new(),
            notes: Vec::new(),
            job: None,
            jobs: 0,
            killed: 0,
            said: Vec::new(),
            cut: None,
        };
        bench.act(|queue, now, out| queue.configure(Some(settings), "lb-1".to_owned(), now, out));
        bench
    }

    fn now(&self) -> Now {
        Now { at: self.start + self.passed, wall: self.wall + self.passed }
    }

    fn act(&mut self, act: impl FnOnce(&mut Queue, Now, &mut Vec<Action>)) {
        let mut out = Vec::new();
        let now = self.now();
        act(&mut self.queue, now, &mut out);
        let whole = out.len();
        out.truncate(self.cut.unwrap_or(whole));
        for action in out {
            match action {
                Action::Keep(letter) => drop(self.files.insert(letter.id.clone(), letter)),
                Action::Forget(id) => drop(self.files.remove(&id).unwrap()),
                Action::Note(alert) => self.notes.push(alert),
                Action::ForgetNotes => self.notes.clear(),
                Action::Deliver(parcels) => {
                    assert!(self.job.is_none(), "two couriers at once");
                    self.jobs += 1;
                    self.job = Some(parcels);
                }
                Action::Kill => self.killed += 1,
                Action::Say(fact) => self.said.push(fact.to_string()),
            }
        }
    }

    fn alert(&mut self, name: &str) {
        let alert = Alert {
            at: self.now().seconds(),
            subject: format!("[lb-1] {name}"),
            sort: "Test".to_owned(),
            body: format!("{name}\n"),
        };
        self.act(|queue, now, out| queue.alert(alert, now, out));
    }

    fn report(&mut self, report: Report) {
        self.act(|queue, now, out| queue.reported(report, now, out));
    }

    /// The courier delivers everything to everybody.
    fn succeed(&mut self) -> Vec<String> {
        let job = self.job.take().expect("a courier");
        self.report(Report::Connected);
        let mut subjects = Vec::new();
        for parcel in job {
            subjects.push(parcel.subject);
            self.report(Report::Letter { id: parcel.id, delivered: parcel.to, error: None });
        }
        self.act(|queue, now, out| queue.ended(None, now, out));
        subjects
    }

    fn fail(&mut self, error: &str) {
        self.job.take().expect("a courier");
        self.report(Report::Failed { error: error.to_owned() });
        self.act(|queue, now, out| queue.ended(None, now, out));
    }

    /// Everything dies and starts again with what the disk holds.
    fn crash(&mut self) {
        let letters = self.files.values().cloned().collect();
        let notes = self.notes.clone();
        self.job = None;
        self.cut = None;
        self.queue = Queue::default();
        self.passed += SECOND;
        self.act(|queue, now, out| queue.configure(Some(settings()), "lb-1".to_owned(), now, out));
        self.act(|queue, now, out| queue.recover(letters, notes, now, out));
    }

    /// Time passes until the queue wants something, at most so much of it. How much it was.
    fn pass(&mut self, most: Duration) -> Duration {
        let end = self.passed + most;
        let before = self.passed;
        while let Some(at) = self.queue.poll_timeout().filter(|at| *at <= self.start + end) {
            self.passed = self.passed.max(at - self.start);
            let (jobs, said, killed) = (self.jobs, self.said.len(), self.killed);
            self.act(|queue, now, out| queue.handle_timeout(now, out));
            assert!(
                self.queue.poll_timeout().is_none_or(|next| next > self.start + self.passed),
                "a deadline that is acted on is over"
            );
            if (self.jobs, self.said.len(), self.killed) != (jobs, said, killed) {
                return self.passed - before;
            }
        }
        self.passed = end;
        most
    }
}

#[test]
fn an_alert_is_on_the_disk_before_it_is_sent_and_gone_when_everybody_has_it() {
    let mut bench = Bench::new(settings());
    bench.alert("one");
    assert_eq!(bench.files.len(), 1);
    assert_eq!(bench.succeed(), ["[lb-1] one"]);
    assert!(bench.files.is_empty());
    assert_eq!(bench.queue.len(), 0);
    assert_eq!(bench.queue.counters.sent, 1);
    assert_eq!(bench.queue.poll_timeout(), None);
}

#[test]
fn a_failing_server_is_asked_less_and_less_and_told_of_once() {
    let mut bench = Bench::new(settings());
    bench.alert("one");
    let mut waits = Vec::new();
    for _ in 0..8 {
        bench.fail("connecting: refused");
        waits.push(bench.pass(1000 * SECOND).as_secs());
        // Nobody is asked sooner because more happens.
    }
    assert_eq!(waits, [10, 20, 40, 80, 160, 300, 300, 300]);
    assert_eq!(bench.said.len(), 1, "{:?}", bench.said);
    assert_eq!(
        bench.said,
        ["mail is not delivered: connecting: refused server=mail.example.org:25 waiting=1 next_try=10s"]
    );
    assert_eq!(bench.succeed(), ["[lb-1] one"]);
    assert_eq!(bench.said.get(1).unwrap(), "mail is delivered again waiting=0");
}

#[test]
fn what_happens_while_a_server_fails_waits_for_the_next_try() {
    let mut bench = Bench::new(settings());
    bench.alert("one");
    bench.fail("refused");
    bench.passed += SECOND;
    bench.alert("two");
    assert!(bench.job.is_none());
    assert_eq!(bench.pass(100 * SECOND), 9 * SECOND);
    assert_eq!(bench.succeed(), ["[lb-1] one", "[lb-1] two"]);
}

#[test]
fn who_was_refused_waits_and_the_others_do_not_get_it_twice() {
    let mut bench = Bench::new(settings());
    bench.alert("one");
    let id = bench.job.take().unwrap().remove(0).id;
    let report = |delivered: &[&str], error: Option<&str>| Report::Letter {
        id: id.clone(),
        delivered: delivered.iter().map(ToString::to_string).collect(),
        error: error.map(ToOwned::to_owned),
    };
    bench.report(report(&["a@example.org"], Some("b@example.org: 450 busy")));
    bench.act(|queue, now, out| queue.ended(None, now, out));
    assert_eq!(bench.files.get(&id).unwrap().delivered, ["a@example.org"]);
    // Another mail is not kept waiting by that.
    bench.alert("two");
    assert_eq!(bench.succeed(), ["[lb-1] two"]);
    assert_eq!(bench.pass(100 * SECOND), 10 * SECOND);
    assert_eq!(bench.job.as_ref().unwrap().first().unwrap().to, ["b@example.org"]);
    bench.succeed();
    assert!(bench.files.is_empty());
}

#[test]
fn a_storm_is_a_few_mails_and_one_for_the_rest_of_the_minute() {
    let mut bench = Bench::new(settings());
    for number in 0..1000 {
        bench.alert(&format!("event {number}"));
    }
    assert_eq!(bench.files.len(), 3);
    assert_eq!(bench.notes.len(), 997);
    assert_eq!(bench.succeed(), ["[lb-1] event 0"]);
    assert_eq!(bench.succeed(), ["[lb-1] event 1", "[lb-1] event 2"]);
    assert_eq!(bench.pass(100 * SECOND), 60 * SECOND);
    assert_eq!(bench.succeed(), ["[lb-1] 997 events: 997 Test"]);
    assert!(bench.notes.is_empty());
    // The next minute has room for some of their own again.
    bench.passed += SECOND;
    bench.alert("later");
    assert_eq!(bench.succeed(), ["[lb-1] later"]);
}

#[test]
fn a_burst_of_none_gathers_everything() {
    let mut bench = Bench::new(Alerts { burst: 0, ..settings() });
    bench.alert("one");
    bench.alert("two");
    assert!(bench.files.is_empty());
    assert_eq!(bench.pass(100 * SECOND), 60 * SECOND);
    assert_eq!(bench.succeed(), ["[lb-1] 2 events: 2 Test"]);
}

#[test]
fn a_full_queue_gathers_what_follows_and_loses_no_count_of_it() {
    let mut bench = Bench::new(Alerts { burst: 1, burst_period: SECOND, ..settings() });
    bench.alert("first");
    bench.fail("refused");
    for number in 0..2000 {
        bench.passed += Duration::from_millis(600);
        bench.act(|queue, now, out| queue.handle_timeout(now, out));
        if bench.job.is_some() {
            bench.fail("refused");
        }
        bench.alert(&format!("event {number}"));
    }
    assert!(bench.files.len() <= 200);
    assert!(bench.said.iter().any(|line| line.starts_with("too many mails wait")), "{:?}", bench.said);
    assert!(bench.queue.gathered() > 500);
    let mut told = 0;
    while bench.queue.len() > 0 {
        if bench.job.is_none() {
            bench.pass(1000 * SECOND);
            continue;
        }
        for subject in bench.succeed() {
            let many =
                subject.split_once(" events").and_then(|(head, _)| head.rsplit(' ').next()?.parse().ok());
            told += many.unwrap_or(1);
        }
    }
    assert_eq!(told, 2001);
}

#[test]
fn a_mail_that_nobody_takes_is_given_up_after_a_day_and_that_is_said() {
    let mut bench = Bench::new(settings());
    bench.alert("one");
    let mut passed = Duration::ZERO;
    while bench.queue.len() > 0 {
        if bench.job.is_some() {
            bench.fail("refused");
        }
        passed += bench.pass(100_000 * SECOND);
    }
    assert_eq!(passed, 86_400 * SECOND);
    assert!(bench.files.is_empty());
    assert_eq!(bench.queue.counters.given_up, 1);
    let last = bench.said.last().unwrap();
    assert_eq!(
        last,
        "mail given up: not delivered within 1d subject=\"[lb-1] one\" delivered_to=0 error=\"refused\""
    );
    // Once an hour while it lasted, and the end.
    assert!((24..=26).contains(&bench.said.len()), "{}", bench.said.len());
}

#[test]
fn a_courier_that_does_not_get_on_is_killed_and_never_joined_by_a_second() {
    let mut bench = Bench::new(settings());
    bench.alert("one");
    assert_eq!(bench.pass(1000 * SECOND), 12 * SECOND);
    assert_eq!(bench.killed, 1);
    assert_eq!(bench.said.len(), 1);
    // It does not die at once; there is no other meanwhile.
    bench.passed += 100 * SECOND;
    bench.alert("two");
    assert_eq!(bench.jobs, 1);
    bench.job = None;
    bench.act(|queue, now, out| queue.ended(Some("signal 9".to_owned()), now, out));
    assert_eq!(bench.said.len(), 1);
    assert_eq!(bench.succeed(), ["[lb-1] one", "[lb-1] two"]);
}

#[test]
fn a_courier_that_tells_something_has_its_patience_anew() {
    let mut bench = Bench::new(settings());
    bench.alert("one");
    bench.passed += 11 * SECOND;
    bench.report(Report::Connected);
    assert_eq!(bench.pass(1000 * SECOND), 12 * SECOND);
    assert_eq!(bench.killed, 1);
}

#[test]
fn a_courier_that_dies_is_a_failure_and_the_mail_is_tried_again() {
    let mut bench = Bench::new(settings());
    bench.alert("one");
    bench.job = None;
    bench.act(|queue, now, out| queue.ended(Some("signal 11".to_owned()), now, out));
    assert!(bench.said.first().unwrap().contains("signal 11"), "{:?}", bench.said);
    assert_eq!(bench.pass(1000 * SECOND), 10 * SECOND);
    assert_eq!(bench.succeed(), ["[lb-1] one"]);
}

#[test]
fn an_upgrade_that_fails_goes_on_delivering() {
    let mut bench = Bench::new(settings());
    bench.alert("one");
    bench.job = None;
    bench.act(|queue, now, _| queue.interrupted(now.at));
    assert_eq!(bench.pass(1000 * SECOND), SECOND);
    assert_eq!(bench.succeed(), ["[lb-1] one"]);
    assert!(bench.said.iter().all(|line| line.starts_with("mail sent")), "{:?}", bench.said);
}

#[test]
fn a_courier_that_cannot_be_started_is_tried_again() {
    let mut bench = Bench::new(settings());
    bench.alert("one");
    bench.job = None;
    bench.act(|queue, now, out| queue.not_started("no memory", now, out));
    assert_eq!(bench.pass(1000 * SECOND), 10 * SECOND);
    assert_eq!(bench.succeed(), ["[lb-1] one"]);
}

#[test]
fn a_reload_that_mends_what_was_wrong_is_tried_at_once() {
    let mut bench = Bench::new(settings());
    bench.alert("one");
    for _ in 0..5 {
        bench.fail("refused");
        bench.pass(1000 * SECOND);
    }
    bench.fail("refused");
    let mended = Alerts { port: 2525, to: vec!["c@example.org".to_owned()], ..settings() };
    bench.act(|queue, now, out| queue.configure(Some(mended), "lb-1".to_owned(), now, out));
    assert_eq!(bench.job.as_ref().unwrap().first().unwrap().to, ["c@example.org"]);
    bench.succeed();
    assert!(bench.files.is_empty());
}

#[test]
fn a_reload_without_the_section_keeps_what_waits_and_says_so() {
    let mut bench = Bench::new(settings());
    bench.alert("one");
    bench.fail("refused");
    bench.act(|queue, now, out| queue.configure(None, "lb-1".to_owned(), now, out));
    assert!(bench.said.last().unwrap().starts_with("there is no [alerts] any more"), "{:?}", bench.said);
    bench.alert("not wanted");
    assert_eq!(bench.pass(200_000 * SECOND), 200_000 * SECOND);
    assert_eq!(bench.files.len(), 1);
}

#[test]
fn who_is_no_recipient_any_more_keeps_no_mail_waiting() {
    let mut bench = Bench::new(settings());
    bench.alert("one");
    let id = bench.job.take().unwrap().remove(0).id;
    let delivered = vec!["a@example.org".to_owned()];
    bench.report(Report::Letter { id, delivered, error: Some("b: 550 unknown".to_owned()) });
    bench.act(|queue, now, out| queue.ended(None, now, out));
    let only = Alerts { to: vec!["a@example.org".to_owned()], ..settings() };
    bench.act(|queue, now, out| queue.configure(Some(only), "lb-1".to_owned(), now, out));
    assert!(bench.job.is_none());
    assert!(bench.files.is_empty());
}

#[test]
fn an_expired_mail_of_an_earlier_run_is_given_up_and_a_younger_one_is_sent() {
    let mut bench = Bench::new(settings());
    let letter = |id: &str, age: u64| Letter {
        id: id.to_owned(),
        at: 0,
        queued_at: bench.now().seconds() - age,
        subject: format!("[lb-1] {id}"),
        body: String::new(),
        delivered: Vec::new(),
    };
    let letters = vec![letter("old", 90_000), letter("young", 80_000)];
    bench.files = letters.iter().map(|letter| (letter.id.clone(), letter.clone())).collect();
    bench.act(|queue, now, out| queue.recover(letters, Vec::new(), now, out));
    // It had its last chance.
    bench.fail("refused");
    bench.pass(SECOND);
    assert!(bench.said.last().unwrap().contains("subject=\"[lb-1] old\""), "{:?}", bench.said);
    assert_eq!(bench.pass(100 * SECOND), 10 * SECOND);
    assert_eq!(bench.succeed(), ["[lb-1] young"]);
}
