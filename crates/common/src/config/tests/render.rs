use super::*;

fn global(text: &str) -> String {
    read(text, global::plan).1
}

#[test]
fn a_misspelt_key_is_reported_with_its_place_and_the_nearest_known_one() {
    assert_eq!(
        global("[global]\n\trouter_ld = \"a\"\n"),
        "t.toml:2:2: error: unknown key \"router_ld\" in [global]\n    2 |     router_ld = \"a\"\n      |     ^^^^^^^^^\n  hint: did you mean `router_id`?\n"
    );
}

#[test]
fn an_unknown_key_near_none_lists_the_known_ones() {
    assert_eq!(
        global("[global]\nzzz = 1\n"),
        "t.toml:2:1: error: unknown key \"zzz\" in [global]\n    2 | zzz = 1\n      | ^^^\n  hint: known here: network_namespace, notify_fifo, resources, router_id, script_user\n"
    );
}

#[test]
fn columns_count_characters() {
    let faults = global("global = { router_id = \"ä€𝄞\", zzz = 1 }\n");
    assert!(faults.starts_with("t.toml:1:31: error"), "{faults}");
    assert!(faults.contains(&format!("      | {}^^^\n", " ".repeat(30))), "{faults}");
}

#[test]
fn lines_end_as_on_windows_too_and_a_byte_order_mark_is_no_column() {
    let faults = global("\u{feff}zzz = 1\r\nyyy = 2\r\n");
    assert!(faults.contains("t.toml:1:1: error"), "{faults}");
    assert!(faults.contains("    1 | zzz = 1\n"), "{faults}");
    assert!(faults.contains("t.toml:2:1: error"), "{faults}");
    assert!(faults.contains("    2 | yyy = 2\n"), "{faults}");
}

#[test]
fn control_characters_do_not_reach_the_terminal() {
    let faults = global("zzz = \"\u{1b}[31m\"\n[global]\nrouter_id = \"a\\u001b\"\n\"k\\u001b\" = 1\n");
    assert!(!faults.contains('\u{1b}'), "{faults:?}");
    assert!(faults.contains("unknown key \"k\\u{1b}\" in [global]"), "{faults}");
}

#[test]
fn a_long_line_is_shown_around_the_fault() {
    let text = format!("[global]\nrouter_id = [\"{}\"] # {}\n", "a".repeat(300), "b".repeat(300));
    let faults = global(&text);
    assert!(faults.lines().all(|line| line.chars().count() < 140), "{faults}");
    let text = format!("global = {{ router_id = \"{}\", zzz = 1 }}\n", "a".repeat(300));
    let faults = global(&text);
    let lines: Vec<&str> = faults.lines().collect();
    let caret = lines[2].find('^').unwrap();
    assert_eq!(&lines[1][caret..caret + 3], "zzz", "{faults}");
}

#[test]
fn faults_are_told_in_the_order_of_the_text_and_each_once() {
    let sources = Sources::from_text("t.toml", "a = 1\nb = 2\n");
    let at = |start| Span { file: Span::START.file, start, end: start + 1 };
    let mut d = Diagnostics::new();
    d.error(at(6), "second");
    d.error(at(0), "first").note(at(6), "the other").hint("do this");
    d.error(at(6), "second");
    d.warning(at(6), "third");
    assert_eq!(
        d.render(&sources),
        "t.toml:1:1: error: first\n    1 | a = 1\n      | ^\nt.toml:2:1: note: the other\n    2 | b = 2\n      | ^\n  hint: do this\nt.toml:2:1: error: second\n    2 | b = 2\n      | ^\nt.toml:2:1: warning: third\n    2 | b = 2\n      | ^\n"
    );
    assert_eq!(d.counts(), (2, 1));
    assert!(d.has_errors());
}

#[test]
fn warnings_alone_are_no_errors() {
    let mut d = Diagnostics::new();
    d.warning(Span::START, "w");
    assert!(!d.has_errors());
    assert!(!d.is_empty());
}

#[test]
fn the_flood_of_a_generated_file_is_cut() {
    let text: String = (0..300).map(|n| format!("zzz{n} = 1\n")).collect();
    let faults = global(&text);
    assert!(faults.ends_with("... and 100 more\n"), "{}", &faults[faults.len() - 100..]);
}

#[test]
fn every_syntax_fault_is_told_once_a_line_and_good_lines_are_still_checked() {
    assert_eq!(
        global(
            "a = 100O\n[global]\nrouter_id = \"x\nfoo\n[watchdog]\nhello_intervall = 5\nhello_timeout = \"5x\"\n"
        ),
        "t.toml:1:1: error: unknown key \"a\" in the configuration
    1 | a = 100O
      | ^
  hint: known here: global, include, watchdog
t.toml:1:5: error: this is neither a number, true, false, a list nor a table; text must be quoted
    1 | a = 100O
      |     ^^^^
t.toml:3:15: error: this text has no closing \"
    3 | router_id = \"x
      |               ^
t.toml:4:4: error: there is a key but no value: expected =
    4 | foo
      |    ^
t.toml:6:1: error: unknown key \"hello_intervall\" in [watchdog]
    6 | hello_intervall = 5
      | ^^^^^^^^^^^^^^^
  hint: did you mean `hello_interval`?
t.toml:7:17: error: `hello_timeout`: \"5x\" is not a duration: `x` is not a unit (ms, s, m, h)
    7 | hello_timeout = \"5x\"
      |                 ^^^^
  hint: write \"1s\", \"100ms\", \"1m30s\", or a number of seconds
"
    );
}

