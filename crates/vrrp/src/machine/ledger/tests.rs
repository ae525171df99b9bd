//! The ledger against a kernel in memory, in which others do as they like.

use proptest::prelude::*;

use super::*;
use crate::machine::id::Family;
use crate::machine::object::{Hop, MAIN_TABLE, Metrics, Place, Route, RouteKind, Rule, RuleAction};

const SECOND: Duration = Duration::from_secs(1);

fn link(name: &str) -> LinkName {
    LinkName::new(name).unwrap()
}

fn route(to: &str, via: &str, name: &str) -> Object {
    Object::Route(Route {
        place: Place { table: MAIN_TABLE, destination: (to.parse().unwrap(), 24), tos: 0, metric: 0 },
        kind: RouteKind::Unicast,
        scope: 0,
        source: None,
        hops: vec![Hop { via: via.parse().ok(), link: Some(link(name)), weight: 1, onlink: false }],
        metrics: Metrics::default(),
    })
}

fn rule(priority: u32) -> Object {
    Object::Rule(Rule {
        family: Family::Ipv4,
        priority,
        from: None,
        to: None,
        fwmark: Some((1, u32::MAX)),
        input: None,
        output: None,
        action: RuleAction::Lookup { table: 100, suppress: None },
    })
}

/// A kernel: what is there, whether it is ours, and interfaces on which nothing can be installed.
#[derive(Default)]
struct Kernel {
    there: BTreeMap<Key, (Object, bool)>,
    broken: bool,
}

impl Kernel {
    fn perform(&mut self, request: &Request) -> Outcome {
        let key = request.object.key();
        match request.verb {
            Verb::Remove => {
                if self.there.get(&key).is_some_and(|(_, ours)| *ours) {
                    self.there.remove(&key);
                }
                Outcome::Done
            }
            Verb::Install | Verb::Check if self.there.contains_key(&key) => Outcome::Exists,
            Verb::Install | Verb::Check | Verb::Replace if self.broken => Outcome::Failed("down".into()),
            Verb::Install | Verb::Check | Verb::Replace => {
                assert!(self.there.get(&key).is_none_or(|(_, ours)| *ours), "{request:?} of somebody else");
                self.there.insert(key, (request.object.clone(), true));
                Outcome::Done
            }
        }
    }
}

struct Stage {
    ledger: Ledger,
    kernel: Kernel,
    now: Instant,
    lines: Vec<String>,
}

impl Stage {
    fn new() -> Self {
        let now = common::event_loop::clock::now();
        Self { ledger: Ledger::default(), kernel: Kernel::default(), now, lines: Vec::new() }
    }

    /// Performs actions until nothing more comes of them; what was asked and told.
    fn settle(&mut self, mut out: Vec<Action>) -> Vec<String> {
        let mut rounds = 0;
        while !out.is_empty() {
            rounds += 1;
            assert!(rounds < 10, "{out:?}");
            let mut next = Vec::new();
            for action in out {
                self.lines.push(action.to_string());
                if let Action::Objects(requests) = action {
                    for request in requests {
                        let outcome = self.kernel.perform(&request);
                        self.ledger.performed(request, outcome, self.now, &mut next);
                    }
                }
            }
            out = next;
        }
        std::mem::take(&mut self.lines)
    }

    fn want(&mut self, objects: &[Object]) -> Vec<String> {
        let owned = |object: &Object| (object.key(), (object.clone(), Some(Name::from("A"))));
        let mut out = Vec::new();
        self.ledger.want(objects.iter().map(owned).collect(), &mut out);
        self.settle(out)
    }

    fn with(&mut self, work: impl FnOnce(&mut Ledger, Instant, &mut Vec<Action>)) -> Vec<String> {
        let mut out = Vec::new();
        work(&mut self.ledger, self.now, &mut out);
        self.settle(out)
    }

    fn pass(&mut self, time: Duration) -> Vec<String> {
        self.now += time;
        self.with(Ledger::handle_timeout)
    }

    /// Somebody removes an object, and the kernel says so.
    fn vanish(&mut self, object: &Object) -> Vec<String> {
        self.kernel.there.remove(&object.key());
        self.with(|ledger, now, out| ledger.vanished(&object.key(), now, out))
    }
}

fn one() -> Object {
    route("10.1.0.0", "192.0.2.9", "eth0")
}

const ONE: &str = "(route 10.1.0.0/24 via 192.0.2.9 dev eth0)";

#[test]
fn what_others_stand_on_comes_first_and_goes_last() {
    let mut stage = Stage::new();
    let direct = route("10.2.0.0", "", "eth0");
    let lines = stage.want(&[rule(5), one(), direct.clone()]);
    let (rule_text, direct_text) =
        ("(rule 5: from all fwmark 0x1 lookup 100)", "(route 10.2.0.0/24 dev eth0)");
    assert_eq!(lines, [format!("objects +{direct_text} +{ONE} +{rule_text}")]);
    assert_eq!(stage.want(&[rule(5), one(), direct]), Vec::<String>::new(), "nothing new, nothing asked");
    assert_eq!(stage.want(&[]), [format!("objects -{rule_text} -{ONE} -{direct_text}")]);
    assert!(stage.kernel.there.is_empty());
}

