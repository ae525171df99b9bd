//! From two samples to the screen.

use std::path::Path;
use std::time::SystemTime;

use crossterm::event::KeyCode;
use ratatui::backend::TestBackend;
use serde_json::{Value, json};

use super::*;

fn status(connections: u64, bytes: u64) -> Value {
    let server = |last: u8, alive: bool, share: u64| {
        json!({ "address": format!("10.0.0.{last}:80"), "alive": alive, "weight": 1, "effective_weight": u8::from(alive),
                "since_s": 61, "active_connections": if alive { 12 } else { 0 }, "inactive_connections": 3,
                "traffic": { "connections": connections / share, "packets_in": 10, "packets_out": 10,
                             "bytes_in": bytes / share, "bytes_out": bytes / share },
                "checks": [{ "type": "tcp", "up": alive, "last_result": if alive { "connected" } else { "connection refused" } }] })
    };
    let service = |address: &str, met: bool, share: u64| {
        json!({ "address": address, "protocol": "tcp", "scheduler": "rr", "forward": "dr", "quorum": 1, "quorum_met": met,
                "traffic": { "connections": connections / share, "packets_in": connections, "packets_out": connections,
                             "bytes_in": bytes / share, "bytes_out": 2 * bytes / share },
                "real_servers": [server(11, true, share), server(12, met && share == 1, share)] })
    };
    json!({ "version": "0.1.0", "router_id": "lb-1",
        "watchdog": { "uptime_s": 4000, "children": [{ "name": "vrrp", "state": "up" }, { "name": "checker", "state": "up" }] },
        "vrrp": { "instances": [
            { "name": "VI_1", "state": "master", "priority": 100, "effective_priority": 80, "interface": "eth0",
              "virtual_router_id": 51, "since_s": 4000, "why": "it took over: no advert heard" },
            { "name": "VI_2", "state": "fault", "priority": 100, "effective_priority": 100, "interface": "eth1",
              "virtual_router_id": 52, "since_s": 5, "why": "interface eth1 is down" }] },
        "checker": { "virtual_servers": [service("192.0.2.1:80", true, 2), service("192.0.2.2:80", false, 4),
                                         service("192.0.2.3:80", true, 1)] } })
}

/// Two seconds apart each.
fn model(samples: &[(u64, u64)]) -> Model {
    let start = clock::now();
    let mut model = Model::default();
    for (at, (connections, bytes)) in (0..).zip(samples) {
        model.take(Ok((status(*connections, *bytes), Vec::new())), start + Duration::from_secs(2) * at);
    }
    model
}

fn drawn(ui: &mut Ui, model: &Model, width: u16, height: u16) -> String {
    let mut canvas = Terminal::new(TestBackend::new(width, height)).unwrap();
    let wall = SystemTime::UNIX_EPOCH + Duration::from_secs(1_795_262_400);
    canvas.draw(|frame| ui.draw(model, wall, frame.area(), frame.buffer_mut())).unwrap();
    let text = canvas.backend().to_string();
    // Each line in quotes.
    text.lines().map(|line| line.trim_matches('"').trim_end().to_owned() + "\n").collect()
}

#[track_caller]
fn golden(name: &str, text: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("src/top/golden/{name}.txt"));
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(&path, text).unwrap();
    }
    assert_eq!(text, std::fs::read_to_string(&path).unwrap_or_default(), "{name}");
}

fn pressed(keys: &[KeyCode]) -> Ui {
    let mut ui = Ui::default();
    for key in keys {
        assert_eq!(ui.key(*key), Wish::Draw, "{key:?}");
    }
    ui
}

#[test]
fn every_pane_is_drawn_with_the_rates_between_two_samples() {
    let model = model(&[(0, 0), (400, 8_000_000), (1200, 9_000_000)]);
    golden("instances", &drawn(&mut pressed(&[]), &model, 80, 10));
    golden("services", &drawn(&mut pressed(&[KeyCode::Tab]), &model, 100, 10));
    golden("servers", &drawn(&mut pressed(&[KeyCode::BackTab]), &model, 120, 13));
    golden("narrow", &drawn(&mut pressed(&[KeyCode::Tab]), &model, 40, 8));
}

#[test]
fn one_sample_has_no_rates_and_counters_that_begin_anew_none_below_zero() {
    let first = model(&[(400, 100)]);
    let service = &first.checker.virtual_servers[0];
    assert_eq!(first.rate(service), None);
    assert!(drawn(&mut pressed(&[KeyCode::Tab]), &first, 100, 10).contains(" -       -      -     -"));
    let anew = model(&[(400, 100), (0, 0), (20, 0)]);
    assert_eq!(anew.rate(&anew.checker.virtual_servers[0]).unwrap().connections, 5.0);
    assert_eq!(anew.curve(&anew.checker.virtual_servers[0]), [0.0, 5.0]);
}