#[test]
fn after_a_syntax_fault_nothing_is_said_to_be_missing() {
    let (_, faults) = read("[a\nname = \"x\"\n[b]\n", |root, d| {
        for key in ["a", "b", "name"] {
            if let Some(mut table) = root.table(key, d) {
                table.required::<String>("name", d);
                table.finish(d);
            }
        }
    });
    assert!(!faults.contains("missing"), "{faults}");
}

#[test]
fn a_missing_key_is_told_at_the_header() {
    let (_, faults) = read("\n[b]\n", |root, d| {
        let mut table = root.table("b", d).unwrap();
        table.required::<String>("name", d);
        table.finish(d);
    });
    assert_eq!(
        faults,
        "t.toml:2:1: error: `name` is missing in [b]: a string is needed\n    2 | [b]\n      | ^^^\n"
    );
}

#[test]
fn a_key_given_twice_names_both_places() {
    assert_eq!(
        global("[global]\nrouter_id = \"a\"\n\nrouter_id = \"b\"\n"),
        "t.toml:4:1: error: `router_id` is given twice\n    4 | router_id = \"b\"\n      | ^^^^^^^^^\nt.toml:2:1: note: first given here\n    2 | router_id = \"a\"\n      | ^^^^^^^^^\n"
    );
    assert_eq!(
        global("[global]\n [watchdog] # w\n[global]\n"),
        "t.toml:3:2: error: `global` is given twice\n    3 | [global]\n      |  ^^^^^^\nt.toml:1:1: note: first given here\n    1 | [global]\n      | ^^^^^^^^\n"
    );
}

#[test]
fn a_section_of_the_wrong_kind_is_told_how_to_write_it() {
    assert_eq!(
        global("[[global]]\nrouter_id = \"a\"\n"),
        "t.toml:1:1: error: `global`: expected a table, found a list\n    1 | [[global]]\n      | ^^^^^^^^^^\n  hint: there can be only one: write [global] instead of [[global]]\n"
    );
}

#[test]
fn a_file_without_a_byte_is_no_fault() {
    assert_eq!(global(""), "");
    assert_eq!(global("# nothing\n"), "");
}

#[test]
fn keys_asked_for_are_recorded() {
    let sources = Sources::from_text("t.toml", "[watchdog]\n");
    let mut d = Diagnostics::recording();
    let document = Document::parse(&sources, &mut d);
    let mut root = document.root();
    global::plan(&mut root, &mut d);
    let asked: Vec<&str> = d.asked().collect();
    assert_eq!(
        asked,
        [
            "global",
            "include",
            "watchdog",
            "watchdog.hello_interval",
            "watchdog.hello_timeout",
            "watchdog.resources",
            "watchdog.start_timeout",
            "watchdog.stop_timeout"
        ]
    );
    let forms: Vec<String> = d.keys().map(|(path, asked)| format!("{path} {:?}", asked.forms)).collect();
    assert!(forms.contains(&"include {String, List([String])}".to_owned()), "{forms:?}");
    assert!(forms.contains(&"watchdog {Table}".to_owned()), "{forms:?}");
    assert!(forms.contains(&"watchdog.stop_timeout {Duration(100ms, 3600s)}".to_owned()), "{forms:?}");
    let of_times = d.keys().filter(|(path, _)| path.ends_with("_timeout"));
    let defaults: Vec<&str> = of_times.flat_map(|(_, asked)| &asked.defaults).map(String::as_str).collect();
    assert_eq!(defaults, ["\"5s\"", "\"30s\"", "\"10s\""]);
}

#[test]
fn what_has_to_be_there_is_recorded_with_the_type_of_its_table() {
    let sources = Sources::from_text("t.toml", "[[k]]\ntype = \"a\"\nname = \"x\"\n[[k]]\ntype = \"b\"\n");
    let mut d = Diagnostics::recording();
    let document = Document::parse(&sources, &mut d);
    let mut root = document.root();
    for mut table in root.tables("k", &mut d) {
        let kind = table.required_choice("type", &[("a", true), ("b", false)], &mut d);
        if kind.is_some_and(|kind| kind.value) {
            table.required::<String>("name", &mut d);
        }
        table.demand(&["type", "other"], &mut d);
        table.finish(&mut d);
    }
    let visits: Vec<String> =
        d.visits().map(|v| format!("{} {:?} {:?}", v.path, v.kind, v.demanded)).collect();
    assert_eq!(
        visits,
        [
            "k Some(\"a\") {[\"name\"], [\"type\"], [\"type\", \"other\"]}",
            "k Some(\"b\") {[\"type\"], [\"type\", \"other\"]}"
        ]
    );
    assert!(d.is_empty());
}

#[test]
fn a_header_without_its_bracket_is_told_at_its_end() {
    let faults = global("[global\nrouter_id = \"x\"\n");
    assert!(
        faults.starts_with("t.toml:1:8: error: this header has no closing ]\n    1 | [global\n"),
        "{faults}"
    );
}
