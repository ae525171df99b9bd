//! Sync groups: together or not at all.

use super::*;

const GROUP: &str = "
[vrrp]
interface = \"eth0\"
announce = { delay = 0 }
[[vrrp.instance]]
name = \"A\"
virtual_router_id = 1
virtual_addresses = [\"192.0.2.1\"]
[[vrrp.instance]]
name = \"B\"
virtual_router_id = 2
virtual_addresses = [\"192.0.2.2\"]
[[vrrp.sync_group]]
name = \"G\"
instances = [\"A\", \"B\"]
notify = { master = \"/gm\", backup = \"/gb\", fault = \"/gf\", any = \"/ga\" }
";

use StateName::{Backup, Fault, Master};

fn master() -> Machine {
    let mut m = Machine::started(GROUP);
    m.pass(10 * SECOND);
    assert_eq!(m.states(), [Master, Master]);
    m
}

#[test]
fn a_worse_advert_for_one_member_makes_all_of_them_announce() {
    let mut m = master();
    assert_eq!(
        effects(&m.hear("10.0.0.9", 50)),
        ["advert A priority=100", "announce A 192.0.2.1 repeat=5", "announce B 192.0.2.2 repeat=5"]
    );
}

#[test]
fn members_become_master_together() {
    let mut m = Machine::started(GROUP);
    for _ in 0..5 {
        // A hears nobody, B does.
        m.hear_from(1, "10.0.0.9", 200, SECOND);
        m.pass(SECOND);
    }
    assert_eq!(m.states(), [Backup, Backup], "A waits for B");
    let lines = m.pass(4 * SECOND);
    assert_eq!(m.states(), [Master, Master]);
    let lines: Vec<String> = timed(&lines, &["advert", "notify", "report state changed group"])
        .into_iter()
        .map(|(_, l)| l)
        .take(5)
        .collect();
    assert_eq!(
        lines,
        [
            "advert A priority=100",
            "advert B priority=100",
            // B is the last whose master has fallen silent.
            "report state changed group=G from=backup to=master member=B priority=100 reason=\"no advert heard\" \
             peer=10.0.0.9",
            "notify group G MASTER priority=0 run=/gm",
            "notify group G MASTER priority=0 run=/ga GROUP G MASTER 0",
        ]
    );
}

#[test]
fn a_member_that_hears_a_master_again_keeps_the_others_back() {
    let mut m = Machine::started(GROUP);
    for _ in 0..30 {
        m.hear_from(1, "10.0.0.9", 200, SECOND);
        m.pass(SECOND);
    }
    m.hear_from(0, "10.0.0.9", 200, SECOND);
    m.pass(3 * SECOND);
    assert_eq!(m.states(), [Backup, Backup]);
}

#[test]
fn a_member_that_yields_takes_the_others_along_with_a_hand_over() {
    let mut m = master();
    let lines = m.hear_from(0, "10.0.0.9", 200, SECOND);
    assert_eq!(effects(&lines)[..2], ["remove A 192.0.2.1/32@eth0", "advert B priority=0"], "{lines:?}");
    assert_eq!(m.states(), [Backup, Master], "B still answers");
    let lines = m.succeed(1, "10.0.0.9", 200, SECOND);
    assert_eq!(only(&lines, &["remove"]), ["remove B 192.0.2.2/32@eth0"]);
    assert_eq!(m.states(), [Backup, Backup]);
    assert_eq!(only(&lines, &["notify group"])[0], "notify group G BACKUP priority=0 run=/gb");
    // A is why, though B was the last.
    assert_eq!(
        only(&lines, &["report state changed group"]),
        ["report state changed group=G from=master to=backup member=A priority=100 \
          reason=\"better advert from 10.0.0.9 priority 200\" peer=10.0.0.9"]
    );
}

#[test]
fn a_fault_in_one_is_a_fault_of_all() {
    let text = GROUP.replace("name = \"B\"\n", "name = \"B\"\ninterface = \"eth1\"\n");
    let mut m = Machine::started(&text);
    m.pass(10 * SECOND);
    assert_eq!(m.states(), [Master, Master]);
    let lines = m.change("eth1", |f| f.carrier = false);
    assert_eq!(m.states(), [Fault, Fault]);
    assert!(
        lines.iter().any(|l| l.contains("instance=A cause=\"sync group member B is in fault\"")),
        "{lines:?}"
    );
    assert!(lines.contains(&"advert A priority=0".to_owned()), "A can still say goodbye");
    assert!(!lines.contains(&"advert B priority=0".to_owned()), "B cannot");
    assert_eq!(only(&lines, &["notify group"])[0], "notify group G FAULT priority=0 run=/gf");
    assert_eq!(
        only(&lines, &["report state changed group"]),
        ["report state changed group=G from=master to=fault member=B priority=100 \
          reason=\"interface eth1 has no carrier\""]
    );
    m.change("eth1", |_| ());
    assert_eq!(m.states(), [Backup, Backup]);
    m.pass(5 * SECOND);
    assert_eq!(m.states(), [Master, Master]);
}

#[test]
fn owners_start_together() {
    let text = GROUP.replace("interface = \"eth0\"", "interface = \"eth0\"\npriority = 255");
    let mut m = Machine::new(&text);
    m.begin();
    assert_eq!(m.states(), [Master, Master]);
}

#[test]
fn a_tracker_of_one_member_weighs_on_all() {
    let text = GROUP.replace(
        "virtual_router_id = 2",
        "virtual_router_id = 2\ntrack_interfaces = [{ interface = \"eth1\", weight = -30 }]",
    );
    let mut m = Machine::started(&text);
    m.change("eth1", |f| f.up = false);
    let status = m.router.status(m.now);
    assert_eq!(status.instances.iter().map(|i| i.effective_priority).collect::<Vec<_>>(), [70, 70]);
}

#[test]
fn a_tracker_of_the_group_is_a_fault_of_all() {
    let text = GROUP.replace("name = \"G\"", "name = \"G\"\ntrack_interfaces = [\"eth1\"]");
    let mut m = Machine::started(&text);
    m.change("eth1", |f| f.up = false);
    assert_eq!(m.states(), [Fault, Fault]);
}

#[test]
fn a_stop_ends_all_members() {
    let mut m = master();
    let lines = m.handle(Event::StopRequested);
    assert_eq!(only(&lines, &["advert"]), ["advert A priority=0", "advert B priority=0"]);
    m.pass(2 * SECOND);
    assert!(m.router.stopped());
}

/// Scripts of a group hear of its end: once, and when the last member has let go.
#[test]
fn the_stop_of_a_group_is_told_when_all_have_stopped() {
    let mut m = master();
    let lines = m.handle(Event::StopRequested);
    assert_eq!(only(&lines, &["notify "]), Vec::<String>::new());
    let lines: Vec<String> = m.pass(2 * SECOND).into_iter().map(|(_, line)| line).collect();
    assert_eq!(only(&lines, &["notify "]), ["notify group G STOP priority=0 run=/ga GROUP G STOP 0"]);
}

#[test]
fn many_members_move_as_one() {
    let mut text = "[vrrp]\ninterface = \"eth0\"\n".to_owned();
    let mut names = Vec::new();
    for n in 1..=100 {
        text += &format!(
            "[[vrrp.instance]]\nname = \"I{n}\"\nvirtual_router_id = {n}\nvirtual_addresses = [\"192.0.2.{n}\"]\n"
        );
        names.push(format!("\"I{n}\""));
    }
    text += &format!("[[vrrp.sync_group]]\nname = \"G\"\ninstances = [{}]\n", names.join(","));
    let mut m = Machine::started(&text);
    m.pass(9 * SECOND);
    assert_eq!(m.router.masters(), 100);
    m.hear_from(50, "10.0.0.9", 200, SECOND);
    m.pass(2 * SECOND);
    assert_eq!(m.router.masters(), 0);
}