#[test]
fn a_daemon_that_goes_is_told_and_one_that_comes_back_is_shown() {
    let mut model = model(&[(0, 0), (400, 100)]);
    let now = clock::now() + Duration::from_secs(60);
    model
        .take(Err("holdfastd is not running: nobody listens on /run/holdfast/watchdog.sock".to_owned()), now);
    let text = drawn(&mut pressed(&[]), &model, 80, 10);
    assert!(text.contains("holdfastd is not running") && !text.contains("VI_1"), "{text}");
    model.take(Ok((status(5, 5), Vec::new())), now + Duration::from_secs(2));
    let text = drawn(&mut pressed(&[]), &model, 80, 10);
    assert!(!text.contains("not running") && text.contains("VI_1"), "{text}");
    assert_eq!(
        model.rate(&model.checker.virtual_servers[0]),
        None,
        "of a new daemon nothing was seen before"
    );
    model.take(Ok((status(5, 5), vec!["the checker process gives no status: no answer".to_owned()])), now);
    assert!(drawn(&mut pressed(&[]), &model, 80, 10).contains("the checker process gives no status"));
}

fn first_column(ui: &mut Ui, model: &Model) -> Vec<String> {
    let text = drawn(ui, model, 100, 20);
    let rows = text.lines().skip(5).take_while(|line| !line.is_empty());
    rows.map(|line| line.split("  ").next().unwrap_or_default().to_owned()).collect()
}

#[test]
fn keys_filter_and_order() {
    let model = model(&[(0, 0), (400, 100)]);
    let mut ui = pressed(&[KeyCode::Tab]);
    let services = ["tcp 192.0.2.1:80", "tcp 192.0.2.2:80", "tcp 192.0.2.3:80"];
    assert_eq!(first_column(&mut ui, &model), services);
    for (word, order) in
        [("worst", [1, 0, 2]), ("busiest", [2, 0, 1]), ("name", [0, 1, 2]), ("configured", [0, 1, 2])]
    {
        ui.key(KeyCode::Char('s'));
        assert!(drawn(&mut ui, &model, 100, 20).contains(&format!("order: {word}")));
        assert_eq!(first_column(&mut ui, &model), order.map(|at| services[at]), "{word}");
    }
    for letter in ['/', 'N', 'o', 't', ' ', '2', '.', 'q'] {
        assert_eq!(ui.key(KeyCode::Char(letter)), Wish::Draw, "what is typed is no command");
    }
    assert_eq!(first_column(&mut ui, &model), ["none that the filter lets through"]);
    ui.key(KeyCode::Backspace);
    assert!(drawn(&mut ui, &model, 100, 20).contains("filter: Not 2._"));
    assert_eq!(first_column(&mut ui, &model), [services[1]]);
    ui.key(KeyCode::Enter);
    assert!(drawn(&mut ui, &model, 100, 20).contains("filter: Not 2."));
    assert_eq!(ui.key(KeyCode::Esc), Wish::Draw, "takes the filter away");
    assert_eq!(first_column(&mut ui, &model), services);
    assert_eq!(ui.key(KeyCode::Char(' ')), Wish::Look);
    assert_eq!(ui.key(KeyCode::Esc), Wish::Quit);
    assert_eq!(ui.key(KeyCode::Char('q')), Wish::Quit);
}

#[test]
fn what_does_not_fit_is_scrolled_and_nothing_is_too_small() {
    let model = model(&[(0, 0), (400, 100)]);
    let mut ui = pressed(&[KeyCode::BackTab]);
    let text = drawn(&mut ui, &model, 80, 9);
    assert!(text.contains("1-3 of 6"), "{text}");
    ui.key(KeyCode::PageDown);
    assert!(drawn(&mut ui, &model, 80, 9).contains("4-6 of 6"));
    ui.key(KeyCode::Down);
    assert!(drawn(&mut ui, &model, 80, 9).contains("4-6 of 6"), "the last page is the last");
    ui.key(KeyCode::Up);
    assert!(drawn(&mut ui, &model, 80, 9).contains("3-5 of 6"));
    ui.key(KeyCode::Home);
    assert!(drawn(&mut ui, &model, 80, 9).contains("1-3 of 6"));
    ui.key(KeyCode::End);
    assert!(drawn(&mut ui, &model, 80, 9).contains("4-6 of 6"));
    for (width, height) in [(1, 1), (5, 3), (80, 4), (3, 40), (200, 5)] {
        for pane in 0..3 {
            drawn(&mut pressed(&vec![KeyCode::Tab; pane]), &model, width, height);
        }
    }
}
