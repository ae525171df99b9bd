//! What operators order, and how it ends.

use common::steer::Origin;

use super::*;
use crate::machine::{Order, Standing};

impl Lab {
    fn order(&mut self, server: &str, order: Order) -> Vec<String> {
        self.order_for(server, order, None)
    }

    fn order_for(&mut self, server: &str, order: Order, seconds: Option<u64>) -> Vec<String> {
        let servers = self.pool.find(server).unwrap();
        let until = seconds.map(|seconds| self.now + Duration::from_secs(seconds));
        let origin = Origin {
            uid: Some(7),
            user: Some("op".into()),
            at: 1,
            reason: "why".into(),
            ..Origin::default()
        };
        self.event(Event::Steer { servers, order, until, origin })
    }

    fn find(&self, text: &str) -> String {
        match self.pool.find(text) {
            Ok(found) => {
                let names = found.iter().map(|id| {
                    let found = self.pool.describe(*id).unwrap();
                    format!("{} in {}", found.server, found.service)
                });
                names.collect::<Vec<_>>().join(", ")
            }
            Err(error) => error,
        }
    }

    fn orders(&self, place: usize) -> Vec<(Order, Option<Duration>)> {
        let status = self.pool.status(self.now);
        status[0].servers[place].orders.iter().map(|(standing, left)| (standing.order, *left)).collect()
    }
}

#[test]
fn a_drained_server_stays_with_weight_zero_while_its_checks_pass() {
    let mut lab = Lab::new(&text("", TWO));
    lab.at(0);
    assert_eq!(
        lab.order("10.0.0.1:80", Order::Drain),
        ["steered 10.0.0.1: drain begun", "reconcile tcp 192.0.2.1:80: 10.0.0.1=0 10.0.0.2=1"]
    );
    assert_eq!(lab.pool.status(lab.now)[0].alive_weight, 1, "it is no part of the quorum");
    assert_eq!(lab.fails("10.0.0.1")[0], "10.0.0.1 down: tcp check: connection refused", "it is checked");
    assert_eq!(lab.table(), "10.0.0.2=1");
    lab.at(1000);
    lab.passes("10.0.0.1");
    assert_eq!(lab.table(), "10.0.0.1=0 10.0.0.2=1", "a pass does not end it");
    assert_eq!(
        lab.order("10.0.0.1:80", Order::Enable),
        ["steered 10.0.0.1: drain ended", "reconcile tcp 192.0.2.1:80: 10.0.0.1=3 10.0.0.2=1"]
    );
    assert!(lab.order("10.0.0.1:80", Order::Enable).is_empty(), "there is nothing to end");
}

#[test]
fn a_disabled_server_is_out_of_the_table_though_its_checks_pass() {
    for keys in ["", "inhibit_on_failure = true"] {
        let mut lab = Lab::new(&text(keys, TWO));
        lab.at(0);
        lab.order("10.0.0.1:80", Order::Disable);
        assert_eq!(lab.table(), "10.0.0.2=1");
        lab.passes("10.0.0.1");
        lab.at(1000);
        lab.passes("10.0.0.1");
        assert_eq!(lab.table(), "10.0.0.2=1");
        assert!(lab.pool.status(lab.now)[0].servers[0].alive, "what its checks say is still shown");
        lab.order("10.0.0.1:80", Order::Release);
        assert_eq!(lab.table(), "10.0.0.1=3 10.0.0.2=1");
    }
}

#[test]
fn a_disabled_server_keeps_its_connections_for_as_long_as_its_drain_says() {
    let mut lab = Lab::new(&text("drain = \"60s\"", TWO));
    lab.at(0);
    let words = lab.order("10.0.0.1:80", Order::Disable);
    assert_eq!(words[1..], ["leaving 10.0.0.1: begun", "reconcile tcp 192.0.2.1:80: 10.0.0.1=0 10.0.0.2=1"]);
    lab.at(60_000);
    assert_eq!(lab.table(), "10.0.0.2=1");
    // The same after it was drained.
    lab.order("10.0.0.1:80", Order::Drain);
    assert_eq!(lab.table(), "10.0.0.1=0 10.0.0.2=1");
    let words = lab.order("10.0.0.1:80", Order::Disable);
    assert_eq!(
        words[..3],
        ["steered 10.0.0.1: drain ended", "steered 10.0.0.1: disable begun", "leaving 10.0.0.1: begun"]
    );
    assert_eq!(lab.table(), "10.0.0.1=0 10.0.0.2=1");
    lab.order("10.0.0.1:80", Order::Enable);
    assert_eq!(lab.table(), "10.0.0.1=3 10.0.0.2=1");
}

