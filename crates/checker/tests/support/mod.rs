//! The checker on an event loop of the test's own thread, with its ends in the test's hands, and servers that behave
//! well or badly on loopback.
#![expect(clippy::disallowed_methods, reason = "servers are threads, and tests wait with a limit")]
#![expect(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, reason = "a test fails so")]
#![allow(dead_code, clippy::allow_attributes, reason = "not every test file uses everything")]

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use checker::run::{Checker, Key};
use common::child::{App, AppCx, ChildKey};
use common::config::{Diagnostics, Document, Sources};
use common::event_loop::{Cx, Drained, EventLoop, Process, Readiness, Signal};
use common::exit::Exit;
use serde_json::Value;

/// How long anything may take before a test gives up.
const PATIENCE: Duration = Duration::from_secs(20);

struct Harness {
    checker: Checker,
    checkpoint: Option<Vec<u8>>,
}

impl Process for Harness {
    type Key = ChildKey<Key>;

    fn ready(&mut self, key: Self::Key, readiness: Readiness, cx: &mut Cx<'_, Self::Key>) -> Drained {
        match key {
            ChildKey::App(key) => self.checker.ready(key, readiness, cx),
            ChildKey::LifeLine | ChildKey::Control(_) => Drained::Yes,
        }
    }

    fn timeout(&mut self, cx: &mut Cx<'_, Self::Key>) {
        self.checker.timeout(cx);
    }

    fn poll_timeout(&self) -> Option<Instant> {
        self.checker.poll_timeout()
    }

    fn signal(&mut self, _: Signal, _: &mut Cx<'_, Self::Key>) {}

    fn settled(&mut self, _: &mut Cx<'_, Self::Key>) {
        self.checkpoint = self.checker.checkpoint().or(self.checkpoint.take());
    }

    fn finished(&self) -> Option<Exit> {
        None
    }
}

/// A running checker.
pub(crate) struct Running {
    event_loop: EventLoop<ChildKey<Key>>,
    harness: Harness,
    in_force: Document,
    prepared: Option<Document>,
}

/// The checker's share of a text.
pub(crate) fn document(text: &str) -> Document {
    let mut d = Diagnostics::new();
    let document = Document::parse(&Sources::from_text("test.toml", text), &mut d);
    let mut share = Vec::new();
    document.write_share(&["global", "checker", "virtual_server"], &mut share).unwrap();
    Document::from_share(share).unwrap()
}

impl Running {
    pub(crate) fn start(text: &str) -> Self {
        Self::successor(text, None)
    }

    /// The next incarnation after one that left this checkpoint.
    pub(crate) fn successor(text: &str, checkpoint: Option<Vec<u8>>) -> Self {
        let event_loop = EventLoop::new().unwrap();
        let in_force = document(text);
        let mut checker = Checker::new(&in_force, PathBuf::from("/nonexistent")).unwrap();
        let mut cx: AppCx<'_, Key> = event_loop.cx();
        checker.start(checkpoint, &mut cx).unwrap();
        Self { event_loop, harness: Harness { checker, checkpoint: None }, in_force, prepared: None }
    }

    pub(crate) fn turn(&mut self) {
        self.event_loop.turn(&mut self.harness).unwrap();
    }

    /// The end of a turn in which nothing happened.
    pub(crate) fn turn_without_waiting(&mut self) {
        let mut cx = self.event_loop.cx();
        self.harness.timeout(&mut cx);
        self.harness.settled(&mut cx);
    }

    pub(crate) fn progress(&self) -> Value {
        self.harness.checker.progress()
    }

    pub(crate) fn status(&mut self) -> Value {
        let now = Instant::now();
        self.harness.checker.status(now)
    }

    /// Turns until the first virtual server is as wanted; fails the test with its state otherwise.
    pub(crate) fn until(&mut self, what: &str, mut wanted: impl FnMut(&Value) -> bool) -> Value {
        let start = Instant::now();
        loop {
            let status = self.status()["virtual_servers"][0].clone();
            if wanted(&status) {
                return status;
            }
            assert!(start.elapsed() < PATIENCE, "{what} not seen; status {status:#}");
            self.turn();
        }
    }

    /// Turns until the first check of the first server has this to say; returns its state.
    pub(crate) fn until_result(&mut self, words: &str) -> Value {
        let status = self.until(words, |status| {
            status["real_servers"][0]["checks"][0]["last_result"]
                .as_str()
                .is_some_and(|found| found.contains(words))
        });
        status["real_servers"][0].clone()
    }

