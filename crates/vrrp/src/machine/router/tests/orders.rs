//! What operators order: failover and maintenance.

use common::steer::Origin;

use super::restart::restart;
use super::*;
use crate::machine::order::{Released, Standing};
use StateName::{Backup, Master};

const PEER: &str = "10.0.0.9";

impl Machine {
    fn standing(&self, lasting: Option<Duration>) -> Standing {
        let origin = Origin {
            uid: Some(7),
            user: Some("op".into()),
            sudo_user: Some("alice".into()),
            at: 1,
            reason: String::new(),
        };
        Standing { until: lasting.map(|lasting| self.now + lasting), origin }
    }

    fn fail_over(&mut self, name: &str, lasting: Option<Duration>) -> Vec<String> {
        let instances = self.router.failover_targets(name).unwrap();
        let standing = self.standing(lasting);
        self.handle(Event::FailoverOrdered { instances, standing })
    }

    fn maintain(&mut self, lasting: Option<Duration>) -> Vec<String> {
        let standing = self.standing(lasting);
        self.handle(Event::MaintenanceOrdered(standing))
    }

    fn release(&mut self, name: Option<&str>) -> Vec<String> {
        let released = self.router.release_targets(name).unwrap();
        let origin = self.standing(None).origin;
        self.handle(Event::OrdersReleased { released, origin })
    }

    fn lines(&mut self, time: Duration) -> Vec<String> {
        self.pass(time).into_iter().map(|(_, line)| line).collect()
    }

    /// Hears a master this often, every second.
    fn hears(&mut self, priority: u8, times: u32) {
        for _ in 0..times {
            self.hear(PEER, priority);
            self.pass(SECOND);
        }
    }
}

fn overrides(lines: &[String]) -> Vec<String> {
    let ours = lines.iter().filter_map(|line| line.split_once("override")).map(|(_, rest)| rest);
    ours.map(|line| line.trim_start().to_owned()).collect()
}

#[test]
fn a_failover_is_a_hand_over_and_the_successor_is_let_be() {
    let mut m = Machine::master(&instance("priority = 200"));
    let lines = m.fail_over("A", None);
    assert_eq!(effects(&lines), ["advert A priority=0"], "the address stays");
    assert_eq!(
        overrides(&lines),
        [": failover instance=A for=\"until it is released\" by=op uid=7 claims_sudo_by=alice"]
    );
    m.pass(100 * MS);
    let lines = m.succeed(0, PEER, 50, SECOND);
    assert_eq!(only(&lines, &["remove"]), ["remove A 192.0.2.1/24@eth0"]);
    assert_eq!(m.state(), Backup);
    m.hears(50, 20);
    assert_eq!(m.state(), Backup, "a worse master is not pre-empted");
    assert_eq!(
        overrides(&m.release(Some("A"))),
        ["released: failover instance=A by=op uid=7 claims_sudo_by=alice"]
    );
    m.hears(50, 5);
    assert_eq!(m.state(), Master, "the ordinary election");
}

#[test]
fn who_finds_nobody_to_hand_over_to_stays_master_and_never_lets_the_address_go() {
    let mut m = Machine::master(&instance("announce = { delay = 0 }"));
    m.fail_over("A", None);
    let lines = m.lines(5 * SECOND);
    assert_eq!(only(&lines, &["remove"]), [""; 0]);
    assert_eq!(
        overrides(&lines),
        ["is over, nobody else is master: failover instance=A ordered_by=op uid=7 claims_sudo_by=alice"]
    );
    assert_eq!(only(&lines, &["advert"])[0], "advert A priority=100");
    assert_eq!(only(&lines, &["announce"]).len(), 1, "somebody may have been asked meanwhile");
    assert_eq!((m.state(), m.router.failovers().count()), (Master, 0));
}

#[test]
fn a_failover_ends_when_the_successor_dies() {
    let mut m = Machine::master(&instance("priority = 200"));
    m.fail_over("A", None);
    m.succeed(0, PEER, 50, SECOND);
    let lines = m.lines(4 * SECOND);
    assert_eq!(m.state(), Master, "nobody else is there");
    assert_eq!(
        overrides(&lines),
        ["is over, nobody else is master: failover instance=A ordered_by=op uid=7 claims_sudo_by=alice"]
    );
    // The same where it says goodbye.
    m.fail_over("A", None);
    m.succeed(0, PEER, 50, SECOND);
    m.hear(PEER, 0);
    m.pass(SECOND);
    assert_eq!((m.state(), m.router.failovers().count()), (Master, 0));
}