#[test]
fn a_forced_server_serves_whatever_its_checks_say() {
    let mut lab = Lab::new(&text("", TWO));
    lab.at(0);
    lab.fails("10.0.0.1");
    let words = lab.order_for("10.0.0.1:80", Order::Force, Some(10));
    assert_eq!(words[1], "10.0.0.1 up: force ordered by=op uid=7 reason=\"why\"");
    assert_eq!(lab.table(), "10.0.0.1=3 10.0.0.2=1");
    lab.at(1000);
    lab.fails("10.0.0.1");
    assert_eq!(lab.table(), "10.0.0.1=3 10.0.0.2=1");
    let words = lab.at(10_000);
    assert!(words.contains(&"steered 10.0.0.1: force expired".to_owned()), "{words:?}");
    assert!(words.contains(&"10.0.0.1 down: an operator's order is over".to_owned()), "{words:?}");
    assert_eq!(lab.table(), "10.0.0.2=1");
}

#[test]
fn an_ordered_weight_stands_instead_of_the_configured_one_and_of_what_checks_say() {
    let mut lab = Lab::new(&text("quorum = 8", TWO));
    lab.at(0);
    lab.order("10.0.0.1:80", Order::Weight(9));
    assert_eq!(lab.table(), "10.0.0.1=9 10.0.0.2=1");
    let status = lab.pool.status(lab.now);
    assert_eq!((status[0].alive_weight, status[0].quorum_met), (10, true), "the quorum counts it");
    lab.verdict("10.0.0.1", &Verdict::Pass { words: "said so".into(), weight: Some(Weight::Set(2)) });
    assert_eq!(lab.table(), "10.0.0.1=9 10.0.0.2=1");
    lab.order("10.0.0.1:80", Order::Drain);
    assert_eq!(lab.table(), "10.0.0.1=0 10.0.0.2=1");
    lab.order("10.0.0.1:80", Order::Enable);
    assert_eq!(lab.table(), "10.0.0.1=9 10.0.0.2=1", "only what took it out is ended");
    lab.order("10.0.0.1:80", Order::Release);
    assert_eq!(lab.table(), "10.0.0.1=2 10.0.0.2=1", "and what the check said counts");
    lab.order("10.0.0.1:80", Order::Weight(0));
    assert_eq!(lab.table(), "10.0.0.1=0 10.0.0.2=1");
}

#[test]
fn what_was_out_by_order_grows_back() {
    let slow = text("slow_start = \"10s\"\nweight = 50", &["10.0.0.1", "10.0.0.2"]);
    let mut lab = Lab::new(&slow);
    lab.at(0);
    lab.order("10.0.0.1:80", Order::Drain);
    lab.at(5000);
    lab.order("10.0.0.1:80", Order::Weight(100));
    lab.order("10.0.0.1:80", Order::Enable);
    assert_eq!(lab.table(), "10.0.0.1=10 10.0.0.2=50", "towards the weight that was ordered");
    lab.at(10_000);
    assert_eq!(lab.table(), "10.0.0.1=50 10.0.0.2=50");
    lab.at(15_000);
    assert_eq!(lab.table(), "10.0.0.1=100 10.0.0.2=50");
}

#[test]
fn who_is_taken_out_makes_room_for_backups_and_for_the_sorry_server() {
    let sorry = "sorry_server = \"10.0.0.9:80\"";
    let mut lab = Lab::new(&text(sorry, &["10.0.0.1", "10.0.0.2 backup = true"]));
    lab.at(0);
    lab.order("10.0.0.1:80", Order::Drain);
    assert_eq!(lab.table(), "10.0.0.1=0 10.0.0.2=1");
    lab.order("10.0.0.2:80", Order::Disable);
    assert_eq!(lab.table(), "10.0.0.1=0 10.0.0.9=1", "who is drained keeps its connections beside it");
    assert!(!lab.pool.status(lab.now)[0].quorum_met);
    lab.order("10.0.0.2:80", Order::Enable);
    assert_eq!(lab.table(), "10.0.0.1=0 10.0.0.2=1");
}

