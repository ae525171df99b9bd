//! Stories of reloads, and what must hold in every order of events.

use super::*;
use proptest::prelude::*;
use serde_json::json;

const A: ChildId = ChildId(0);
const B: ChildId = ChildId(1);
const CLIENT: Asker = Asker::Client(Ticket(7));

struct Story {
    now: Instant,
    reload: Reload,
}

impl Story {
    fn new() -> Self {
        let now = common::event_loop::clock::now();
        Self { now, reload: Reload::new(Duration::from_secs(30)) }
    }

    fn event(&mut self, event: Event) -> Vec<String> {
        let mut out = Vec::new();
        self.reload.handle(event, self.now, &mut out);
        out.iter().map(ToString::to_string).collect()
    }

    fn later(&mut self, seconds: u64) -> Vec<String> {
        self.now += Duration::from_secs(seconds);
        let mut out = Vec::new();
        self.reload.handle_timeout(self.now, &mut out);
        out.iter().map(ToString::to_string).collect()
    }

    fn requested(&mut self, asker: Asker) -> Vec<String> {
        self.event(Event::Requested { asker, dry_run: false })
    }

    fn checked(&mut self, parts: &[(ChildId, Part)]) -> Vec<String> {
        self.event(Event::Checked { parts: parts.to_vec() })
    }

    fn prepared(&mut self, child: ChildId) -> Vec<String> {
        let round = self.reload.round;
        self.event(Event::Prepared { child, round, changes: json!([child.0]) })
    }

    fn committed(&mut self, child: ChildId) -> Vec<String> {
        let round = self.reload.round;
        self.event(Event::Committed { child, round })
    }

    fn refused(&mut self, child: ChildId, text: &str) -> Vec<String> {
        let round = self.reload.round;
        self.event(Event::Refused { child, round, text: text.into() })
    }

    /// Two running children, asked by a client, both busy preparing.
    fn preparing() -> Self {
        let mut story = Self::new();
        assert_eq!(story.requested(CLIENT), ["load"]);
        let prepares = story.checked(&[(A, Part::Member), (B, Part::Member)]);
        assert_eq!(prepares, ["prepare 0 round=1", "prepare 1 round=1"]);
        story
    }
}

const NOTHING: [&str; 0] = [];

#[test]
fn nobody_commits_before_everybody_has_prepared() {
    let mut story = Story::preparing();
    assert_eq!(story.prepared(B), NOTHING);
    assert_eq!(story.prepared(A), ["adopt", "commit 0 round=1", "commit 1 round=1"]);
    assert_eq!(story.committed(A), NOTHING);
    let mut out = Vec::new();
    story.reload.handle(Event::Committed { child: B, round: Round(1) }, story.now, &mut out);
    let outcome = Outcome::Done {
        dry_run: false,
        changes: vec![(A, json!([0])), (B, json!([1]))],
        started: vec![],
        stopped: vec![],
    };
    assert_eq!(out, [Action::Answer { asker: CLIENT, outcome }]);
}

#[test]
fn faulty_text_reaches_nobody() {
    let mut story = Story::new();
    story.requested(CLIENT);
    assert_eq!(story.event(Event::Faulty { text: "line 3".into() }), ["answer client 7: refused: line 3"]);
    assert!(!story.reload.is_busy());
}

#[test]
fn one_refusal_aborts_all() {
    let mut story = Story::preparing();
    story.prepared(A);
    assert_eq!(
        story.refused(B, "no such user"),
        ["abort 0 round=1", "abort 1 round=1", "answer client 7: refused by 1: no such user"]
    );
}

#[test]
fn a_late_one_aborts_all() {
    let mut story = Story::preparing();
    story.prepared(A);
    assert_eq!(story.later(9), NOTHING);
    assert_eq!(
        story.later(1),
        ["abort 0 round=1", "abort 1 round=1", "answer client 7: refused by 1: no answer in time"]
    );
    // Its late answer changes nothing.
    assert_eq!(story.prepared(B), NOTHING);
}

#[test]
fn a_death_while_preparing_aborts_all() {
    let mut story = Story::preparing();
    story.prepared(A);
    assert_eq!(
        story.event(Event::Gone { child: A }),
        ["abort 0 round=1", "abort 1 round=1", "answer client 7: refused by 0: it died"]
    );
}

#[test]
fn a_death_while_committing_is_as_good_as_a_commit() {
    let mut story = Story::preparing();
    story.prepared(A);
    story.prepared(B);
    story.committed(A);
    assert_eq!(story.event(Event::Gone { child: B }), ["answer client 7: done"]);
}

#[test]
fn a_commit_that_is_late_or_refused_costs_the_child_its_life_and_not_the_reload() {
    let mut story = Story::preparing();
    story.prepared(A);
    story.prepared(B);
    assert_eq!(story.refused(A, "what?"), ["give-up 0"]);
    assert_eq!(story.later(10), ["give-up 1", "answer client 7: done"]);
}