#[test]
fn another_gateway_replaces_and_another_destination_does_not() {
    let mut stage = Stage::new();
    stage.want(&[one()]);
    let lines = stage.want(&[route("10.1.0.0", "192.0.2.8", "eth0")]);
    assert_eq!(lines, ["objects =(route 10.1.0.0/24 via 192.0.2.8 dev eth0)"]);
    let lines = stage.want(&[route("10.3.0.0", "192.0.2.8", "eth0")]);
    assert_eq!(
        lines,
        ["objects -(route 10.1.0.0/24 via 192.0.2.8 dev eth0) +(route 10.3.0.0/24 via 192.0.2.8 dev eth0)"]
    );
}

#[test]
fn what_somebody_removes_is_put_back_at_most_once_a_second() {
    let mut stage = Stage::new();
    stage.want(&[one()]);
    let back = format!(
        "report route was removed or lost: put back instance=A object=\"{}\"",
        &ONE[1..ONE.len() - 1]
    );
    assert_eq!(stage.vanish(&one()), [format!("objects ?{ONE}"), back.clone()]);
    assert_eq!(stage.vanish(&one()), Vec::<String>::new(), "not so fast");
    assert_eq!(stage.pass(SECOND), [format!("objects ?{ONE}"), back]);
    // A report that is older than what was asked for since.
    stage.now += SECOND;
    let lines = stage.with(|ledger, now, out| ledger.vanished(&one().key(), now, out));
    assert_eq!(lines, [format!("objects ?{ONE}")], "it is still there");
}

#[test]
fn somebody_else_s_is_left_alone_until_it_goes() {
    let mut stage = Stage::new();
    let theirs = route("10.1.0.0", "192.0.2.200", "eth1");
    stage.kernel.there.insert(theirs.key(), (theirs.clone(), false));
    let lines = stage.want(&[one()]);
    assert_eq!(lines.len(), 2, "{lines:?}");
    assert!(lines[1].contains("somebody else") && lines[1].contains("instance=A"), "{lines:?}");
    assert_eq!(stage.pass(SECOND).len(), 1, "asked again, and nothing said");
    stage.kernel.there.clear();
    assert!(stage.pass(2 * SECOND)[1].contains("installed after all"));
    // Somebody puts theirs in its place.
    stage.kernel.there.insert(theirs.key(), (theirs.clone(), false));
    let lines = stage.with(|ledger, now, out| ledger.displaced(&one().key(), now, out));
    assert!(lines[0].contains("somebody else"), "{lines:?}");
    assert_eq!(stage.want(&[]), Vec::<String>::new());
    assert_eq!(stage.kernel.there.len(), 1);
}

#[test]
fn what_is_refused_is_tried_again_less_and_less_and_at_once_when_something_appears() {
    let mut stage = Stage::new();
    stage.kernel.broken = true;
    let lines = stage.want(&[one()]);
    assert!(lines[1].contains("not installed, trying again: down"), "{lines:?}");
    let mut times = Vec::new();
    for _ in 0..9 {
        let at = stage.ledger.deadline().unwrap();
        times.push((at - stage.now).as_secs());
        assert_eq!(stage.pass(at - stage.now).len(), 1, "the same reason is told once");
    }
    assert_eq!(times, [1, 2, 4, 8, 16, 32, 60, 60, 60]);
    stage.kernel.broken = false;
    let lines = stage.with(|ledger, _, out| ledger.link_usable(link("eth1"), out));
    assert_eq!(lines, Vec::<String>::new(), "that one does not matter to it");
    let lines = stage.with(|ledger, _, out| ledger.link_usable(link("eth0"), out));
    assert!(lines[1].contains("installed after all"), "{lines:?}");
    assert_eq!(stage.ledger.deadline(), None);
}

#[test]
fn a_refused_replacement_leaves_the_old_one_which_is_removed_in_the_end() {
    let mut stage = Stage::new();
    stage.want(&[one()]);
    stage.kernel.broken = true;
    stage.want(&[route("10.1.0.0", "192.0.2.8", "eth0")]);
    assert_eq!(stage.kernel.there.len(), 1);
    stage.want(&[]);
    assert!(stage.kernel.there.is_empty());
}