#[test]
fn an_order_ends_when_its_time_is_over() {
    let mut lab = Lab::new(&text("", TWO));
    lab.at(0);
    lab.order_for("10.0.0.1:80", Order::Drain, Some(10));
    lab.order_for("10.0.0.1:80", Order::Weight(7), Some(20));
    let seconds = |seconds| Some(Duration::from_secs(seconds));
    assert_eq!(lab.orders(0), [(Order::Drain, seconds(10)), (Order::Weight(7), seconds(20))]);
    lab.at(9999);
    assert_eq!(lab.table(), "10.0.0.1=0 10.0.0.2=1");
    let words = lab.at(10_000);
    assert!(words.contains(&"steered 10.0.0.1: drain expired".to_owned()), "{words:?}");
    assert_eq!(lab.table(), "10.0.0.1=7 10.0.0.2=1");
    lab.at(20_000);
    assert_eq!(lab.table(), "10.0.0.1=3 10.0.0.2=1");
    assert_eq!((lab.orders(0), lab.pool.alarms.len()), (vec![], 0));
    assert!(lab.pool.steered().is_empty());
}

#[test]
fn a_later_order_takes_the_place_of_an_earlier_one() {
    let mut lab = Lab::new(&text("", TWO));
    lab.at(0);
    lab.order_for("10.0.0.1:80", Order::Drain, Some(10));
    lab.order("10.0.0.1:80", Order::Drain);
    lab.at(20_000);
    assert_eq!(lab.orders(0), [(Order::Drain, None)], "the end of the earlier one is forgotten");
    assert_eq!(lab.table(), "10.0.0.1=0 10.0.0.2=1");
}

#[test]
fn orders_are_kept_over_a_reload_that_keeps_the_server_and_go_with_it() {
    let mut lab = Lab::new(&text("", TWO));
    lab.at(0);
    lab.order_for("10.0.0.1:80", Order::Drain, Some(60));
    lab.order("10.0.0.2:80", Order::Weight(5));
    lab.load(&text("quorum = 2", &["10.0.0.3", "10.0.0.2 weight = 8", "10.0.0.1 weight = 4"]));
    assert_eq!(lab.table(), "10.0.0.1=0 10.0.0.2=5 10.0.0.3=1");
    let words = lab.load(&text("", &["10.0.0.2 weight = 8"]));
    assert!(words.contains(&"steered 10.0.0.1: drain dropped".to_owned()), "{words:?}");
    let words = lab.load("");
    assert!(words.contains(&"steered 10.0.0.2: weight 5 dropped".to_owned()), "{words:?}");
    lab.load(&text("", TWO));
    assert_eq!(lab.table(), "10.0.0.1=3 10.0.0.2=1", "nothing is remembered");
    lab.at(60_000);
    assert_eq!(lab.table(), "10.0.0.1=3 10.0.0.2=1");
}

#[test]
fn orders_are_kept_over_a_crash_with_their_ends_and_their_names() {
    let config = text("drain = \"60s\"", TWO);
    let mut lab = Lab::new(&config);
    lab.at(0);
    lab.order_for("10.0.0.1:80", Order::Drain, Some(30));
    lab.order("10.0.0.2:80", Order::Weight(5));
    lab.at(10_000);
    let mut next = lab.restarted(&config);
    assert_eq!(next.table(), "10.0.0.1=0 10.0.0.2=5");
    let of = |lab: &Lab| lab.pool.describe(lab.pool.find("10.0.0.1:80").unwrap()[0]).unwrap().standing;
    let (was, is): (Vec<Standing>, Vec<Standing>) = (of(&lab), of(&next));
    assert_eq!(was, is);
    assert_eq!(is[0].left(next.now), Some(Duration::from_secs(20)));
    next.at(30_000);
    assert_eq!(next.table(), "10.0.0.1=3 10.0.0.2=5");
    // One whose time was over meanwhile ends at once.
    lab.now = lab.zero + Duration::from_secs(40);
    let mut next = lab.restarted(&config);
    let words = next.at(40_000);
    assert!(words.contains(&"steered 10.0.0.1: drain expired".to_owned()), "{words:?}");
    assert_eq!(next.table(), "10.0.0.1=3 10.0.0.2=5");
}

