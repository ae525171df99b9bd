mod backup;
mod carry_over;
mod leave;
mod property;
mod quorum;
mod restart;
mod sizes;
mod steer;
mod suspend;
mod weights;

use super::*;
use crate::checks::Weight;
use crate::plan::Plan;

/// A pool with a clock, and what came out of it in words.
pub(super) struct Lab {
    pub(super) pool: Pool,
    pub(super) zero: Instant,
    pub(super) now: Instant,
}

/// The machine of the lab was started some time ago.
pub(super) const UPTIME: Duration = Duration::from_secs(1000);

pub(super) fn plan(text: &str) -> Plan {
    plan::tests::plan_with_faults(text).0
}

/// One virtual server with these keys, servers as `address weight`, all with a quick tcp check.
pub(super) fn text(keys: &str, servers: &[&str]) -> String {
    let mut text = format!(
        "[[virtual_server]]\naddress = \"192.0.2.1:80\"\ncheck = {{ type = \"tcp\", interval = 1, warm_up = 0, retries = 0 }}\n{keys}\n"
    );
    for server in servers {
        let (address, rest) = server.split_once(' ').unwrap_or((server, ""));
        text.push_str(&format!("[[virtual_server.real_server]]\naddress = \"{address}\"\n{rest}\n"));
    }
    text
}

impl Lab {
    pub(super) fn empty() -> Self {
        #[expect(clippy::disallowed_methods, reason = "tests need one moment to count from")]
        let zero = Instant::now();
        Self { pool: Pool::new(1, zero, UPTIME), zero, now: zero }
    }

    pub(super) fn new(text: &str) -> Self {
        let mut lab = Self::empty();
        lab.load(text);
        lab
    }

    pub(super) fn load(&mut self, text: &str) -> Vec<String> {
        let mut out = Vec::new();
        self.pool.reconfigure(&plan(text), self.now, &mut out);
        self.words(out)
    }

    fn words(&mut self, mut out: Actions) -> Vec<String> {
        self.pool.settle(self.now, &mut out);
        out.iter().map(|action| self.word(action)).collect()
    }

    /// Like the action's line, with names instead of numbers.
    fn word(&self, action: &Action) -> String {
        let check =
            |id: &CheckId| self.pool.check(*id).map_or("gone".into(), |c| c.target().ip().to_string());
        let subject = |subject: &Subject| match subject {
            Subject::Server(..) => {
                self.pool.names(*subject).and_then(|(_, server)| server).unwrap().address.to_string()
            }
            Subject::Quorum(_) => "quorum".into(),
        };
        match action {
            Action::Start(id) => format!("start {}", check(id)),
            Action::Expire(id) => format!("expire {}", check(id)),
            Action::Cancel(_) => "cancel".into(),
            Action::Reconcile(key) => format!("reconcile {key}: {}", self.destinations(*key)),
            Action::Notify(s, turn) => format!("notify {} {turn}", subject(s)),
            Action::Changed(s, turn, words) => format!("{} {turn}: {words}", subject(s)),
            Action::Failed(id, words) => format!("failed {}: {words}", check(id)),
            Action::Local(id, words) => format!("local {}: {words}", check(id)),
            Action::Count(_) => "count".into(),
            Action::Leaving(_, server, stage) => format!("leaving {}: {stage}", server.address),
            Action::Steered(_, server, turned) => format!("steered {}: {turned}", server.address),
            Action::Suspended(_, true) => "suspended".into(),
            Action::Suspended(_, false) => "resumed".into(),
            Action::Warned(id, words) => format!("warned {}: {words}", check(id)),
        }
    }

    pub(super) fn destinations(&self, key: ServiceKey) -> String {
        let Some(entry) = self.pool.wanted().services.get(&key) else { return "none".into() };
        let parts: Vec<String> =
            entry.destinations.iter().map(|(at, d)| format!("{}={}", at.address, d.weight)).collect();
        parts.join(" ")
    }

    pub(super) fn table(&self) -> String {
        self.destinations("tcp 192.0.2.1:80".parse().unwrap())
    }

