//! One test per rule of `docs/reload.md`.

use super::*;

const TWO: &str = "[vrrp]\ninterface = \"eth0\"\nannounce = { delay = 0 }\n\
    [[vrrp.instance]]\nname = \"A\"\nvirtual_router_id = 1\nvirtual_addresses = [\"192.0.2.1\"]\n\
    [[vrrp.instance]]\nname = \"B\"\nvirtual_router_id = 2\nvirtual_addresses = [\"192.0.2.2\"]\n";

fn masters() -> Machine {
    let mut m = Machine::started(TWO);
    m.pass(10 * SECOND);
    assert_eq!(m.router.masters(), 2);
    m.pass(SECOND / 3);
    m
}

#[test]
fn r1_the_same_plan_does_nothing() {
    let mut m = masters();
    let before = m.next();
    assert_eq!(m.reload(TWO), Vec::<String>::new());
    assert_eq!(m.next(), before);
}

#[test]
fn r2_a_new_name_is_not_a_new_router() {
    let mut m = masters();
    let before = m.next();
    assert_eq!(m.reload(&TWO.replace("\"A\"", "\"Z\"")), Vec::<String>::new());
    assert_eq!(m.next(), before);
    assert_eq!(m.router.status(m.now).instances[0].name, "Z");
}

#[test]
fn r3_a_change_in_one_instance_does_not_touch_another() {
    let mut m = masters();
    let lines = m.reload(&TWO.replace("\"B\"", "\"B\"\npriority = 120"));
    assert_eq!(effects(&lines), ["advert B priority=120"]);
}

#[test]
fn r4_an_added_instance_starts_like_any_other() {
    let text = &TWO[..TWO.find("[[vrrp.instance]]\nname = \"B\"").unwrap()];
    let mut m = Machine::started(text);
    m.pass(10 * SECOND);
    let lines = m.reload(TWO);
    assert_eq!(effects(&lines), ["listen eth0 ipv4 vrids=1,2 multicast"]);
    assert_eq!(m.states(), [StateName::Master, StateName::Backup]);
    m.pass(4 * SECOND);
    assert_eq!(m.router.masters(), 2);
}

#[test]
fn r5_a_removed_master_hands_over_and_is_gone() {
    let mut m = masters();
    let text = &TWO[..TWO.find("[[vrrp.instance]]\nname = \"B\"").unwrap()];
    let lines = m.reload(text);
    assert_eq!(effects(&lines), ["advert B priority=0"]);
    assert_eq!(m.router.status(m.now).instances.len(), 2, "until the successor is heard");
    let lines = m.pass(2 * SECOND);
    let lines: Vec<String> = timed(&lines, &["remove", "listen"]).into_iter().map(|(_, l)| l).collect();
    assert_eq!(lines, ["remove B 192.0.2.2/32@eth0", "listen eth0 ipv4 vrids=1 multicast"]);
    assert_eq!(m.router.status(m.now).instances.len(), 1);
}

#[test]
fn r6_an_instance_that_comes_back_while_handing_over_is_the_same() {
    let mut m = masters();
    let text = &TWO[..TWO.find("[[vrrp.instance]]\nname = \"B\"").unwrap()];
    m.reload(text);
    m.pass(SECOND / 10);
    m.reload(TWO);
    let lines = m.pass(10 * SECOND);
    assert_eq!(m.router.masters(), 2, "{lines:?}");
    assert_eq!(timed(&lines, &["remove B"]).len(), 1);
}

#[test]
fn r7_another_interface_or_identifier_is_another_router() {
    let mut m = masters();
    let lines = m.reload(&TWO.replace("virtual_router_id = 1", "virtual_router_id = 9"));
    assert_eq!(
        effects(&lines),
        ["advert A priority=0", "remove A 192.0.2.1/32@eth0", "listen eth0 ipv4 vrids=2,9 multicast"],
        "its address is wanted by the new one, so there is no waiting"
    );
    m.pass(4 * SECOND);
    assert_eq!(m.router.masters(), 2);
}