#[test]
fn a_failover_ends_when_its_time_is_over() {
    let mut m = Machine::master(&instance("priority = 200\npreempt_delay = \"2s\""));
    m.fail_over("A", Some(10 * SECOND));
    m.succeed(0, PEER, 50, SECOND);
    m.hears(50, 9);
    assert_eq!(m.state(), Backup);
    m.hear(PEER, 50);
    assert_eq!(
        overrides(&m.lines(SECOND)),
        ["is over: failover instance=A ordered_by=op uid=7 claims_sudo_by=alice"]
    );
    m.hears(50, 2);
    assert_eq!(m.state(), Backup, "preempt_delay counts from then");
    m.hears(50, 5);
    assert_eq!(m.state(), Master);
}

const GROUP: &str = "[[vrrp.instance]]\nname = \"A\"\ninterface = \"eth0\"\nvirtual_router_id = 51\n\
    virtual_addresses = [\"192.0.2.1/32\"]\n[[vrrp.instance]]\nname = \"B\"\ninterface = \"eth0\"\n\
    virtual_router_id = 52\nadvert_interval = \"3s\"\nvirtual_addresses = [\"192.0.2.2/32\"]\n\
    [[vrrp.sync_group]]\nname = \"G\"\ninstances = [\"A\", \"B\"]\n";

#[test]
fn a_group_hands_over_as_one_whoever_of_it_is_named() {
    for name in ["A", "B", "G"] {
        let mut m = Machine::started(GROUP);
        m.pass(20 * SECOND);
        assert_eq!(m.states(), [Master, Master]);
        let lines = m.fail_over(name, None);
        assert_eq!(only(&lines, &["advert"]), ["advert A priority=0", "advert B priority=0"]);
        m.succeed(0, PEER, 50, SECOND);
        assert_eq!(m.states(), [Backup, Master], "B still answers");
        m.succeed(1, PEER, 50, 3 * SECOND);
        assert_eq!(m.states(), [Backup, Backup]);
        assert_eq!(m.router.failovers().count(), 2);
        assert_eq!(m.release(Some(name)).len(), 2);
    }
}

#[test]
fn a_group_that_finds_nobody_returns_as_one() {
    let mut m = Machine::started(GROUP);
    m.pass(20 * SECOND);
    m.fail_over("G", None);
    let lines = m.lines(10 * SECOND);
    assert_eq!(only(&lines, &["remove", "notify"]), [""; 0]);
    assert_eq!((m.states(), m.router.failovers().count()), (vec![Master, Master], 0));
    // If only one finds a successor, all go.
    m.fail_over("G", None);
    m.succeed(0, PEER, 50, SECOND);
    m.pass(4 * SECOND);
    assert_eq!(m.states()[1], Backup);
}

#[test]
fn what_cannot_hand_over_is_refused_in_words() {
    let mut m = Machine::started(&instance(""));
    m.hear(PEER, 200);
    let refused = |m: &Machine, name: &str| m.router.failover_targets(name).unwrap_err();
    assert_eq!(refused(&m, "B"), "no instance or sync group \"B\": there is A");
    assert_eq!(
        refused(&m, "A"),
        "A is not master here, so it cannot hand over: it is backup, and 10.0.0.9 is master"
    );
    let m = Machine::master(&instance("priority = 255"));
    assert!(refused(&m, "A").contains("it owns its addresses"));
    let mut m = Machine::master(&instance(""));
    m.fail_over("A", None);
    assert!(refused(&m, "A").ends_with("it is handing over already"));
    m.pass(5 * SECOND);
    m.maintain(None);
    assert_eq!(refused(&m, "A"), "this machine is under maintenance: it is master of nothing");
    assert_eq!(m.router.release_targets(Some("maintenance")), Ok(Released::Maintenance));
    m.router.release_targets(Some("B")).unwrap_err();
}

