use std::fs::File;
use std::io::{Read, Write};
use std::os::unix::net::UnixListener;
use std::path::PathBuf;

use super::*;
use crate::config::Document;
use crate::control::{Reply, Request};
use crate::surroundings::{Resources, Surroundings};

/// Answers what it is asked and keeps a word of state.
#[derive(Default)]
struct Toy {
    word: String,
    prepared: Option<String>,
    refreshed: u32,
    dirty: bool,
    happened: Vec<&'static str>,
    /// Into so many pieces its status is cut.
    pieces: usize,
    stopped: bool,
}

impl App for Toy {
    type Key = ();

    fn start(&mut self, checkpoint: Option<Vec<u8>>, _: &mut AppCx<'_, ()>) -> Result<(), StartError> {
        self.word = String::from_utf8(checkpoint.unwrap_or_default()).unwrap();
        Ok(())
    }
    fn ready(&mut self, (): (), _: Readiness, _: &mut AppCx<'_, ()>) -> Drained {
        Drained::Yes
    }
    fn timeout(&mut self, _: &mut AppCx<'_, ()>) {}
    fn poll_timeout(&self) -> Option<Instant> {
        None
    }
    fn progress(&self) -> Value {
        json!({ "word": self.word })
    }
    fn status(&mut self, _: Instant) -> Value {
        json!({ "word": self.word })
    }
    fn status_piece(&mut self, from: usize, now: Instant, text: &mut Vec<u8>) -> Option<usize> {
        if self.pieces == 0 {
            text.extend(self.status(now).to_string().into_bytes());
            return None;
        }
        text.extend(format!("{}\"{}{from}\"", if from == 0 { '[' } else { ',' }, self.word).into_bytes());
        if from + 1 == self.pieces {
            text.push(b']');
        }
        Some(from + 1).filter(|next| *next < self.pieces)
    }
    fn checkpoint(&mut self) -> Option<Vec<u8>> {
        std::mem::take(&mut self.dirty).then(|| self.word.clone().into_bytes())
    }
    fn prepare(&mut self, before: &Document, document: &Document) -> Result<Value, String> {
        let word = |document: &Document| {
            document.root().or("word", String::new(), &mut crate::config::Diagnostics::new())
        };
        let (old, new) = (word(before), word(document));
        if new == "bad" {
            return Err("bad word".into());
        }
        let change = json!([format!("{old} -> {new}")]);
        self.prepared = Some(new);
        Ok(change)
    }
    fn refresh(&mut self, _: &mut AppCx<'_, ()>) {
        self.refreshed += 1;
    }
    fn commit(&mut self, _: &mut AppCx<'_, ()>) {
        self.word = self.prepared.take().unwrap();
        self.dirty = true;
    }
    fn abort(&mut self) {
        self.prepared = None;
    }
    fn surroundings(&self, of: Which) -> Surroundings {
        let word = match of {
            Which::InForce => Some(&self.word),
            Which::Prepared => self.prepared.as_ref(),
        };
        let namespace = word.filter(|word| word.starts_with("elsewhere")).cloned();
        let nice = word.filter(|word| word.starts_with("nice")).map(|_| 5);
        Surroundings { namespace, resources: Resources { nice, ..Resources::default() } }
    }
    fn events(&mut self) -> Vec<Value> {
        let happened = std::mem::take(&mut self.happened);
        happened.into_iter().map(|what| json!({ "event": what })).collect()
    }
    fn stop(&mut self, _: &mut AppCx<'_, ()>) {
        self.stopped = true;
    }
    fn stopped(&self) -> bool {
        self.stopped
    }
}

/// A child on the loop of this thread, with the watchdog's ends in the test's hands.
struct Lab {
    dir: PathBuf,
    life_line: Option<UnixStream>,
    event_loop: EventLoop<ChildKey<()>>,
    child: Child<Toy>,
    inbox: crate::history::Inbox,
}

impl Lab {
    fn new(name: &str, store: Store) -> Self {
        let dir = std::env::temp_dir().join(format!("holdfast-child-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&dir).unwrap();
        let path = dir.join("toy.sock");
        let _old = std::fs::remove_file(&path);
        let listener = UnixListener::bind(&path).unwrap();
        let (theirs, ours) = UnixStream::pair().unwrap();
        theirs.set_nonblocking(true).unwrap();
        let event_loop = EventLoop::new().unwrap();
        let mut cx = event_loop.cx();
        let mut app = Toy::default();
        app.start(store.load(), &mut cx).unwrap();
        let (inbox, history) = crate::history::pipe().unwrap();
        let child = Child {
            app,
            control: Server::new(listener.into(), ChildKey::Control, &cx).unwrap(),
            _life_line_registration: cx.registry().add(&theirs, ChildKey::LifeLine, Interest::Read).unwrap(),
            life_line: theirs,
            carried: store.load(),
            store,
            incoming: vec![],
            history: Outbox::new(history, "toy"),
            subscribers: vec![],
            telling: VecDeque::new(),
            share: Share::new(share("word = \"\"")),
            prepared: None,
            stopping: false,
            favour: Favour::default(),
            lateness: Watch::default(),
            tidy_at: None,
        };
        Self { dir, life_line: Some(ours), event_loop, child, inbox: crate::history::Inbox::new(inbox) }
    }

    fn connect(&self) -> UnixStream {
        let stream = UnixStream::connect(self.dir.join("toy.sock")).unwrap();
        stream.set_nonblocking(true).unwrap();
        stream
    }

    /// Turns the loop until the client has a whole line or its end of stream.
    fn line(&mut self, client: &mut UnixStream) -> Option<String> {
        let mut line = Vec::new();
        loop {
            let mut byte = [0];
            match client.read(&mut byte) {
                Ok(0) => return None,
                Ok(_) if byte[0] == b'\n' => return Some(String::from_utf8(line).unwrap()),
                Ok(_) => line.push(byte[0]),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.event_loop.turn(&mut self.child).unwrap();
                }
                // Cut off with bytes of ours unread.
                Err(_) => return None,
            }
        }
    }

    fn call(&mut self, client: &mut UnixStream, method: &str) -> Result<Value, String> {
        let request = Request { id: 9, method: method.into(), params: Value::Null };
        writeln!(client, "{}", serde_json::to_string(&request).unwrap()).unwrap();
        let line = self.line(client).unwrap();
        let reply: Reply = serde_json::from_str(&line).unwrap();
        assert_eq!(reply.id, 9);
        reply.into_outcome()
    }

    fn prepare(&mut self, text: &str) -> Result<Value, String> {
        self.child.prepare(vec![share(text)])
    }
}

fn share(text: &str) -> OwnedFd {
    let sources = crate::config::Sources::from_text("t.toml", text);
    let document = Document::parse(&sources, &mut crate::config::Diagnostics::new());
    let mut file =
        File::from(nix::sys::memfd::memfd_create("t", nix::sys::memfd::MFdFlags::empty()).unwrap());
    document.write_share(&["word"], &mut file).unwrap();
    file.into()
}

impl Drop for Lab {
    fn drop(&mut self) {
        std::fs::remove_dir_all(&self.dir).unwrap();
    }
}

#[test]
fn a_hello_is_answered_with_progress_and_the_checkpoint() {
    let mut store = Store::create("t").unwrap();
    store.save(b"kept").unwrap();
    let mut lab = Lab::new("hello", store);
    let mut client = lab.connect();
    let answer = lab.call(&mut client, "hello").unwrap();
    assert_eq!(answer["progress"]["word"], "kept");
    assert_eq!(answer["pid"], std::process::id());
    assert_eq!(answer["checkpoint"], "a2VwdA==");
}

#[test]
fn a_reload_takes_effect_with_the_second_step_only() {
    let mut lab = Lab::new("reload", Store::create("t").unwrap());
    let mut client = lab.connect();
    assert_eq!(lab.call(&mut client, "commit").unwrap_err(), "nothing is prepared");
    assert_eq!(lab.prepare("word = 'bad'").unwrap_err(), "bad word");
    assert_eq!(lab.prepare("word = 'new'").unwrap(), json!({ "changes": [" -> new"] }));
    assert_eq!(lab.call(&mut client, "status").unwrap()["word"], "");
    lab.call(&mut client, "commit").unwrap();
    assert_eq!(lab.call(&mut client, "status").unwrap()["word"], "new");
    assert_eq!(lab.child.store.load().unwrap(), b"new");
    assert_eq!(lab.prepare("word = 'newer'").unwrap(), json!({ "changes": ["new -> newer"] }));
}

#[test]
fn a_reload_that_changes_nothing_of_a_child_does_not_reach_its_work() {
    let mut lab = Lab::new("same", Store::create("t").unwrap());
    let mut client = lab.connect();
    lab.prepare("word = 'new'").unwrap();
    lab.call(&mut client, "commit").unwrap();
    // Another text all the same: other places, a comment, somebody else's section.
    assert_eq!(
        lab.prepare("# a comment\n\nword = \"new\"\n[other]\na = 1\n").unwrap(),
        json!({ "changes": [] })
    );
    assert!(lab.child.app.prepared.is_none());
    lab.call(&mut client, "commit").unwrap();
    assert_eq!((lab.child.app.word.as_str(), lab.child.app.refreshed), ("new", 1));
}

#[test]
fn a_reload_cannot_move_a_process_and_says_what_else_changes_for_it() {
    let mut lab = Lab::new("surroundings", Store::create("t").unwrap());
    let refusal = lab.prepare("word = 'elsewhere'").unwrap_err();
    assert!(refusal.starts_with("network_namespace none -> elsewhere: a process cannot move"), "{refusal}");
    assert!(lab.child.app.prepared.is_none(), "nothing is left of it");
    let changes = lab.prepare("word = 'nice'").unwrap();
    let resources = json!({ "object": "resources", "change": "changed", "detail": "nice unset -> 5", "traffic": "untouched" });
    assert_eq!(changes["changes"][1], resources);
}

#[test]
fn damaged_bytes_refuse_the_reload() {
    let mut lab = Lab::new("damaged", Store::create("t").unwrap());
    for bytes in [&b""[..], b"holdfast", b"[{}]", b"holdfast1\x01\x01a\x00\x05\x08\xff\xff\xff\x7f"] {
        let mut file =
            File::from(nix::sys::memfd::memfd_create("t", nix::sys::memfd::MFdFlags::empty()).unwrap());
        file.write_all(bytes).unwrap();
        let refusal = lab.child.prepare(vec![file.into()]).unwrap_err();
        assert_eq!(refusal, "the configuration handed down is damaged");
    }
}

#[test]
fn an_aborted_reload_leaves_nothing_to_commit() {
    let mut lab = Lab::new("abort", Store::create("t").unwrap());
    let mut client = lab.connect();
    lab.prepare("word = 'new'").unwrap();
    lab.call(&mut client, "abort").unwrap();
    assert_eq!(lab.call(&mut client, "commit").unwrap_err(), "nothing is prepared");
}

#[test]
fn the_end_of_the_watchdog_is_an_orderly_stop() {
    let mut lab = Lab::new("lifeline", Store::create("t").unwrap());
    lab.life_line = None;
    assert_eq!(lab.event_loop.run(&mut lab.child).unwrap(), Exit::Done);
}

#[test]
fn events_go_to_those_who_asked_and_to_nobody_else() {
    let mut lab = Lab::new("events", Store::create("t").unwrap());
    let (mut listener, mut other) = (lab.connect(), lab.connect());
    lab.child.app.happened = vec!["too early"];
    lab.call(&mut other, "hello").unwrap();
    lab.call(&mut listener, "events").unwrap();
    lab.call(&mut listener, "events").unwrap();
    lab.child.app.happened = vec!["one", "two"];
    lab.call(&mut other, "hello").unwrap();
    let mut kept = Vec::new();
    lab.inbox.read(&mut kept);
    let kept = String::from_utf8(kept.join(&b' ')).unwrap();
    for told in ["too early", "one", "two", "\"child\":\"toy\""] {
        assert!(kept.contains(told), "the history has {told}: {kept}");
    }
    for expected in ["one", "two"] {
        let line = lab.line(&mut listener).unwrap();
        let event: Value = serde_json::from_str(&line).unwrap();
        assert_eq!(event["event"], expected);
        assert!(event["at"].as_str().is_some_and(|at| at.ends_with('Z')), "{line}");
    }
    drop(listener);
    lab.child.app.happened = vec!["too late"];
    lab.call(&mut other, "hello").unwrap();
    lab.child.app.happened = vec!["too late"];
    lab.call(&mut other, "hello").unwrap();
    assert_eq!(lab.child.subscribers, [], "who has gone is forgotten");
}

#[test]
fn garbage_costs_the_client_its_connection_and_the_child_nothing() {
    let mut lab = Lab::new("garbage", Store::create("t").unwrap());
    let mut good = lab.connect();
    for garbage in [&b"nonsense\n"[..], b"{}\n", b"[1]\n", b"\xff\xfe\n", b"{\"method\":3}\n"] {
        let mut bad = lab.connect();
        bad.write_all(garbage).unwrap();
        assert_eq!(lab.line(&mut bad), None);
    }
    lab.call(&mut good, "hello").unwrap();
    assert_eq!(lab.call(&mut good, "fly").unwrap_err(), "unknown method \"fly\"");
}

#[test]
fn an_endless_line_is_cut_off() {
    let mut lab = Lab::new("endless", Store::create("t").unwrap());
    let mut bad = lab.connect();
    let flood = [b'x'; 8192];
    let mut written = 0;
    while written <= crate::control::MAX_REQUEST {
        match bad.write(&flood) {
            Ok(count) => written += count,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                lab.event_loop.turn(&mut lab.child).unwrap();
            }
            Err(_) => break,
        }
    }
    assert!(lab.line(&mut bad).is_none());
}

#[test]
fn a_large_status_is_told_in_pieces_and_others_are_served_between_them() {
    let mut lab = Lab::new("pieces", Store::create("t").unwrap());
    lab.child.app.pieces = 1000;
    let mut patient = lab.connect();
    let mut other = lab.connect();
    patient.write_all(b"{\"id\":7,\"method\":\"status\"}\n").unwrap();
    while lab.child.telling.is_empty() {
        lab.event_loop.turn(&mut lab.child).unwrap();
    }
    other.write_all(b"{\"id\":8,\"method\":\"hello\"}\n").unwrap();
    assert!(lab.line(&mut other).unwrap().starts_with("{\"id\":8,"));
    assert!(!lab.child.telling.is_empty(), "the other one did not wait for the whole");
    let reply: Value = serde_json::from_str(&lab.line(&mut patient).unwrap()).unwrap();
    assert_eq!(reply["id"], 7);
    let pieces: Vec<String> = (0..1000).map(|piece| piece.to_string()).collect();
    assert_eq!(reply["result"], json!(pieces));
    assert!(lab.child.telling.is_empty());

    // Who goes away is not told the rest.
    patient.write_all(b"{\"id\":9,\"method\":\"status\"}\n").unwrap();
    while lab.child.telling.is_empty() {
        lab.event_loop.turn(&mut lab.child).unwrap();
    }
    drop(patient);
    while !lab.child.telling.is_empty() {
        lab.event_loop.turn(&mut lab.child).unwrap();
    }
}

#[test]
fn a_status_that_a_reload_interrupts_is_begun_anew() {
    let mut lab = Lab::new("anew", Store::create("t").unwrap());
    lab.child.app.pieces = 3;
    lab.child.app.word = "old".into();
    let mut client = lab.connect();
    client.write_all(b"{\"id\":1,\"method\":\"status\"}\n").unwrap();
    while lab.child.telling.is_empty() {
        lab.event_loop.turn(&mut lab.child).unwrap();
    }
    lab.child.app.prepared = Some("new".into());
    lab.child.prepared = Some(Prepared { share: Share::new(share("word = \"new\"")), changed: true });
    let mut cx = lab.event_loop.cx();
    lab.child.commit(&mut cx).unwrap();
    let reply: Value = serde_json::from_str(&lab.line(&mut client).unwrap()).unwrap();
    assert_eq!(reply["result"], json!(["new0", "new1", "new2"]));
}
