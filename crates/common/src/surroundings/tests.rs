use super::*;
use crate::config::{Document, Sources};

fn planned(text: &str) -> (Surroundings, Diagnostics) {
    let mut d = Diagnostics::new();
    let sources = Sources::from_text("t.toml", text);
    let document = Document::parse(&sources, &mut d);
    let mut root = document.root();
    let surroundings = read(&mut root, &mut d);
    root.finish(&mut d);
    (surroundings, d)
}

#[test]
fn everything_can_be_said() {
    let (have, d) = planned(
        "network_namespace = \"blue\"\n[resources]\nscheduler = \"fifo\"\nrealtime_priority = 50\n\
         realtime_limit = \"200ms\"\nnice = -5\nlock_memory = true\nprocessors = [0, 1]\n\
         oom_score_adjust = -900\nopen_files = 4096\n",
    );
    assert!(d.is_empty());
    let limit = Duration::from_millis(200);
    let resources = Resources {
        scheduling: Some(Scheduling::Realtime { scheduler: Scheduler::Fifo(50), limit }),
        nice: Some(-5),
        lock_memory: Some(true),
        processors: Some(vec![0, 1]),
        out_of_memory: Some(-900),
        files: Some(4096),
    };
    assert_eq!(have, Surroundings { namespace: Some("blue".into()), resources });
    let (short, _) = planned("[resources]\nscheduler = \"rr\"\n");
    let realtime =
        Scheduling::Realtime { scheduler: Scheduler::RoundRobin(REALTIME_PRIORITY), limit: REALTIME_LIMIT };
    assert_eq!(short.resources, Resources { scheduling: Some(realtime), ..Resources::default() });
}

#[test]
fn what_is_said_for_all_counts_where_a_process_says_nothing() {
    let (all, _) = planned("[resources]\nscheduler = \"rr\"\nnice = 5\nprocessors = [1, 0, 1]\n");
    let (own, _) = planned("[resources]\nscheduler = \"other\"\nopen_files = 64\n");
    let both = Resources {
        scheduling: Some(Scheduling::Ordinary),
        nice: Some(5),
        processors: Some(vec![0, 1]),
        files: Some(64),
        ..Resources::default()
    };
    assert_eq!(own.or(&all).resources, both);
    assert_eq!(both.changes(&both), "");
    let changes = both.changes(&all.resources);
    assert_eq!(changes, "scheduler other -> rr 10 within 1s, open_files 64 -> unset");
}

#[test]
fn a_prompt_process_is_so_where_nothing_else_is_said() {
    let (said, _) = planned("[resources]\nscheduler = \"other\"\n");
    assert_eq!(said.resources.clone().prompt(), said.resources);
    let unsaid = Resources::default().prompt();
    assert_eq!(unsaid, Resources { scheduling: Some(Scheduling::Prompt), ..Resources::default() });
    assert_eq!(Resources::default().changes(&unsaid), "scheduler unset -> default");
    assert_eq!(unsaid.changes(&said.resources), "scheduler default -> other");
}

#[test]
fn what_is_refused_is_named_with_what_is_missing() {
    let refused = |code| Refused {
        key: "nice",
        wanted: "-5".into(),
        needs: "CAP_SYS_NICE",
        error: io::Error::from_raw_os_error(code),
    };
    let told = refused(libc::EACCES).to_string();
    assert!(told.starts_with("resources: the kernel refuses nice -5: "), "{told}");
    assert!(told.ends_with("(CAP_SYS_NICE is missing)"), "{told}");
    assert!(!refused(libc::EINVAL).to_string().contains("CAP_"));
}

#[test]
fn what_cannot_be_is_refused() {
    for text in [
        "network_namespace = \"\"",
        "network_namespace = \"a/b\"",
        "network_namespace = \"..\"",
        "[resources]\nscheduler = \"batch\"",
        "[resources]\nrealtime_priority = 5",
        "[resources]\nscheduler = \"other\"\nrealtime_limit = \"1s\"",
        "[resources]\nscheduler = \"rr\"\nrealtime_priority = 100",
        "[resources]\nscheduler = \"rr\"\nrealtime_limit = \"1ms\"",
        "[resources]\nnice = 20",
        "[resources]\nprocessors = []",
        "[resources]\nprocessors = [2000]",
        "[resources]\noom_score_adjust = -1001",
        "[resources]\nopen_files = 10",
    ] {
        assert!(planned(text).1.has_errors(), "{text}");
    }
}

#[test]
fn the_role_s_own_namespace_goes_before_that_of_all_and_a_reload_cannot_change_it() {
    let named = |name: &str| Surroundings { namespace: Some(name.into()), ..Surroundings::default() };
    let (all, own) = (named("all"), named("own"));
    assert_eq!(own.or(&all), own);
    assert_eq!(Surroundings::default().or(&all), all);
    assert_eq!(own.allow(&own), Ok(()));
    let refused = own.allow(&Surroundings::default()).unwrap_err();
    assert!(refused.starts_with("network_namespace own -> none:"), "{refused}");
}