#[test]
fn r8_addresses_are_added_and_removed_one_by_one() {
    let mut m = masters();
    let lines = m.reload(&TWO.replace("[\"192.0.2.1\"]", "[\"192.0.2.1\", \"192.0.2.7\"]"));
    assert_eq!(
        effects(&lines),
        ["install A 192.0.2.7/32@eth0 lifetime=3s", "announce A 192.0.2.1,192.0.2.7 repeat=5"]
    );
    let packets = m.packets(SECOND);
    assert_eq!(packets[0].copies[0].payload[3], 2, "advertised from the next advert on");
    assert_eq!(effects(&m.reload(TWO)), ["remove A 192.0.2.7/32@eth0"]);
}

#[test]
fn r9_an_address_moves_between_instances_removal_first() {
    let mut m = masters();
    let lines = m.reload(
        &TWO.replace("[\"192.0.2.1\"]", "[\"192.0.2.1\", \"192.0.2.3\"]")
            .replace("[\"192.0.2.2\"]", "[\"192.0.2.4\"]"),
    );
    assert_eq!(only(&lines, &["remove", "install"])[0], "remove B 192.0.2.2/32@eth0");
    let back = TWO.replace("[\"192.0.2.1\"]", "[\"192.0.2.1\", \"192.0.2.4\"]");
    let lines = m.reload(&back);
    let seen = only(&lines, &["remove", "install"]);
    let removed = seen.iter().position(|l| l.starts_with("remove B 192.0.2.4")).unwrap();
    let installed = seen.iter().position(|l| l.starts_with("install A 192.0.2.4")).unwrap();
    assert!(removed < installed, "{seen:?}");
}

#[test]
fn r9_an_address_that_is_still_being_handed_over_moves_at_once_to_who_gets_it() {
    let mut m = masters();
    let one = &TWO[..TWO.find("[[vrrp.instance]]\nname = \"B\"").unwrap()];
    assert_eq!(effects(&m.reload(one)), ["advert B priority=0"], "it waits for its successor");
    let lines = m.reload(&one.replace("[\"192.0.2.1\"]", "[\"192.0.2.1\", \"192.0.2.2\"]"));
    assert_eq!(only(&lines, &["remove", "install"])[0], "remove B 192.0.2.2/32@eth0");
    assert_eq!(only(&lines, &["remove", "install"])[1], "install A 192.0.2.2/32@eth0 lifetime=3s");
    let later = m.pass(10 * SECOND);
    assert_eq!(timed(&later, &["remove", "refresh B"]), [], "{later:?}");
}

#[test]
fn r10_an_address_with_other_attributes_is_replaced_in_place_as_far_as_the_kernel_can() {
    let mut m = masters();
    let with = |options: &str| {
        TWO.replace("[\"192.0.2.1\"]", &format!("[{{ address = \"192.0.2.1\", {options} }}]"))
    };
    let lines = m.reload(&with("preferred_lifetime = 0"));
    assert_eq!(only(&lines, &["remove", "install"]), ["install A 192.0.2.1/32@eth0 lifetime=3s"]);
    // The kernel keeps the label of an IPv4 address that is replaced.
    let lines = m.reload(&with("label = \"eth0:7\""));
    assert_eq!(
        only(&lines, &["remove", "install"]),
        ["remove A 192.0.2.1/32@eth0", "install A 192.0.2.1/32@eth0 lifetime=3s"]
    );
}

#[test]
fn r11_a_new_priority_is_told_at_once_and_keeps_the_state() {
    let mut m = masters();
    let lines = m.reload(&TWO.replace("\"A\"", "\"A\"\npriority = 50"));
    assert_eq!(effects(&lines), ["advert A priority=50"]);
    assert_eq!(m.router.masters(), 2);
}

#[test]
fn r12_a_backup_s_silence_heard_so_far_counts() {
    let mut m = Machine::started(&instance("priority = 100"));
    m.hear("10.0.0.9", 200);
    m.pass(2 * SECOND);
    m.reload(&instance("priority = 200"));
    assert_eq!(m.next(), Some(Duration::from_nanos(1_218_750_000)));
    m.reload(&instance("priority = 200\ndown_timer_adverts = 2"));
    assert_eq!(m.next(), Some(Duration::from_nanos(218_750_000)));
}

