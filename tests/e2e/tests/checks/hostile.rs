//! Servers that do not behave: the check fails in plain words, on time, in bounded memory.

use lab::Result;

use crate::Bench;

/// A server whose answer to a connection is this piece of Python (`c` is the connection).
fn answering(bench: &Bench, answer: &str) -> Result<lab::Process> {
    let program = format!(
        "import socket, struct, threading, time\ns = socket.socket()\n\
         s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)\ns.bind(('127.0.0.1', 80))\ns.listen(100)\n\
         def serve(c):\n    try:\n        {answer}\n    except OSError:\n        pass\n    c.close()\n\
         while True:\n    c, _ = s.accept()\n    threading.Thread(target=serve, args=(c,), daemon=True).start()\n"
    );
    let script = bench.write("server.py", &program)?;
    bench.server(&["python3", &script])
}

#[test]
fn a_hostile_web_server_is_dead_and_costs_little() -> Result {
    for (label, answer, check, words) in [
        ("mute", "time.sleep(60)", "", "connected, but no answer in time"),
        (
            "slow",
            "[(c.send(bytes([b])), time.sleep(1)) for b in b'HTTP/1.1 200 OK' * 9]",
            "",
            "answer not complete in time",
        ),
        (
            "endless",
            "c.send(b'HTTP/1.0 200 OK\\r\\n\\r\\n'); [c.send(b'x' * 65536) for _ in iter(int, 1)]",
            ", body_match = \"ready\"",
            "body does not match",
        ),
        (
            "head",
            "c.send(b'HTTP/1.0 200 OK\\r\\n'); [c.send(b'A: b\\r\\n') for _ in iter(int, 1)]",
            "",
            "head of the answer longer",
        ),
        ("other", "c.send(b'220 mail ESMTP\\r\\n'); time.sleep(60)", "", "answer is not HTTP"),
        (
            "reset",
            "c.recv(1); c.send(b'HTTP/1.1 2'); c.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack('ii', 1, 0))",
            "",
            "connection reset",
        ),
        ("half", "c.shutdown(socket.SHUT_WR); time.sleep(60)", "", "connection closed without an answer"),
    ] {
        let bench = Bench::new(label)?;
        let _server = answering(&bench, answer)?;
        let watched = bench.checked("127.0.0.1:80", &format!("type = \"http\"{check}"))?;
        watched.dead(words)?;
        let checker = watched.holdfast.child("checker")?;
        let memory = std::fs::read_to_string(format!("/proc/{checker}/status"))?;
        let peak = memory.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap_or_default();
        let peak: u64 = peak.trim().trim_end_matches(" kB").parse().unwrap_or(u64::MAX);
        assert!(peak < 64 * 1024, "{label}: {peak} kB");
    }
    Ok(())
}

#[test]
fn a_hostile_tls_server_is_dead() -> Result {
    for (label, answer, words) in [
        ("tls-alert", "c.recv(1000); c.send(bytes([21, 3, 3, 0, 2, 2, 40]))", "TLS alert HandshakeFailure"),
        ("tls-mute", "time.sleep(60)", "TLS handshake not complete in time"),
        ("tls-plain", "c.send(b'HTTP/1.1 400 Bad Request\\r\\n\\r\\n')", "answer is not TLS"),
    ] {
        let bench = Bench::new(label)?;
        let _server = answering(&bench, answer)?;
        bench.checked("127.0.0.1:80", "type = \"https\"")?.dead(words)?;
    }
    Ok(())
}
