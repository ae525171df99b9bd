//! The checker as it runs, against real listeners on loopback, without IPVS.

mod support;

use std::io::Write;
use std::net::{SocketAddr, TcpListener};
use std::time::Duration;

use support::{Running, Scratch, Server, alive, config, nobody, one, read_request};

fn http(keys: &str) -> String {
    format!("type = \"http\", timeout = \"400ms\", {keys}")
}

#[test]
fn a_server_that_dies_is_seen_dead_and_a_server_that_returns_alive() {
    let mut dies = Server::new(drop);
    let address = dies.address;
    let stays = Server::new(drop);
    let mut running = Running::start(&config(&[address, stays.address], "type = \"tcp\"", "quorum = 2"));
    running.until("both checked", |status| {
        (0..2)
            .all(|server| status["real_servers"][server]["checks"][0]["last_result"] == "connection accepted")
    });
    drop(dies);
    let status = running.until("the death", |status| alive(status) == [false, true]);
    assert_eq!(status["quorum_met"], false);
    let server = &status["real_servers"][0];
    assert_eq!(server["address"], address.to_string());
    assert_eq!((server["weight"].as_u64(), server["effective_weight"].as_u64()), (Some(1), Some(0)));
    let check = &server["checks"][0];
    assert_eq!((check["type"].as_str(), check["up"].as_bool()), (Some("tcp"), Some(false)));
    assert_eq!(check["last_result"], "connection refused");
    assert!(check["failures"].as_u64().unwrap() >= 1);
    dies = Server::at(address, drop);
    let status = running.until("the return", |status| alive(status) == [true, true]);
    assert_eq!(status["quorum_met"], true);
    drop(dies);
}

#[test]
fn a_connection_that_nobody_accepts_is_still_a_connection() {
    let listener = TcpListener::bind("[::1]:0").unwrap();
    let text =
        one(listener.local_addr().unwrap(), "type = \"tcp\"").replace("192.0.2.1:80", "[2001:db8::1]:80");
    assert_eq!(Running::start(&text).until_result("connection accepted")["alive"], true);
}