    pub(crate) fn checkpoint(&self) -> Vec<u8> {
        self.harness.checkpoint.clone().expect("a checkpoint")
    }

    pub(crate) fn prepare(&mut self, text: &str) -> Result<Value, String> {
        let document = document(text);
        let changes = self.harness.checker.prepare(&self.in_force, &document);
        self.prepared = changes.is_ok().then_some(document);
        changes
    }

    pub(crate) fn abort(&mut self) {
        self.harness.checker.abort();
    }

    pub(crate) fn commit(&mut self) {
        let mut cx = self.event_loop.cx();
        self.harness.checker.commit(&mut cx);
        if let Some(document) = self.prepared.take() {
            self.in_force = document;
        }
    }

    pub(crate) fn stop(&mut self) {
        let mut cx = self.event_loop.cx();
        self.harness.checker.stop(&mut cx);
        assert!(self.harness.checker.stopped());
    }
}

/// A configuration without IPVS: one virtual server, one real server, one quick check of this kind.
pub(crate) fn one(server: SocketAddr, check: &str) -> String {
    config(&[server], check, "")
}

/// The same with several servers and further keys of the virtual server.
pub(crate) fn config(servers: &[SocketAddr], check: &str, keys: &str) -> String {
    let servers: Vec<String> = servers.iter().map(|server| format!("\"{server}\"")).collect();
    let quick =
        [("interval", "interval = \"100ms\", "), ("warm_up", "warm_up = 0, "), ("retries", "retries = 0, ")];
    let quick: String =
        quick.iter().filter(|(key, _)| !check.contains(&format!("{key} ="))).map(|(_, text)| *text).collect();
    format!(
        "[checker]\nipvs = false\n[[virtual_server]]\naddress = \"192.0.2.1:80\"\n{keys}\n\
         check = {{ {quick}{check} }}\nreal_servers = [{}]\n",
        servers.join(", ")
    )
}

pub(crate) fn alive(status: &Value) -> Vec<bool> {
    let servers = status["real_servers"].as_array().unwrap();
    servers.iter().map(|server| server["alive"].as_bool().unwrap()).collect()
}

/// A server whose connections are each handled by a thread of their own.
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    stop: Arc<AtomicBool>,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl Server {
    pub(crate) fn new(handle: impl Fn(TcpStream) + Send + Sync + Clone + 'static) -> Self {
        Self::at("127.0.0.1:0".parse().unwrap(), handle)
    }

    pub(crate) fn at(
        address: SocketAddr,
        handle: impl Fn(TcpStream) + Send + Sync + Clone + 'static,
    ) -> Self {
        let listener = TcpListener::bind(address).unwrap();
        let address = listener.local_addr().unwrap();
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let thread = std::thread::spawn(move || {
            for stream in listener.incoming() {
                if stopped.load(Ordering::SeqCst) {
                    break;
                }
                let Ok(stream) = stream else { continue };
                let handle = handle.clone();
                std::thread::spawn(move || handle(stream));
            }
        });
        Self { address, stop, thread: Some(thread) }
    }

    /// Answers every request so.
    pub(crate) fn answering(answer: &'static [u8]) -> Self {
        Self::new(move |mut stream| {
            read_request(&mut stream);
            let _gone = stream.write_all(answer);
        })
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::SeqCst);
        // Wakes it up.
        let _refused = TcpStream::connect(self.address);
        self.thread.take().unwrap().join().unwrap();
    }
}

pub(crate) fn read_request(stream: &mut TcpStream) {
    let mut seen = Vec::new();
    let mut byte = [0];
    while !seen.ends_with(b"\r\n\r\n") && stream.read(&mut byte).is_ok_and(|count| count > 0) {
        seen.push(byte[0]);
    }
}

/// An address of loopback on which nobody listens.
pub(crate) fn nobody() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

/// A place where the script user may write.
pub(crate) struct Scratch {
    pub(crate) path: PathBuf,
}

impl Scratch {
    pub(crate) fn new(name: &str) -> Self {
        use std::os::unix::fs::PermissionsExt;
        let path = std::env::temp_dir().join(format!("holdfast-checker-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o777)).unwrap();
        Self { path }
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        std::fs::remove_dir_all(&self.path).unwrap();
    }
}
