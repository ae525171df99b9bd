use std::fs;

use common::event_loop::{Cx, EventLoop, Process, Readiness, Signal, clock};
use common::exit::Exit;

use super::*;

/// Turns until it has heard what it waits for.
struct Bench {
    files: Files<()>,
    heard: Vec<Event<'static>>,
    wanted: usize,
}

impl Process for Bench {
    type Key = ();

    fn ready(&mut self, (): (), _: Readiness, cx: &mut Cx<'_, ()>) -> Drained {
        self.files.ready(cx.now(), &mut self.heard)
    }
    fn timeout(&mut self, cx: &mut Cx<'_, ()>) {
        self.files.timeout(cx.now(), &mut self.heard);
    }
    fn poll_timeout(&self) -> Option<Instant> {
        self.files.poll_timeout()
    }
    fn signal(&mut self, _: Signal, _: &mut Cx<'_, ()>) {}
    fn finished(&self) -> Option<Exit> {
        (self.heard.len() >= self.wanted).then_some(Exit::Done)
    }
}

struct Lab {
    directory: PathBuf,
    event_loop: EventLoop<()>,
    bench: Bench,
}

impl Lab {
    fn new(name: &str) -> Self {
        let directory = std::env::temp_dir().join(format!("holdfast-files-{name}-{}", std::process::id()));
        fs::create_dir(&directory).unwrap();
        let event_loop = EventLoop::new().unwrap();
        let files = Files::new((), event_loop.cx().registry()).unwrap();
        Self { directory, event_loop, bench: Bench { files, heard: vec![], wanted: 1 } }
    }

    fn at(&self, name: &str) -> PathBuf {
        self.directory.join(name)
    }

    fn watch(&mut self, paths: &[PathBuf]) {
        let plan = |(number, path): (usize, &PathBuf)| FilePlan {
            name: format!("f{number}").as_str().into(),
            path: path.clone(),
        };
        let plans: Vec<FilePlan> = paths.iter().enumerate().map(plan).collect();
        self.bench.files.watch(&plans, clock::now(), &mut self.bench.heard);
    }

    /// What was told since the last look.
    fn told(&mut self) -> Vec<(String, i32)> {
        let told = |event| {
            let Event::FileRead { file, number } = event else { panic!("{event:?}") };
            (file.to_string(), number)
        };
        self.bench.heard.drain(..).map(told).collect()
    }

    /// Waits for one word of the kernel.
    fn next(&mut self) -> Vec<(String, i32)> {
        self.event_loop.run(&mut self.bench).unwrap();
        self.told()
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        fs::remove_dir_all(&self.directory).unwrap();
    }
}

fn f0(number: i32) -> Vec<(String, i32)> {
    vec![("f0".into(), number)]
}

#[test]
fn a_file_is_read_at_once_and_whenever_it_was_written() {
    let mut lab = Lab::new("written");
    let path = lab.at("n");
    fs::write(&path, " 7\n").unwrap();
    lab.watch(std::slice::from_ref(&path));
    assert_eq!(lab.told(), f0(7));
    fs::write(&path, "-12").unwrap();
    assert_eq!(lab.next(), f0(-12));
    fs::write(lab.at("fresh"), "3").unwrap();
    fs::rename(lab.at("fresh"), &path).unwrap();
    assert_eq!(lab.next(), f0(3), "moved into place");
    fs::remove_file(&path).unwrap();
    assert_eq!(lab.next(), f0(0), "what is not there says 0");
}

#[test]
fn what_is_no_number_says_0() {
    let mut lab = Lab::new("nonsense");
    let paths: Vec<PathBuf> = ["empty", "words", "huge", "bytes", "long", "directory", "pipe", "missing"]
        .iter()
        .map(|name| lab.at(name))
        .collect();
    for (path, text) in paths.iter().zip([&b""[..], b"up", b"99999999999", b"\xff\xfe", &[b'1'; 100]]) {
        fs::write(path, text).unwrap();
    }
    fs::create_dir(&paths[5]).unwrap();
    nix::unistd::mkfifo(&paths[6], nix::sys::stat::Mode::S_IRUSR).unwrap();
    lab.watch(&paths);
    assert_eq!(lab.told(), (0..8).map(|number| (format!("f{number}"), 0)).collect::<Vec<_>>());
}

#[test]
fn a_directory_that_comes_and_goes_is_found_again() {
    let mut lab = Lab::new("directory");
    let directory = lab.at("later");
    let path = directory.join("n");
    lab.watch(std::slice::from_ref(&path));
    assert_eq!(lab.told(), f0(0));
    assert!(lab.bench.poll_timeout().is_some(), "it is looked for");
    fs::create_dir(&directory).unwrap();
    fs::write(&path, "5").unwrap();
    lab.bench.files.timeout(clock::now() + RETRY, &mut lab.bench.heard);
    assert_eq!(lab.told(), f0(5));
    assert_eq!(lab.bench.poll_timeout(), None, "nothing is polled any more");
    fs::rename(&directory, lab.at("away")).unwrap();
    assert_eq!(lab.next(), f0(0));
    fs::write(lab.at("away").join("n"), "6").unwrap();
    fs::create_dir(&directory).unwrap();
    fs::write(&path, "8").unwrap();
    lab.bench.files.timeout(clock::now() + RETRY, &mut lab.bench.heard);
    assert_eq!(lab.told(), f0(8));
}

#[test]
fn a_reload_tells_what_is_new_only() {
    let mut lab = Lab::new("reload");
    let (a, b) = (lab.at("a"), lab.at("b"));
    fs::write(&a, "1").unwrap();
    fs::write(&b, "2").unwrap();
    lab.watch(std::slice::from_ref(&a));
    assert_eq!(lab.told(), f0(1));
    lab.watch(&[a.clone(), b]);
    assert_eq!(lab.told(), [("f1".to_owned(), 2)]);
    lab.watch(&[]);
    assert_eq!(lab.bench.files.directories.len(), 0);
    lab.watch(std::slice::from_ref(&a));
    assert_eq!(lab.told(), f0(1), "forgotten, and told again");
}