    pub(super) fn at(&mut self, ms: u64) -> Vec<String> {
        self.now = self.zero + Duration::from_millis(ms);
        let mut out = Vec::new();
        self.pool.handle_timeout(self.now, &mut out);
        self.words(out)
    }

    /// The attempts under way against this address end so. Starts them if they are due.
    pub(super) fn verdict(&mut self, address: &str, verdict: &Verdict) -> Vec<String> {
        let mut out = Vec::new();
        self.pool.handle_timeout(self.now, &mut out);
        out.clear();
        let ids: Vec<CheckId> = self
            .pool
            .checks
            .iter()
            .filter(|(_, check)| check.plan.target().ip().to_string() == address && check.schedule.running())
            .map(|(id, _)| *id)
            .collect();
        assert!(!ids.is_empty(), "no attempt under way against {address}");
        for check in ids {
            let event = Event::Finished { check, verdict: verdict.clone(), took: Duration::from_millis(3) };
            self.pool.handle(event, self.now, &mut out);
        }
        self.words(out)
    }

    pub(super) fn event(&mut self, event: Event) -> Vec<String> {
        let mut out = Vec::new();
        self.pool.handle(event, self.now, &mut out);
        self.words(out)
    }

    /// The successor of a process that was killed now.
    pub(super) fn restarted(&mut self, text: &str) -> Self {
        self.pool.changed = true;
        let checkpoint = self.pool.checkpoint().unwrap();
        // Another process: its clock began at another moment.
        let uptime = UPTIME + self.now.duration_since(self.zero);
        let mut next = Self { pool: Pool::new(2, self.now, uptime), zero: self.zero, now: self.now };
        let mut out = Vec::new();
        next.pool.reconfigure(&plan(text), next.now, &mut out);
        next.pool.handle(Event::Holds(self.pool.held.clone()), next.now, &mut out);
        assert!(next.pool.restore(&checkpoint, next.now));
        next.words(out);
        next
    }

    pub(super) fn fails(&mut self, address: &str) -> Vec<String> {
        self.verdict(address, &Verdict::fail("connection refused"))
    }

    pub(super) fn passes(&mut self, address: &str) -> Vec<String> {
        self.verdict(address, &Verdict::pass("connection accepted"))
    }
}

const TWO: &[&str] = &["10.0.0.1 weight = 3", "10.0.0.2"];

#[test]
fn a_dead_server_goes_and_a_living_one_returns_with_the_reason_told() {
    let mut lab = Lab::empty();
    assert_eq!(lab.load(&text("", TWO)), ["reconcile tcp 192.0.2.1:80: 10.0.0.1=3 10.0.0.2=1"]);
    assert_eq!(lab.at(0), ["start 10.0.0.1", "start 10.0.0.2"]);
    assert_eq!(
        lab.fails("10.0.0.1"),
        ["10.0.0.1 down: tcp check: connection refused", "reconcile tcp 192.0.2.1:80: 10.0.0.2=1",]
    );
    assert!(lab.passes("10.0.0.2").is_empty());
    lab.at(1000);
    assert_eq!(
        lab.passes("10.0.0.1"),
        ["10.0.0.1 up: tcp check: connection accepted", "reconcile tcp 192.0.2.1:80: 10.0.0.1=3 10.0.0.2=1"]
    );
}

#[test]
fn a_server_that_is_inhibited_on_failure_stays_with_weight_zero() {
    let mut lab = Lab::new(&text("inhibit_on_failure = true", TWO));
    lab.at(0);
    lab.fails("10.0.0.1");
    assert_eq!(lab.table(), "10.0.0.1=0 10.0.0.2=1");
}

#[test]
fn the_kernel_is_told_before_anybody_is_notified() {
    let mut lab = Lab::new(&text("notify_down = \"/down\"\nnotify_up = \"/up\"", TWO));
    lab.at(0);
    let words = lab.fails("10.0.0.1");
    assert_eq!(words[1..], ["reconcile tcp 192.0.2.1:80: 10.0.0.2=1", "notify 10.0.0.1 down"]);
    lab.at(1000);
    assert_eq!(lab.passes("10.0.0.1").last().unwrap(), "notify 10.0.0.1 up");
}