#[test]
fn r13_a_shorter_interval_takes_effect_at_once() {
    let mut m = masters();
    m.reload(&TWO.replace("\"A\"", "\"A\"\nadvert_interval = \"100ms\""));
    assert_eq!(m.next(), Some(100 * MS));
    let packets = m.packets(100 * MS);
    assert_eq!(packets[0].copies[0].payload[4..6], [0, 10]);
}

#[test]
fn r14_a_script_keeps_its_verdict_until_a_new_command_has_its_own() {
    let text = |command: &str| {
        format!(
            "[[vrrp.script]]\nname = \"s\"\ncommand = \"{command}\"\n{}",
            instance("track_scripts = [\"s\"]")
        )
    };
    let outcome = || crate::machine::event::ScriptOutcome::Exited(0);
    let mut m = Machine::started(&text("/bin/a"));
    m.handle(Event::ScriptFinished { script: "s".into(), outcome: outcome() });
    m.pass(10 * SECOND);
    assert_eq!(m.state(), StateName::Master);
    let lines = m.reload(&text("/bin/b"));
    assert_eq!(effects(&lines), ["stop script s"], "the old one was running");
    assert_eq!(m.state(), StateName::Master);
    // The end of the old run says nothing about the new command.
    let killed = crate::machine::event::ScriptOutcome::Killed(15);
    assert_eq!(m.handle(Event::ScriptFinished { script: "s".into(), outcome: killed }), Vec::<String>::new());
    assert_eq!(only(&m.wake(), &["run"]), ["run script s"]);
    m.handle(Event::ScriptFinished {
        script: "s".into(),
        outcome: crate::machine::event::ScriptOutcome::Exited(1),
    });
    assert_eq!(m.state(), StateName::Fault);
}

#[test]
fn r15_a_new_script_is_waited_for_without_stopping_anything() {
    let mut m = Machine::master(&instance(""));
    let text = format!(
        "[[vrrp.script]]\nname = \"s\"\ncommand = \"/bin/a\"\n{}",
        instance("track_scripts = [\"s\"]")
    );
    let lines = m.reload(&text);
    assert_eq!(effects(&lines), ["run script s"]);
    assert_eq!(m.state(), StateName::Master);
}

#[test]
fn r16_groups_are_made_and_unmade_without_a_transition() {
    let mut m = masters();
    let grouped = format!("{TWO}[[vrrp.sync_group]]\nname = \"G\"\ninstances = [\"A\", \"B\"]\n");
    assert_eq!(effects(&m.reload(&grouped)), Vec::<String>::new());
    assert_eq!(m.router.masters(), 2);
    assert_eq!(effects(&m.reload(TWO)), Vec::<String>::new());
    assert_eq!(m.router.masters(), 2);
}

#[test]
fn r17_a_lease_is_made_permanent_and_back_in_place() {
    let mut m = masters();
    let lines = m.reload(&TWO.replace("\"A\"", "\"A\"\naddress_lease = false"));
    assert_eq!(effects(&lines), ["install A 192.0.2.1/32@eth0 lifetime=forever"]);
    assert_eq!(effects(&m.reload(TWO)), ["install A 192.0.2.1/32@eth0 lifetime=3s"]);
}

#[test]
fn r18_multicast_and_unicast_change_the_listener_only() {
    let mut m = masters();
    let lines = m.reload(&TWO.replace("announce", "unicast_peers = [\"10.0.0.9\"]\nannounce"));
    assert_eq!(effects(&lines), ["listen eth0 ipv4 vrids=1,2 unicast"]);
    let packets = m.packets(SECOND);
    assert_eq!(packets[0].copies[0].destination, ip("10.0.0.9"));
}

#[test]
fn r19_everything_removed_ends_everything() {
    let mut m = masters();
    m.reload("");
    m.pass(3 * SECOND);
    assert_eq!(m.router.status(m.now).instances.len(), 0);
    assert_eq!(m.next(), None);
}

