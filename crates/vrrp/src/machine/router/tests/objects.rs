//! Routes, rules and static addresses of routers: with the state, over reloads and over lives.

use super::*;
use crate::machine::event::{ObjectEvent, Outcome};
use crate::machine::ledger::Request;

const ROUTE: &str = "virtual_routes = [{ to = \"10.1.0.0/16\", via = \"10.0.0.9\" }]";
const LINE: &str = "(route 10.1.0.0/16 via 10.0.0.9)";
const STATIC: &str = "[vrrp.static]\naddresses = [{ address = \"10.1.0.7/24\", interface = \"eth1\" }]\n\
     routes = [{ to = \"10.7.0.0/16\", interface = \"eth1\" }]\n";
const STATIC_LINES: &str = "(address 10.1.0.7/24@eth1) +(route 10.7.0.0/16 dev eth1)";

fn objects(lines: &[String]) -> Vec<String> {
    only(lines, &["objects"])
}

/// Two independent routers on eth0, of which the first has these lines.
fn two(first: &str, second: &str) -> String {
    let second =
        instance(second).replace("\"A\"", "\"B\"").replace("= 51", "= 52").replace("192.0.2.1", "192.0.2.2");
    format!("{}{second}", instance(first))
}

#[test]
fn objects_come_after_the_addresses_and_stay_as_long() {
    let mut m = Machine::started(&instance(ROUTE));
    let lines: Vec<String> = m.pass(10 * SECOND).into_iter().map(|(_, line)| line).collect();
    let at = |start: &str| lines.iter().position(|line| line.starts_with(start)).unwrap();
    assert!(at("install A") < at("objects"), "{lines:?}");
    assert_eq!(objects(&lines), [format!("objects +{LINE}")]);
    // Handing over, it still answers for its addresses and forwards for them.
    let lines = m.handle(Event::StopRequested);
    assert_eq!(objects(&lines), Vec::<String>::new());
    let lines = m.succeed(0, "10.0.0.9", 90, SECOND);
    assert_eq!(objects(&lines), [format!("objects -{LINE}")]);
}

#[test]
fn static_objects_come_with_the_start_and_go_with_the_last_router() {
    let mut m = Machine::new(&format!("{STATIC}{}", instance("")));
    assert_eq!(objects(&m.begin()), [format!("objects +{STATIC_LINES}")]);
    m.pass(10 * SECOND);
    assert_eq!(objects(&m.handle(Event::StopRequested)), Vec::<String>::new());
    let lines = m.succeed(0, "10.0.0.9", 90, SECOND);
    assert_eq!(objects(&lines), ["objects -(route 10.7.0.0/16 dev eth1) -(address 10.1.0.7/24@eth1)"]);
    assert!(m.router.stopped());
    let mut m = Machine::new(STATIC);
    m.begin();
    assert_eq!(objects(&m.handle(Event::StopRequested)).len(), 1);
    assert!(m.router.stopped());
}

#[test]
fn r30_a_changed_route_is_replaced_and_nothing_else_is_asked() {
    let mut m = Machine::master(&two(ROUTE, ""));
    let lines = m.reload(&two(&ROUTE.replace("10.0.0.9", "10.0.0.8"), ""));
    assert_eq!(effects(&lines), ["objects =(route 10.1.0.0/16 via 10.0.0.8)"]);
    let lines = m.reload(&two("", ""));
    assert_eq!(effects(&lines), ["objects -(route 10.1.0.0/16 via 10.0.0.8)"]);
}

#[test]
fn r31_a_route_that_moves_to_another_router_is_not_touched() {
    let mut m = Machine::master(&two(ROUTE, ""));
    assert_eq!(effects(&m.reload(&two("", ROUTE))), Vec::<String>::new());
    // To one that does not hold its addresses it does not move.
    let third = |lines: &str| {
        format!(
            "{}{}",
            two("", ""),
            instance(lines).replace("\"A\"", "\"C\"").replace("= 51", "= 53").replace("2.1/", "2.3/")
        )
    };
    let lines = m.reload(&third(ROUTE));
    assert_eq!(objects(&lines), [format!("objects -{LINE}")]);
}

#[test]
fn r32_static_objects_are_changed_as_told() {
    let text = |statics: &str| format!("{statics}{}", instance(""));
    let mut m = Machine::master(&text(STATIC));
    assert_eq!(effects(&m.reload(&text(STATIC))), Vec::<String>::new());
    let lines = m.reload(&text(&STATIC.replace("10.7.0.0", "10.8.0.0")));
    assert_eq!(effects(&lines), ["objects -(route 10.7.0.0/16 dev eth1) +(route 10.8.0.0/16 dev eth1)"]);
    // The kernel keeps the label of an address that is replaced.
    let labelled = STATIC.replace("\"eth1\" }]\nroutes", "\"eth1\", label = \"eth1:1\" }]\nroutes");
    let lines = m.reload(&text(&labelled.replace("10.7.0.0", "10.8.0.0")));
    assert_eq!(effects(&lines), ["objects -(address 10.1.0.7/24@eth1) +(address 10.1.0.7/24@eth1)"]);
    assert_eq!(objects(&m.reload(&text(""))).len(), 1);
}

#[test]
fn a_master_that_went_on_adopts_what_it_had_and_a_backup_removes_it() {
    let text = instance(ROUTE);
    let m = Machine::master(&text);
    let saved = m.router.checkpoint(m.now, Duration::ZERO);
    let found = || Event::Object(ObjectEvent::Found(parse(&text).instances[0].objects.clone()));
    let mut next = Machine::new(&text);
    next.handle(found());
    next.router.restore(&saved, next.now, Duration::ZERO).unwrap();
    assert_eq!(objects(&next.begin()), Vec::<String>::new());
    assert_eq!(next.state(), StateName::Master);
    let mut other = Machine::new(&text);
    other.handle(found());
    let lines = other.begin();
    assert_eq!(objects(&lines), [format!("objects -{LINE}")]);
    assert!(lines.iter().any(|line| line.contains("left behind")), "{lines:?}");
}

#[test]
fn an_interface_that_comes_back_gets_its_objects() {
    let text = format!("{STATIC}{}", instance(""));
    let mut m = Machine::master(&text);
    let lines = m.change("eth1", |facts| facts.up = false);
    assert_eq!(objects(&lines), Vec::<String>::new());
    let lines = m.change("eth1", |_| ());
    assert_eq!(objects(&lines), ["objects ?(address 10.1.0.7/24@eth1) ?(route 10.7.0.0/16 dev eth1)"]);
    let lines = m.handle(Event::LinkVanished { link: link("eth1") });
    assert_eq!(lines.iter().filter(|line| line.contains("does not exist")).count(), 2, "{lines:?}");
    let lines = m.change("eth1", |facts| facts.index = LinkIndex(33));
    assert_eq!(objects(&lines), [format!("objects +{STATIC_LINES}")]);
}

#[test]
fn what_was_not_installed_is_in_the_status() {
    let mut m = Machine::new(STATIC);
    m.begin();
    let object = parse(STATIC).statics[1].clone();
    let request = Request { verb: crate::machine::action::Verb::Install, object };
    m.handle(Event::Object(ObjectEvent::Performed(request, Outcome::Failed("no".into()))));
    let status = m.router.status(m.now);
    let told: Vec<_> = status.objects.iter().map(|o| (o.kind, o.installed, o.error.as_deref())).collect();
    assert_eq!(told, [("address", true, None), ("route", false, Some("no"))]);
    assert_eq!(m.next(), Some(SECOND));
}
