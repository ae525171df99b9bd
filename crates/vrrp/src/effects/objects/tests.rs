//! Names and numbers, and the order of requests.

use super::*;
use crate::machine::id::LinkName;
use crate::plan::tests::parse;
use common::netlink::link::IfIndex;

fn names() -> Names {
    let mut names = Names::default();
    names.set(IfIndex(3), LinkName::new("eth0").unwrap());
    names
}

fn objects(text: &str) -> Vec<Object> {
    parse(&format!("[vrrp.static]\n{text}\n")).statics
}

/// What the kernel would show of a route that was asked for.
fn shown(object: &Object) -> Object {
    let Object::Route(route) = object else { panic!("{object}") };
    Object::Route(shown_route(&kernel_route(route, &names()).unwrap(), &names()).unwrap())
}

#[test]
fn a_route_is_known_again() {
    let text = "routes = [{ to = \"10.0.0.0/8\", via = \"192.0.2.1\", interface = \"eth0\", onlink = true, \
         table = 100, metric = 7, source = \"192.0.2.9\", mtu = 1400, mtu_lock = true, advmss = 1300, \
         initcwnd = 20, initrwnd = 30 }, { to = \"::/0\", interface = \"eth0\" }, \
         { to = \"10.9.0.0/16\", type = \"blackhole\" }, \
         { to = \"10.8.0.0/16\", next_hops = [{ via = \"192.0.2.1\", weight = 2 }, { interface = \"eth0\" }] }]";
    for object in objects(text) {
        assert!(object.is_shown_as(&shown(&object)), "{object}");
        assert_eq!(object.key(), shown(&object).key());
    }
}

#[test]
fn a_rule_is_known_again() {
    let text = "rules = [{ priority = 5, from = \"192.0.2.0/24\", to = \"10.0.0.0/8\", fwmark = \"0x10/0xf0\", \
         input_interface = \"eth0\", output_interface = \"eth1\", table = 1000, suppress_prefix_length = 0 }, \
         { priority = 6, family = \"ipv6\", action = \"prohibit\" }]";
    for object in objects(text) {
        let Object::Rule(rule) = &object else { panic!("{object}") };
        assert_eq!(shown_rule(&kernel_rule(rule)).as_ref(), Some(rule));
    }
}

#[test]
fn an_interface_that_is_not_there_is_a_failure_to_install_and_none_to_remove() {
    let object = objects("routes = [{ to = \"10.0.0.0/8\", interface = \"eth9\" }]").remove(0);
    for (verb, expected) in [(Verb::Install, false), (Verb::Replace, false), (Verb::Remove, true)] {
        let mut batch = Batch::default();
        batch.add(vec![Request { verb, object: object.clone() }]);
        let mut news = Vec::new();
        let mut socket = Socket::open(common::netlink::Protocol::Route).unwrap();
        batch.send_before(&mut socket, &names(), &mut news);
        batch.send_after(&mut socket, &names(), &mut news);
        let [Event::Object(ObjectEvent::Performed(_, outcome))] = news.as_slice() else { panic!("{news:?}") };
        assert_eq!(*outcome == Outcome::Done, expected, "{verb:?}: {outcome:?}");
    }
}

#[test]
fn a_removal_undoes_what_was_not_sent_yet() {
    let object = objects("rules = [{ priority = 5, table = 7 }]").remove(0);
    let request = |verb| Request { verb, object: object.clone() };
    let mut batch = Batch::default();
    batch.add(vec![request(Verb::Install)]);
    batch.add(vec![request(Verb::Remove)]);
    assert_eq!((batch.before.len(), batch.after.len()), (1, 0));
    batch.add(vec![request(Verb::Install)]);
    assert_eq!((batch.before.len(), batch.after.len()), (1, 1));
}