#[test]
fn http_answers_are_judged() {
    let server = Server::answering(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
    let healthy =
        Running::start(&one(server.address, &http("path = \"/healthz\""))).until_result("status 200");
    assert_eq!(healthy["alive"], true);
    let server = Server::answering(b"HTTP/1.1 503 Busy\r\n\r\n");
    let busy = Running::start(&one(server.address, &http("path = \"/\"")))
        .until_result("status 503, expected 200-299");
    assert_eq!(busy["alive"], false);
    let expected =
        Running::start(&one(server.address, &http("status = [\"500-599\"]"))).until_result("status 503");
    assert_eq!(expected["alive"], true);
}

/// Servers that behave badly: each is a failure in plain words, in time, and in bounded memory.
#[test]
fn hostile_servers_fail_in_plain_words() {
    let hostile = |server: &Server, words: &str| {
        let found = Running::start(&one(server.address, &http("path = \"/\""))).until_result(words);
        assert_eq!(found["alive"], false, "{words}");
        let took = found["checks"][0]["last_duration_us"].as_u64().unwrap();
        assert!(took < 5_000_000, "{words}: {took} us");
    };
    let never = Server::new(|stream| {
        let mut stream = stream;
        read_request(&mut stream);
        read_request(&mut stream);
    });
    hostile(&never, "connected, but no answer in time");
    let slow = Server::new(|mut stream| {
        read_request(&mut stream);
        for byte in b"HTTP/1.1 200 OK\r\n\r\n" {
            let sent = stream.write_all(&[*byte]);
            let mut wait = stream.try_clone().unwrap();
            wait.set_read_timeout(Some(Duration::from_millis(300))).unwrap();
            read_request(&mut wait);
            if sent.is_err() {
                return;
            }
        }
    });
    hostile(&slow, "answer not complete in time");
    let endless_head = Server::new(|mut stream| {
        read_request(&mut stream);
        let _cut = stream.write_all(b"HTTP/1.1 200 OK\r\n");
        while stream.write_all(b"X-Endless: yyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyy\r\n").is_ok() {
        }
    });
    hostile(&endless_head, "head of the answer longer than");
    let wrong = Server::new(|mut stream| {
        let _cut = stream.write_all(b"SSH-2.0-OpenSSH_9.2p1 Debian-2\r\n");
        read_request(&mut stream);
    });
    hostile(&wrong, "answer is not HTTP: \"SSH-2.0-OpenSSH");
    let closes = Server::new(|mut stream| read_request(&mut stream));
    hostile(&closes, "closed without an answer");
    let resets = Server::new(|stream| {
        // Closing with unread bytes resets the connection.
        let mut byte = [0];
        let _one = std::io::Read::read(&mut &stream, &mut byte);
    });
    hostile(&resets, "reset");
}

#[test]
fn an_endless_body_is_not_waited_for() {
    let endless = Server::new(|mut stream| {
        read_request(&mut stream);
        let _cut = stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n");
        while stream.write_all(&[b'x'; 65536]).is_ok() {}
    });
    let found = Running::start(&one(endless.address, &http("path = \"/\""))).until_result("status 200");
    assert_eq!(found["alive"], true);
}

#[test]
fn a_server_that_is_not_reached_in_time_is_a_failure() {
    // A full backlog drops further connections.
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    nix::sys::socket::listen(&listener, nix::sys::socket::Backlog::new(0).unwrap()).unwrap();
    let address = listener.local_addr().unwrap();
    let filler: Vec<_> =
        (0..8).map(|_| std::net::TcpStream::connect_timeout(&address, Duration::from_millis(50))).collect();
    let found = Running::start(&one(address, "type = \"tcp\", timeout = \"200ms\""))
        .until_result("not answered in time");
    assert_eq!(found["alive"], false);
    drop(filler);
}

#[test]
fn scripts_judge_by_their_exit_status() {
    let script = |command: &str| {
        one(nobody(), &format!("type = \"script\", timeout = \"300ms\", command = {command}"))
    };
    assert_eq!(Running::start(&script("\"/bin/true\"")).until_result("exit status 0")["alive"], true);
    assert_eq!(Running::start(&script("\"/bin/false\"")).until_result("exit status 1")["alive"], false);
    let hangs = script("[\"/bin/sh\", \"-c\", \"sleep 1000\"]");
    assert_eq!(Running::start(&hangs).until_result("did not end in time")["alive"], false);
    let dynamic = script("[\"/bin/sh\", \"-c\", \"exit 12\"], dynamic = true");
    let server = Running::start(&dynamic).until_result("exit status 12");
    assert_eq!((server["alive"].as_bool(), server["effective_weight"].as_u64()), (Some(true), Some(10)));
}

#[test]
fn a_script_that_is_missing_says_nothing_of_the_server() {
    let text = one(nobody(), "type = \"script\", command = \"/nonexistent/check\"");
    let server = Running::start(&text).until_result("not checked: not started");
    assert_eq!(server["alive"], true);
    assert!(server["checks"][0]["local_errors"].as_u64().unwrap() >= 1);
    assert_eq!(server["checks"][0]["failures"], 0);
}

#[test]
fn a_number_in_a_file_weighs_and_judges() {
    let scratch = Scratch::new("file");
    let path = scratch.path.join("load");
    let check =
        |keys: &str| one(nobody(), &format!("type = \"file\", path = \"{}\", {keys}", path.display()));
    let mut running = Running::start(&check("factor = 10"));
    let server = running.until_result("not checked: cannot read");
    assert_eq!((server["alive"].as_bool(), server["effective_weight"].as_u64()), (Some(true), Some(1)));
    std::fs::write(&path, "4\n").unwrap();
    let server = running.until_result("the number is 4");
    assert_eq!(server["effective_weight"], 41);
    std::fs::write(&path, "-1").unwrap();
    assert_eq!(running.until_result("the number is -1")["effective_weight"], 0);
    let server = Running::start(&check("factor = 0")).until_result("the number is -1");
    assert_eq!(server["alive"], false);
    let server = Running::start(&check("factor = 0, reverse = true")).until_result("the number is -1");
    assert_eq!(server["alive"], true);
    std::fs::remove_file(&path).unwrap();
    nix::unistd::mkfifo(&path, nix::sys::stat::Mode::S_IRWXU).unwrap();
    Running::start(&check("factor = 1")).until_result("is not a regular file");
}

#[test]
fn a_check_connects_where_and_from_where_it_is_told() {
    let (peers, seen) = std::sync::mpsc::channel();
    let server = Server::new(move |mut stream| {
        read_request(&mut stream);
        peers.send(stream.peer_addr()).unwrap();
        let _gone = stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n");
    });
    let port = server.address.port();
    let keys = format!("address = \"127.0.0.1\", port = {port}, source = \"127.0.0.9\", interface = \"lo\"");
    let elsewhere: SocketAddr = "127.0.0.3:1".parse().unwrap();
    let found =
        Running::start(&one(elsewhere, &format!("type = \"http\", {keys}"))).until_result("status 200");
    assert_eq!(found["alive"], true);
    assert_eq!(seen.recv().unwrap().unwrap().ip().to_string(), "127.0.0.9");
}

#[test]
fn an_address_that_is_not_ours_is_an_error_of_this_machine() {
    let server = Server::new(drop);
    let text = one(server.address, "type = \"tcp\", retry_delay = \"50ms\", source = \"192.0.2.77\"");
    let mut running = Running::start(&text);
    let found = running.until("retries", |status| {
        status["real_servers"][0]["checks"][0]["local_errors"].as_u64() >= Some(3)
    });
    let check = &found["real_servers"][0]["checks"][0];
    assert_eq!(
        (found["real_servers"][0]["alive"].as_bool(), check["failures"].as_u64()),
        (Some(true), Some(0))
    );
    assert!(check["last_result"].as_str().unwrap().starts_with("not checked: "), "{check}");
}

#[test]
fn an_interface_that_is_not_there_is_an_error_of_this_machine() {
    let server = Server::new(drop);
    let text = one(server.address, "type = \"tcp\", interface = \"hf-none0\"");
    assert_eq!(Running::start(&text).until_result("not checked: ")["alive"], true);
}

#[test]
fn a_reload_keeps_what_is_known_and_takes_what_is_new() {
    let (dead, living) = (nobody(), Server::new(drop));
    let servers = [dead, living.address];
    let slow = "type = \"tcp\", interval = \"1h\"";
    let mut running = Running::start(&config(&servers, slow, ""));
    running.until("the dead one", |status| alive(status) == [false, true]);
    running.until("the living one", |status| status["real_servers"][1]["checks"][0]["attempts"] == 1);
    let changes = running.prepare(&config(&servers, slow, "scheduler = \"rr\"\nweight = 4")).unwrap();
    assert_eq!(changes[0]["object"], "tcp 192.0.2.1:80");
    assert_eq!(changes[0]["change"], "changed");
    assert_eq!(changes[0]["detail"], "scheduler: wlc -> rr");
    assert_eq!(changes.as_array().unwrap().len(), 3);
    running.abort();
    assert_eq!(running.status()["virtual_servers"][0]["scheduler"], "wlc");
    running.prepare(&config(&servers, slow, "scheduler = \"rr\"\nweight = 4")).unwrap();
    running.commit();
    let status = running.status()["virtual_servers"][0].clone();
    assert_eq!((status["scheduler"].as_str(), alive(&status)), (Some("rr"), vec![false, true]));
    assert_eq!(status["real_servers"][0]["checks"][0]["attempts"], 1, "not checked again");
    assert_eq!(status["real_servers"][1]["effective_weight"], 4);
    // A changed check inherits the verdict.
    running.prepare(&config(&servers, "type = \"tcp\", interval = \"1h\", warm_up = \"1h\"", "")).unwrap();
    running.commit();
    let status = running.status()["virtual_servers"][0].clone();
    assert_eq!(alive(&status), [false, true]);
    assert_eq!(status["real_servers"][0]["checks"][0]["last_result"], "not checked yet");
}

#[test]
fn a_faulty_configuration_is_refused_in_words_and_changes_nothing() {
    let server = Server::new(drop);
    let mut running = Running::start(&one(server.address, "type = \"tcp\""));
    let faults = running.prepare(&one(server.address, "type = \"tpc\"")).unwrap_err();
    assert!(faults.starts_with("`type`: expected one of") && faults.contains("found \"tpc\""), "{faults}");
    running.commit();
    running.until_result("connection accepted");
}

#[test]
fn a_successor_puts_no_dead_server_back() {
    let living = Server::new(drop);
    let servers = [nobody(), living.address];
    let quick = config(&servers, "type = \"tcp\", interval = \"1h\"", "");
    let mut first = Running::start(&quick);
    first.until("the dead one", |status| !alive(status)[0]);
    first.until("both checked", |status| status["real_servers"][1]["checks"][0]["attempts"] == 1);
    let mut next = Running::successor(&quick, Some(first.checkpoint()));
    let status = next.status()["virtual_servers"][0].clone();
    assert_eq!(alive(&status), alive(&first.status()["virtual_servers"][0]));
    assert_eq!(status["real_servers"][0]["checks"][0]["attempts"], 0, "before its own first check");
}

#[test]
fn changes_are_notified_in_their_order() {
    let scratch = Scratch::new("notify");
    let file = scratch.path.join("log");
    let say = format!(
        "[\"/bin/sh\", \"-c\", \"echo $HOLDFAST_KIND $HOLDFAST_NAME $HOLDFAST_SERVER $HOLDFAST_STATE >> {}\"]",
        file.display()
    );
    let keys = format!("notify_up = {say}\nnotify_down = {say}\nquorum_up = {say}\nquorum_down = {say}");
    let server = Server::new(drop);
    let address: SocketAddr = server.address;
    let mut running = Running::start(&config(&[address], "type = \"tcp\"", &keys));
    running.until_result("connection accepted");
    let lines = |file: &std::path::Path| {
        let mut lines: Vec<String> =
            std::fs::read_to_string(file).unwrap_or_default().lines().map(str::to_owned).collect();
        lines.sort();
        lines
    };
    running.until("the quorum of the start", |_| lines(&file).len() == 1);
    drop(server);
    running.until("two more notices", |_| lines(&file).len() == 3);
    let down = [
        format!("REAL_SERVER tcp 192.0.2.1:80 {address} DOWN"),
        "VIRTUAL_SERVER tcp 192.0.2.1:80 DOWN".into(),
        "VIRTUAL_SERVER tcp 192.0.2.1:80 UP".into(),
    ];
    assert_eq!(lines(&file), down);
    let server = Server::at(address, drop);
    running.until("five notices", |_| lines(&file).len() == 5);
    assert!(lines(&file).contains(&format!("REAL_SERVER tcp 192.0.2.1:80 {address} UP")));
    running.stop();
    drop(server);
}