#[test]
fn a_dry_run_prepares_and_forgets() {
    let mut story = Story::new();
    story.event(Event::Requested { asker: CLIENT, dry_run: true });
    story.checked(&[(A, Part::Member), (B, Part::New)]);
    assert_eq!(story.prepared(A), ["abort 0 round=1", "answer client 7: would be done"]);
}

#[test]
fn a_new_child_must_be_ready_before_anybody_commits() {
    let mut story = Story::new();
    story.requested(CLIENT);
    assert_eq!(story.checked(&[(A, Part::Member), (B, Part::New)]), ["prepare 0 round=1"]);
    assert_eq!(story.prepared(A), ["launch 1"]);
    assert_eq!(story.event(Event::Ready { child: B }), ["adopt", "commit 0 round=1"]);
    assert_eq!(story.committed(A), ["answer client 7: done"]);
}

#[test]
fn a_new_child_that_dies_or_dawdles_takes_the_reload_back() {
    for late in [false, true] {
        let mut story = Story::new();
        story.requested(CLIENT);
        story.checked(&[(A, Part::Member), (B, Part::New)]);
        story.prepared(A);
        let (done, why) = if late {
            (story.later(30), "not ready in time")
        } else {
            (story.event(Event::Gone { child: B }), "it does not start with this configuration")
        };
        let answer = format!("answer client 7: refused by 1: {why}");
        assert_eq!(done, ["retire 1", "abort 0 round=1", &answer]);
    }
}

#[test]
fn a_child_that_is_not_needed_leaves_when_the_others_have_committed() {
    let mut story = Story::new();
    story.requested(CLIENT);
    story.checked(&[(A, Part::Member), (B, Part::Leaving)]);
    assert_eq!(story.prepared(A), ["adopt", "commit 0 round=1"]);
    assert_eq!(story.committed(A), ["retire 1", "answer client 7: done"]);
}

#[test]
fn a_child_that_is_starting_is_asked_when_it_is_ready() {
    let mut story = Story::new();
    story.requested(CLIENT);
    assert_eq!(story.checked(&[(A, Part::Coming)]), NOTHING);
    assert_eq!(story.event(Event::Ready { child: A }), ["prepare 0 round=1"]);
    assert_eq!(story.prepared(A), ["adopt", "commit 0 round=1"]);
}

#[test]
fn a_crash_loop_is_ended_by_a_reload_that_needs_nobody() {
    let mut story = Story::new();
    story.requested(CLIENT);
    assert_eq!(story.checked(&[(A, Part::Absent)]), ["adopt", "answer client 7: done"]);
    story.requested(CLIENT);
    assert_eq!(story.checked(&[(A, Part::Coming)]), NOTHING);
    assert_eq!(story.event(Event::Gone { child: A }), ["adopt", "answer client 7: done"]);
}

#[test]
fn many_signals_are_one_more_reload_and_a_client_is_told_to_wait() {
    let mut story = Story::preparing();
    assert_eq!(story.requested(Asker::Signal), NOTHING);
    assert_eq!(story.requested(Asker::Signal), NOTHING);
    assert_eq!(story.requested(Asker::Client(Ticket(8))), ["answer client 8: busy"]);
    assert_eq!(story.refused(A, "no").last().unwrap(), "load");
    assert_eq!(story.event(Event::Faulty { text: "x".into() }), ["answer signal: refused: x"]);
    assert!(!story.reload.is_busy());
}

#[test]
fn answers_to_an_earlier_reload_are_not_mistaken() {
    let mut story = Story::preparing();
    story.refused(A, "no");
    story.requested(CLIENT);
    story.checked(&[(A, Part::Member)]);
    assert_eq!(story.event(Event::Prepared { child: A, round: Round(1), changes: json!([]) }), NOTHING);
    assert_eq!(story.event(Event::Refused { child: A, round: Round(1), text: "no".into() }), NOTHING);
    assert_eq!(story.prepared(A), ["adopt", "commit 0 round=2"]);
}

#[test]
fn a_stop_ends_what_is_not_decided_and_begins_nothing() {
    let mut story = Story::preparing();
    story.requested(Asker::Signal);
    assert_eq!(
        story.event(Event::Stopping),
        ["abort 0 round=1", "abort 1 round=1", "answer client 7: refused: the daemon is stopping"]
    );
    assert_eq!(story.requested(CLIENT), ["answer client 7: refused: the daemon is stopping"]);
}

#[derive(Clone, Debug)]
enum Move {
    Ask(bool, bool),
    Prepared(usize),
    Refused(usize),
    Committed(usize),
    Ready(usize),
    Gone(usize),
    Later(u64),
    Due,
}

