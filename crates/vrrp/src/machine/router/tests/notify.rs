//! Who is told of what, in which words.

use super::*;

/// Only who is told.
fn told(lines: &[String]) -> Vec<String> {
    only(lines, &["notify "])
}

#[test]
fn a_reload_that_removes_an_instance_is_told_as_that() {
    let notify = "notify = { stop = \"/s\", deleted = \"/d\", any = \"/a\" }";
    let mut m = Machine::master(&instance(&format!("hand_over = false\n{notify}")));
    let lines = m.reload("[vrrp]\n");
    let wanted = [
        "notify instance A DELETED priority=100 run=/d",
        "notify instance A DELETED priority=100 run=/a INSTANCE A DELETED 100",
    ];
    assert_eq!(told(&lines), wanted);
    let mut m = Machine::master(&instance("hand_over = false\nnotify.stop = \"/s\""));
    assert_eq!(told(&m.reload("[vrrp]\n")), ["notify instance A DELETED priority=100 run=/s"]);
    let mut m = Machine::master(&instance(&format!("hand_over = false\n{notify}")));
    let stop = m.handle(Event::StopRequested);
    assert_eq!(told(&stop)[0], "notify instance A STOP priority=100 run=/s");
}

#[test]
fn a_master_tells_of_a_worse_advert_and_not_of_each() {
    let mut m = Machine::master(&instance("notify.lower_priority = \"/l\""));
    let wanted = ["notify instance A MASTER_RX_LOWER_PRI priority=100 run=/l"];
    assert_eq!(told(&m.hear("10.0.0.9", 50)), wanted);
    m.pass(SECOND);
    assert_eq!(told(&m.hear("10.0.0.9", 50)), [""; 0]);
    m.pass(10 * SECOND);
    assert_eq!(told(&m.hear("10.0.0.9", 50)), wanted);
}

#[test]
fn changes_of_the_priority_are_told_where_that_is_wanted() {
    let file = "\n[[vrrp.file]]\nname = \"f\"\npath = \"/f\"\n";
    let text = |changes: bool| {
        let notify = format!("notify = {{ any = \"/a\", priority_changes = {changes} }}");
        instance(&format!("{notify}\ntrack_files = [\"f\"]")) + file
    };
    let drain = |m: &mut Machine| m.handle(Event::FileRead { file: "f".into(), number: -30 });
    let mut m = Machine::master(&text(true));
    let wanted = "notify instance A MASTER_PRIORITY priority=70 run=/a INSTANCE A MASTER_PRIORITY 70";
    assert_eq!(told(&drain(&mut m)), [wanted]);
    m.hear("10.0.0.9", 90);
    let lines = m.handle(Event::FileRead { file: "f".into(), number: -40 });
    let wanted = "notify instance A BACKUP_PRIORITY priority=60 run=/a INSTANCE A BACKUP_PRIORITY 60";
    assert_eq!(told(&lines), [wanted]);
    let mut m = Machine::master(&text(false));
    assert_eq!(told(&drain(&mut m)), [""; 0]);
}

#[test]
fn readers_of_named_pipes_are_told_once_of_each_change() {
    let mut plan = plan_of(&instance(""));
    plan.set_tell(true);
    let mut m = Machine::new(&instance(""));
    let mut out = Vec::new();
    m.router.reconfigure(plan, m.now, &mut out);
    assert_eq!(told(&m.begin()), ["notify instance A BACKUP priority=100"]);
    let lines = m.pass(10 * SECOND);
    let lines: Vec<String> = lines.into_iter().map(|(_, line)| line).collect();
    assert_eq!(told(&lines), ["notify instance A MASTER priority=100"]);
    let mut out = Vec::new();
    m.router.handle(Event::StopRequested, m.now, &mut out);
    m.now += 5 * SECOND;
    m.router.handle_timeout(m.now, &mut out);
    let line = out
        .iter()
        .find_map(|action| if let Action::Notify(told) = action { Some(told.line()) } else { None });
    assert_eq!(line.as_deref(), Some("INSTANCE \"A\" STOP 100"));
}