#[test]
fn all_checks_of_a_server_must_pass() {
    let checks = "[[virtual_server.real_server]]\naddress = \"10.0.0.1:80\"\ncheck = [{ type = \"tcp\", warm_up = 0, retries = 0 }, { type = \"tcp\", address = \"10.9.9.9\", warm_up = 0, retries = 0 }]\n";
    let mut lab = Lab::new(&format!("{}{checks}", text("", &[])));
    lab.at(0);
    lab.passes("10.0.0.1");
    lab.fails("10.9.9.9");
    assert_eq!(lab.table(), "");
    lab.at(10_000);
    assert!(lab.fails("10.0.0.1").is_empty(), "dead before, dead now");
    lab.passes("10.9.9.9");
    assert_eq!(lab.table(), "");
    lab.at(20_000);
    lab.passes("10.0.0.1");
    assert_eq!(lab.table(), "10.0.0.1=1");
}

#[test]
fn equal_checks_of_several_services_are_one_check() {
    let other = text("", TWO).replace("192.0.2.1:80", "192.0.2.2:80");
    let mut lab = Lab::new(&format!("{}{other}", text("", TWO)));
    assert_eq!(lab.at(0), ["start 10.0.0.1", "start 10.0.0.2"]);
    let words = lab.fails("10.0.0.1");
    assert_eq!(words.iter().filter(|word| word.contains("10.0.0.1 down")).count(), 2);
    assert_eq!(lab.destinations("tcp 192.0.2.2:80".parse().unwrap()), "10.0.0.2=1");
    assert_eq!(lab.table(), "10.0.0.2=1");
}

#[test]
fn a_group_programs_all_its_services() {
    let group = text("", TWO)
        .replace("address = \"192.0.2.1:80\"", "addresses = [\"192.0.2.1:80\", \"192.0.2.3:80\"]");
    let mut lab = Lab::new(&group);
    lab.at(0);
    let words = lab.fails("10.0.0.2");
    assert_eq!(
        words[1..],
        ["reconcile tcp 192.0.2.1:80: 10.0.0.1=3", "reconcile tcp 192.0.2.3:80: 10.0.0.1=3"]
    );
}

#[test]
fn a_dynamic_check_sets_the_weight() {
    let mut lab = Lab::new(&text("", TWO));
    lab.at(0);
    lab.verdict("10.0.0.1", &Verdict::Pass { words: "said so".into(), weight: Some(Weight::Set(9)) });
    assert_eq!(lab.table(), "10.0.0.1=9 10.0.0.2=1");
    lab.at(1000);
    lab.verdict("10.0.0.1", &Verdict::Pass { words: "said so".into(), weight: Some(Weight::Set(0)) });
    assert_eq!(lab.table(), "10.0.0.1=0 10.0.0.2=1");
    lab.at(2000);
    lab.passes("10.0.0.1");
    assert_eq!(lab.table(), "10.0.0.1=3 10.0.0.2=1");
}

#[test]
fn an_error_of_this_machine_leaves_everything_and_is_told() {
    let mut lab = Lab::new(&text("", TWO));
    lab.at(0);
    assert_eq!(
        lab.verdict("10.0.0.1", &Verdict::Unknown("no descriptors".into())),
        ["local 10.0.0.1: no descriptors"]
    );
    assert_eq!(lab.table(), "10.0.0.1=3 10.0.0.2=1");
    let status = lab.pool.status(lab.now);
    let check = &status[0].servers[0].checks[0];
    assert_eq!((check.up, check.local_errors, check.failures), (true, 1, 0));
    assert_eq!(check.last_words.as_deref(), Some("not checked: no descriptors"));
}

#[test]
fn an_initially_down_server_serves_after_its_first_pass() {
    let down = text("", TWO).replace("retries = 0", "retries = 0, initial = \"down\"");
    let mut lab = Lab::new(&down);
    assert_eq!(lab.table(), "");
    lab.at(0);
    lab.passes("10.0.0.2");
    assert_eq!(lab.table(), "10.0.0.2=1");
}