#[test]
fn what_depended_on_an_address_that_went_is_looked_after() {
    let mut stage = Stage::new();
    stage.want(&[one(), rule(5)]);
    let address: IpAddr = "192.0.2.1".parse().unwrap();
    // The kernel drops routes with an interface's last address, and does not say so.
    stage.kernel.there.remove(&one().key());
    let lines = stage.with(|ledger, now, out| ledger.address_vanished(link("eth0"), address, now, out));
    assert_eq!(lines, Vec::<String>::new(), "it may come back at once");
    let lines = stage.with(|ledger, _, out| ledger.address_appeared(link("eth0"), address, out));
    assert_eq!(lines.len(), 2, "{lines:?}");
    assert_eq!(stage.kernel.there.len(), 2);
    // And if it does not come back, the route is missed all the same.
    stage.kernel.there.remove(&one().key());
    stage.with(|ledger, now, out| ledger.address_vanished(link("eth0"), address, now, out));
    stage.pass(SECOND);
    assert_eq!(stage.kernel.there.len(), 2);
}

#[test]
fn what_an_earlier_run_left_is_adopted_altered_or_removed() {
    let mut stage = Stage::new();
    let other = route("10.2.0.0", "192.0.2.9", "eth0");
    for object in [one(), other.clone(), rule(5)] {
        stage.kernel.there.insert(object.key(), (object, true));
    }
    stage.ledger.found(vec![one(), other, rule(5)]);
    let lines = stage.want(&[one(), route("10.2.0.0", "192.0.2.8", "eth0")]);
    assert!(lines[0].contains("removing a rule that an earlier run left behind"), "{lines:?}");
    assert_eq!(
        lines[1],
        "objects -(rule 5: from all fwmark 0x1 lookup 100) =(route 10.2.0.0/24 via 192.0.2.8 dev eth0)"
    );
    assert_eq!(lines.len(), 2);
}

#[derive(Debug, Clone)]
enum Step {
    Want(Vec<usize>),
    Steal(usize),
    Foreign(usize),
    ForeignGoes(usize),
    Break(bool),
    Pass(u64),
    Unsure,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        proptest::collection::vec(0..6_usize, 0..6).prop_map(Step::Want),
        (0..6_usize).prop_map(Step::Steal),
        (0..6_usize).prop_map(Step::Foreign),
        (0..6_usize).prop_map(Step::ForeignGoes),
        any::<bool>().prop_map(Step::Break),
        (0..3000_u64).prop_map(Step::Pass),
        Just(Step::Unsure),
    ]
}

/// Six objects of which two each have one key, and rules.
fn object(number: usize) -> Object {
    match number {
        0 => route("10.0.0.0", "192.0.2.1", "eth0"),
        1 => route("10.0.0.0", "192.0.2.2", "eth0"),
        2 => route("10.1.0.0", "192.0.2.1", "eth0"),
        3 => route("10.1.0.0", "", "eth1"),
        other => rule(u32::try_from(other).unwrap()),
    }
}

proptest! {
    #[test]
    fn in_the_end_there_is_what_is_wanted_and_all_that_is_others(
        steps in proptest::collection::vec(step(), 0..40)
    ) {
        let mut stage = Stage::new();
        let mut wanted = Vec::new();
        let mut foreign: BTreeMap<Key, Object> = BTreeMap::new();
        for step in steps {
            match step {
                Step::Want(numbers) => {
                    wanted = numbers.into_iter().map(object).collect::<Vec<_>>();
                    // One place is one object's.
                    let mut seen = Vec::new();
                    wanted.retain(|object| {
                        let new = !seen.contains(&object.key());
                        seen.push(object.key());
                        new
                    });
                    stage.want(&wanted);
                }
                Step::Steal(number) => {
                    let object = object(number);
                    if stage.kernel.there.get(&object.key()).is_some_and(|(_, ours)| *ours) {
                        stage.vanish(&object);
                    }
                }
                Step::Foreign(number) => {
                    let object = object(number);
                    let key = object.key();
                    stage.kernel.there.insert(key.clone(), (object.clone(), false));
                    foreign.insert(key.clone(), object);
                    stage.with(|ledger, now, out| ledger.displaced(&key, now, out));
                }
                Step::ForeignGoes(number) => {
                    let key = object(number).key();
                    if foreign.remove(&key).is_some() {
                        stage.kernel.there.remove(&key);
                    }
                }
                Step::Break(broken) => stage.kernel.broken = broken,
                Step::Pass(ms) => {
                    stage.pass(Duration::from_millis(ms));
                }
                Step::Unsure => {
                    stage.with(|ledger, _, out| ledger.unsure(out));
                }
            }
            prop_assert!(stage.ledger.deadline().is_none_or(|at| at + 61 * SECOND > stage.now));
        }
        stage.kernel.broken = false;
        stage.pass(61 * SECOND);
        stage.pass(61 * SECOND);
        let expected: BTreeMap<Key, (Object, bool)> = wanted
            .into_iter()
            .map(|object| (object.key(), (object, true)))
            .chain(foreign.into_iter().map(|(key, object)| (key, (object, false))))
            .collect();
        prop_assert_eq!(&stage.kernel.there, &expected);
    }
}