#[test]
fn maintenance_gives_up_in_order_and_for_good() {
    for owner in [false, true] {
        let mut m = Machine::master(&instance(if owner { "priority = 255" } else { "" }));
        let lines = m.maintain(None);
        assert_eq!(effects(&lines), ["advert A priority=0"], "in order");
        let removed = match owner {
            false => m.succeed(0, PEER, 50, SECOND),
            // It hears nobody.
            true => m.lines(2 * SECOND),
        };
        assert_eq!(only(&removed, &["remove"]), ["remove A 192.0.2.1/24@eth0"]);
        m.hears(50, 5);
        let lines = m.lines(20 * SECOND);
        assert_eq!(m.state(), Backup, "not even if nobody else is there");
        assert!(
            owner || lines.iter().filter(|line| line.contains("no master is heard")).count() == 1,
            "{lines:?}"
        );
        m.hear(PEER, 0);
        m.pass(20 * SECOND);
        assert_eq!(m.state(), Backup);
        m.release(Some("maintenance"));
        m.pass(5 * SECOND);
        assert_eq!(m.state(), Master);
    }
}

#[test]
fn maintenance_without_anybody_else_gives_the_address_up() {
    let mut m = Machine::master(&instance(""));
    m.maintain(Some(10 * SECOND));
    let lines = m.lines(9 * SECOND);
    assert_eq!(only(&lines, &["remove"]), ["remove A 192.0.2.1/24@eth0"]);
    assert_eq!(m.state(), Backup);
    let lines = m.lines(6 * SECOND);
    assert_eq!(overrides(&lines), ["is over: maintenance ordered_by=op uid=7 claims_sudo_by=alice"]);
    assert_eq!(m.state(), Master);
}

#[test]
fn maintenance_holds_for_groups_faults_and_what_a_reload_adds() {
    let mut m = Machine::started(GROUP);
    m.pass(20 * SECOND);
    m.maintain(None);
    m.pass(30 * SECOND);
    assert_eq!(m.states(), [Backup, Backup]);
    m.change("eth0", |facts| facts.carrier = false);
    m.change("eth0", |_| ());
    m.pass(30 * SECOND);
    assert_eq!(m.states(), [Backup, Backup]);
    let more =
        instance("priority = 255").replace("\"A\"", "\"C\"").replace("51", "53").replace(".1/24", ".3/24");
    m.reload(&format!("{GROUP}{more}"));
    m.pass(30 * SECOND);
    assert_eq!(m.states(), [Backup, Backup, Backup]);
    m.release(None);
    m.pass(20 * SECOND);
    assert_eq!(m.states(), [Master, Master, Master]);
}

#[test]
fn orders_outlive_the_process_with_their_ends_and_their_givers() {
    let text = instance("priority = 200");
    let mut m = Machine::master(&text);
    m.fail_over("A", Some(20 * SECOND));
    m.succeed(0, PEER, 50, SECOND);
    m.hears(50, 5);
    let (mut n, _) = restart(&m, &text, 15 * MS, &[], &[]);
    let standing = |m: &Machine| m.router.failovers().next().map(|(_, standing)| standing.clone());
    let left = |m: &Machine| standing(m).unwrap().left(m.now).unwrap();
    assert!(left(&m) - left(&n) >= 15 * MS && left(&m) - left(&n) < SECOND);
    assert_eq!(standing(&m).unwrap().origin, standing(&n).unwrap().origin);
    n.hears(50, 5);
    assert_eq!(n.state(), Backup);
    n.hears(50, 20);
    assert_eq!((n.state(), standing(&n)), (Master, None));

    for lines in ["", "priority = 255"] {
        let text = instance(lines);
        let mut m = Machine::master(&text);
        m.maintain(None);
        // Killed while it hands over, and later.
        for pause in [Duration::ZERO, 10 * SECOND] {
            m.pass(pause);
            let (mut n, _) = restart(&m, &text, 15 * MS, &[], &[]);
            n.pass(30 * SECOND);
            assert_eq!((n.state(), n.router.maintenance().is_some()), (Backup, true));
            n.release(None);
            n.pass(10 * SECOND);
            assert_eq!(n.state(), Master);
        }
    }
}

#[test]
fn a_reload_keeps_orders_and_drops_those_of_what_it_removes() {
    let other = instance("").replace("\"A\"", "\"B\"").replace("51", "52").replace(".1/24", ".2/24");
    let mut m = Machine::started(&format!("{}{other}", instance("")));
    m.pass(10 * SECOND);
    m.fail_over("A", None);
    m.succeed(0, PEER, 50, SECOND);
    m.reload(&format!("{}{other}", instance("priority = 220")));
    m.hears(50, 10);
    assert_eq!(m.states(), [Backup, Master]);
    let lines = m.reload(&other);
    assert_eq!(
        overrides(&lines),
        [
            "dropped, its instance has left the configuration: failover instance=A ordered_by=op uid=7 claims_sudo_by=alice"
        ]
    );
}