#[test]
fn an_attempt_that_ends_late_or_twice_says_nothing() {
    let mut lab = Lab::new(&text("", TWO));
    lab.at(0);
    lab.passes("10.0.0.1");
    let id = *lab.pool.checks.keys().next().unwrap();
    let mut out = Vec::new();
    let event = Event::Finished { check: id, verdict: Verdict::fail("late"), took: Duration::ZERO };
    lab.pool.handle(event, lab.now, &mut out);
    assert!(out.is_empty());
    assert_eq!(lab.table(), "10.0.0.1=3 10.0.0.2=1");
}

#[test]
fn failures_without_a_turn_are_told_while_the_server_is_up_or_where_all_are_wanted() {
    let retried =
        |keys: &str| text("", TWO).replace("retries = 0", &format!("retries = 1, retry_delay = 1{keys}"));
    let mut lab = Lab::new(&retried(""));
    lab.at(0);
    lab.passes("10.0.0.1");
    lab.at(1000);
    assert_eq!(lab.fails("10.0.0.1"), ["failed 10.0.0.1: connection refused"], "the retry is told");
    lab.at(2000);
    assert_eq!(lab.fails("10.0.0.1")[0], "10.0.0.1 down: tcp check: connection refused");
    lab.at(3000);
    assert!(lab.fails("10.0.0.1").is_empty());
    let mut lab = Lab::new(&retried(", log_all_failures = true"));
    lab.at(0);
    lab.fails("10.0.0.1");
    lab.at(1000);
    assert_eq!(lab.fails("10.0.0.1"), ["failed 10.0.0.1: connection refused"]);
}

#[test]
fn status_tells_what_is_so_and_since_when() {
    let mut lab = Lab::new(&text("quorum = 4", TWO));
    lab.at(0);
    lab.fails("10.0.0.1");
    lab.at(2500);
    let status = lab.pool.status(lab.now);
    let service = &status[0];
    assert_eq!((service.quorum_met, service.sorry_active, service.alive_weight), (false, false, 1));
    let server = &service.servers[0];
    assert_eq!((server.alive, server.effective_weight), (false, 0));
    assert_eq!(server.since, Duration::from_millis(2500));
    let check = &server.checks[0];
    assert_eq!((check.kind, check.up, check.failures, check.attempts), ("tcp", false, 1, 1));
    assert_eq!(check.last_words.as_deref(), Some("connection refused"));
    assert_eq!(check.last_took, Some(Duration::from_millis(3)));
}

#[test]
fn a_certificate_that_ends_soon_is_told_once_a_day() {
    let mut lab = Lab::new(&text("", TWO));
    lab.at(0);
    let id = *lab.pool.checks.keys().next().unwrap();
    let shown = |lab: &mut Lab, left: i64| {
        lab.event(Event::Certificate { check: id, left, short: left < 10 * 86_400 })
    };
    assert!(shown(&mut lab, 20 * 86_400).is_empty());
    assert_eq!(lab.pool.status(lab.now)[0].servers[0].checks[0].warning, None);
    assert_eq!(shown(&mut lab, 9 * 86_400 + 7), ["warned 10.0.0.1: certificate expires in 9 days"]);
    assert!(shown(&mut lab, 9 * 86_400 + 3).is_empty());
    assert_eq!(shown(&mut lab, 9 * 86_400 - 3), ["warned 10.0.0.1: certificate expires in 8 days"]);
    lab.at(5000);
    let check = lab.pool.status(lab.now)[0].servers[0].checks[0].clone();
    assert_eq!(check.certificate_left, Some(9 * 86_400 - 8));
    assert_eq!(check.warning.as_deref(), Some("certificate expires in 8 days"));
    assert_eq!(shown(&mut lab, 3 * 3600), ["warned 10.0.0.1: certificate expires in 3 hours"]);
    assert_eq!(shown(&mut lab, -600), ["warned 10.0.0.1: certificate expired 10 minutes ago"]);
    assert!(shown(&mut lab, 90 * 86_400).is_empty(), "another one");
    assert_eq!(lab.table(), "10.0.0.1=3 10.0.0.2=1", "it is no failure");
}