#[test]
fn the_steps_are_removals_changes_additions_and_the_untouched() {
    let new = TWO
        .replace("virtual_router_id = 1", "virtual_router_id = 9")
        .replace("\"B\"", "\"B\"\npriority = 7\nadvert_interval = \"2s\"");
    let steps = crate::reload::diff(&plan_of(TWO), &plan_of(&new));
    let steps: Vec<String> = steps.iter().map(ToString::to_string).collect();
    assert_eq!(
        steps,
        [
            "removed vrrp instance A: eth0/ipv4/1",
            "changed vrrp instance B: priority 100 -> 7, advert_interval 1s -> 2s",
            "added vrrp instance A: eth0/ipv4/9",
        ]
    );
    let steps = crate::reload::diff(&plan_of(TWO), &plan_of(TWO));
    assert_eq!(steps[0].to_string(), "kept vrrp instance A");
}

/// What the traffic notices of every step.
fn noticed(old: &str, new: &str) -> Vec<String> {
    let steps = crate::reload::diff(&plan_of(old), &plan_of(new));
    steps
        .iter()
        .map(|step| format!("{} {}: {}", step.change.word(), step.object, step.traffic.word()))
        .collect()
}

#[test]
fn what_the_traffic_notices_is_told_for_every_kind_of_object() {
    let quiet = ["name = \"other\"", "startup_delay = \"5s\"", "hand_over = false", "address_lease = false"];
    let loud =
        ["priority = 7", "preempt = false", "version = 3\naccept = false", "unicast_peers = [\"10.0.0.9\"]"];
    for (keys, traffic) in quiet.map(|key| (key, "untouched")).into_iter().chain(loud.map(|key| (key, "all")))
    {
        let new = match keys.strip_prefix("name") {
            Some(_) => instance("").replace("name = \"A\"", keys),
            None => instance(keys),
        };
        let name = if keys.starts_with("name") { "other" } else { "A" };
        assert_eq!(
            noticed(&instance(""), &new),
            [format!("changed vrrp instance {name}: {traffic}")],
            "{keys}"
        );
    }
    assert_eq!(noticed("", &instance("")), ["added vrrp instance A: all"]);
    assert_eq!(noticed(&instance(""), ""), ["removed vrrp instance A: all"]);
    let with = |kind: &str, keys: &str| format!("[[vrrp.{kind}]]\nname = \"x\"\n{keys}\n");
    let script = with("script", "command = \"/bin/a\"");
    assert_eq!(noticed("", &script), ["added vrrp script x: untouched"]);
    assert_eq!(noticed(&script, &script.replace("/a", "/b")), ["changed vrrp script x: untouched"]);
    let file = with("file", "path = \"/run/a\"");
    assert_eq!(noticed("", &file), ["added vrrp file x: untouched"]);
    assert_eq!(noticed(&file, &file.replace("/a", "/b")), ["changed vrrp file x: all"]);
    let process = with("process", "program = \"a\"");
    assert_eq!(noticed("", &process), ["added vrrp process x: untouched"]);
    assert_eq!(noticed(&process, &process.replace("\"a\"", "\"b\"")), ["changed vrrp process x: all"]);
    let grouped = format!("{TWO}[[vrrp.sync_group]]\nname = \"G\"\ninstances = [\"A\", \"B\"]\n");
    assert_eq!(noticed(TWO, &grouped)[0], "added vrrp sync group G: all");
    let told = format!("{grouped}notify = {{ master = \"/bin/a\" }}\n");
    assert_eq!(noticed(&grouped, &told)[0], "changed vrrp sync group G: untouched");
    let fixed = |address: &str| {
        format!("[vrrp.static]\naddresses = [{{ address = \"{address}\", interface = \"eth0\" }}]\n")
    };
    let moved = noticed(&fixed("192.0.2.7/24"), &fixed("192.0.2.8/24"));
    assert!(moved.len() == 2 && moved.iter().all(|line| line.ends_with(": all")), "{moved:?}");
    let sync = |id: u8| {
        format!("{}[vrrp.ipvs_sync]\ninstance = \"A\"\ninterface = \"eth0\"\nid = {id}\n", instance(""))
    };
    assert_eq!(noticed(&sync(1), &sync(2))[0], "changed vrrp ipvs_sync: untouched");
}

#[test]
fn a_password_is_not_in_the_steps() {
    let with = |p: &str| plan_of(&instance(&format!("auth = {{ type = \"pass\", password = \"{p}\" }}")));
    let steps = crate::reload::diff(&with("secret1"), &with("secret2"));
    assert_eq!(steps[0].to_string(), "changed vrrp instance A: auth");
}