fn moves() -> impl Strategy<Value = Vec<Move>> {
    let child = || 0..3_usize;
    let one = prop_oneof![
        2 => (any::<bool>(), any::<bool>()).prop_map(|(signal, dry)| Move::Ask(signal, dry)),
        5 => child().prop_map(Move::Prepared),
        1 => child().prop_map(Move::Refused),
        5 => child().prop_map(Move::Committed),
        3 => child().prop_map(Move::Ready),
        1 => child().prop_map(Move::Gone),
        2 => (0..8_u64).prop_map(Move::Later),
        1 => Just(Move::Due),
    ];
    prop::collection::vec(one, 1..150)
}

fn parts() -> impl Strategy<Value = Vec<(ChildId, Part)>> {
    let part = prop_oneof![
        4 => Just(Part::Member),
        1 => Just(Part::Coming),
        1 => Just(Part::Absent),
        1 => Just(Part::New),
        1 => Just(Part::Leaving),
    ];
    prop::collection::vec(part, 3)
        .prop_map(|parts| parts.into_iter().enumerate().map(|(i, part)| (ChildId(i), part)).collect())
}

proptest! {
    /// All or none, one at a time, and everybody who asks gets exactly one answer.
    #[test]
    fn all_or_none(moves in moves(), parts in parts()) {
        let mut story = Story::new();
        let (mut asked, mut answered, mut signals) = (0, 0, 0);
        let mut ticket = 0;
        // What this round has shown so far.
        let (mut open, mut prepared, mut ready) = (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
        let mut adopted = false;
        for step in moves.into_iter().chain(std::iter::repeat_n(Move::Later(31), 8)) {
            let mut out = Vec::new();
            let round = story.reload.round;
            let event = match step {
                Move::Ask(true, _) => {
                    signals += 1;
                    Some(Event::Requested { asker: Asker::Signal, dry_run: false })
                }
                Move::Ask(false, dry_run) => {
                    asked += 1;
                    ticket += 1;
                    Some(Event::Requested { asker: Asker::Client(Ticket(ticket)), dry_run })
                }
                Move::Prepared(child) => {
                    let child = ChildId(child);
                    if open.contains(&child) { prepared.insert(child); }
                    Some(Event::Prepared { child, round, changes: json!([]) })
                }
                Move::Refused(child) => Some(Event::Refused { child: ChildId(child), round, text: "no".into() }),
                Move::Committed(child) => Some(Event::Committed { child: ChildId(child), round }),
                Move::Ready(child) => {
                    ready.insert(ChildId(child));
                    Some(Event::Ready { child: ChildId(child) })
                }
                Move::Gone(child) => Some(Event::Gone { child: ChildId(child) }),
                Move::Later(seconds) => {
                    story.now += Duration::from_secs(seconds);
                    None
                }
                Move::Due => {
                    story.now = story.reload.poll_timeout().unwrap_or(story.now).max(story.now);
                    None
                }
            };
            match event {
                Some(event) => story.reload.handle(event, story.now, &mut out),
                None => story.reload.handle_timeout(story.now, &mut out),
            }
            let mut queue: std::collections::VecDeque<Action> = out.into();
            while let Some(action) = queue.pop_front() {
                match action {
                    Action::Load => {
                        prop_assert!(open.is_empty(), "a second reload in flight");
                        (prepared, ready, adopted) = (BTreeSet::new(), BTreeSet::new(), false);
                        let mut more = Vec::new();
                        story.reload.handle(Event::Checked { parts: parts.clone() }, story.now, &mut more);
                        queue.extend(more);
                    }
                    Action::Prepare { child, .. } => prop_assert!(open.insert(child)),
                    Action::Adopt => {
                        prop_assert_eq!(&prepared, &open, "not everybody had prepared");
                        adopted = true;
                    }
                    Action::Commit { child, .. } => prop_assert!(adopted && open.contains(&child)),
                    Action::Abort { child, .. } => {
                        prop_assert!(!adopted, "an abort after the point of no return");
                        open.remove(&child);
                    }
                    Action::Launch { child } => prop_assert!(!adopted && !open.contains(&child)),
                    Action::Retire { .. } => {}
                    Action::GiveUp { .. } => prop_assert!(adopted),
                    Action::Answer { asker: Asker::Client(_), outcome } => {
                        answered += 1;
                        if outcome != Outcome::Busy { open.clear(); }
                    }
                    Action::Answer { asker: Asker::Signal, .. } => {
                        signals -= 1;
                        open.clear();
                    }
                }
            }
        }
        prop_assert!(!story.reload.is_busy(), "time alone ends every reload");
        prop_assert_eq!(asked, answered);
        prop_assert!(signals >= 0);
    }
}