#[test]
fn a_successor_does_not_take_what_was_ordered_for_what_was_found() {
    for order in [Order::Drain, Order::Disable] {
        let config = text("", TWO);
        let mut lab = Lab::new(&config);
        lab.at(0);
        lab.passes("10.0.0.1");
        lab.order("10.0.0.1:80", order);
        let installed = lab.pool.wanted().clone();
        let mut next = lab.restarted(&config);
        next.pool.adopt(|key| Some(installed.services.get(&key)?.destinations.clone()));
        next.order("10.0.0.1:80", Order::Release);
        assert_eq!(next.table(), "10.0.0.1=3 10.0.0.2=1", "it was alive all the time");
    }
}

#[test]
fn servers_are_found_by_what_they_are_called() {
    let nat = "forward = \"nat\"";
    let first = text(nat, &["10.0.0.1", "10.0.0.2", "10.0.0.2:8080"]);
    let second = text(nat, &["10.0.0.1"]).replace("192.0.2.1:80", "192.0.2.2:80");
    let mark = "[[virtual_server]]\nfwmark = 10\nfamily = \"ipv4\"\nforward = \"nat\"\nreal_servers = [\"10.0.0.1:80\"]\n";
    let lab = Lab::new(&format!("{first}{second}{mark}"));
    let cases = [
        (
            "10.0.0.1:80",
            "10.0.0.1:80 in tcp 192.0.2.1:80, 10.0.0.1:80 in tcp 192.0.2.2:80, 10.0.0.1:80 in fwmark 10 ipv4",
        ),
        ("192.0.2.2:80/10.0.0.1:80", "10.0.0.1:80 in tcp 192.0.2.2:80"),
        ("192.0.2.2/10.0.0.1", "10.0.0.1:80 in tcp 192.0.2.2:80"),
        ("192.0.2.2:80/tcp/10.0.0.1", "10.0.0.1:80 in tcp 192.0.2.2:80"),
        ("tcp 192.0.2.2:80/10.0.0.1", "10.0.0.1:80 in tcp 192.0.2.2:80"),
        ("fwmark:10/10.0.0.1:80", "10.0.0.1:80 in fwmark 10 ipv4"),
        ("192.0.2.1:80/10.0.0.2:*", "10.0.0.2:80 in tcp 192.0.2.1:80, 10.0.0.2:8080 in tcp 192.0.2.1:80"),
        (
            "10.0.0.2",
            "\"10.0.0.2\" may be any of 10.0.0.2:80, 10.0.0.2:8080: name one of them, or all of them as 10.0.0.2:*",
        ),
        ("10.0.0.3:80", "no real server \"10.0.0.3:80\": there is 10.0.0.1:80, 10.0.0.2:80, 10.0.0.2:8080"),
        ("web1", "no real server \"web1\": there is 10.0.0.1:80, 10.0.0.2:80, 10.0.0.2:8080"),
        ("192.0.2.2:80/10.0.0.2:80", "no real server \"10.0.0.2:80\" in 192.0.2.2:80: there is 10.0.0.1:80"),
        (
            "192.0.2.2:80/udp/10.0.0.1",
            "no virtual server \"192.0.2.2:80/udp\": there is fwmark 10 ipv4, tcp 192.0.2.1:80, tcp 192.0.2.2:80",
        ),
        (
            "192.0.2.3/10.0.0.1:80",
            "no virtual server \"192.0.2.3\": there is fwmark 10 ipv4, tcp 192.0.2.1:80, tcp 192.0.2.2:80",
        ),
    ];
    for (text, expected) in cases {
        assert_eq!(lab.find(text), expected, "{text}");
    }
}
