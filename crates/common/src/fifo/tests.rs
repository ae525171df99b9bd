use std::io::Read;

use super::*;
use crate::event_loop::EventLoop;

struct Scratch(PathBuf);

impl Scratch {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("holdfast-fifo-{name}-{}", std::process::id()));
        let _old = std::fs::remove_dir_all(&path);
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn pipe(&self) -> PathBuf {
        self.0.join("pipe")
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        std::fs::remove_dir_all(&self.0).unwrap();
    }
}

/// What is in the pipe now.
fn read(path: &Path) -> String {
    let flags = OFlag::O_NONBLOCK.bits();
    let mut file = OpenOptions::new().read(true).custom_flags(flags).open(path).unwrap();
    let (mut bytes, mut some) = (Vec::new(), [0; 4096]);
    while let Ok(count @ 1..) = file.read(&mut some) {
        bytes.extend_from_slice(&some[..count]);
    }
    String::from_utf8(bytes).unwrap()
}

fn fifo(path: &Path) -> (Fifo<()>, EventLoop<()>) {
    let event_loop = EventLoop::new().unwrap();
    let fifo = Fifo::new(path, (), event_loop.cx().registry());
    (fifo, event_loop)
}

#[test]
fn lines_are_there_for_a_reader_who_comes_later() {
    let scratch = Scratch::new("later");
    let (mut fifo, _loop) = fifo(&scratch.pipe());
    fifo.push("INSTANCE \"VI_1\" MASTER 100");
    fifo.push("INSTANCE \"a\nb\" BACKUP 100");
    assert_eq!(read(&scratch.pipe()), "INSTANCE \"VI_1\" MASTER 100\nINSTANCE \"a b\" BACKUP 100\n");
    assert_eq!(fifo.status()["waiting"], 0);
}

#[test]
fn a_reader_who_does_not_read_gets_the_newest_and_the_number_of_the_others() {
    let scratch = Scratch::new("full");
    let (mut fifo, _loop) = fifo(&scratch.pipe());
    let line = |number: usize| format!("{number:05} {}", "x".repeat(100));
    let all = 5000;
    for number in 0..all {
        fifo.push(&line(number));
    }
    assert_eq!(fifo.status()["waiting"], WAITING);
    let mut told = String::new();
    while fifo.status()["waiting"] != 0 {
        told += &read(&scratch.pipe());
        fifo.flush();
    }
    told += &read(&scratch.pipe());
    let lines: Vec<&str> = told.lines().collect();
    let gap = lines.iter().position(|line| line.starts_with("FIFO \"lines\" DROPPED ")).unwrap();
    let dropped: usize = lines[gap].rsplit(' ').next().unwrap().parse().unwrap();
    assert_eq!(fifo.status()["dropped"], dropped);
    assert_eq!(lines.len() - 1 + dropped, all, "every line is there or counted");
    let numbers =
        lines.iter().filter(|line| line.ends_with('x')).map(|line| line[..5].parse::<usize>().unwrap());
    let numbers: Vec<usize> = numbers.collect();
    assert!(numbers.is_sorted());
    assert_eq!(numbers[gap], gap + dropped, "what is missing is missing at that place");
    assert_eq!(numbers.last(), Some(&(all - 1)));
}

#[test]
fn another_pipe_in_the_old_ones_place_gets_the_lines() {
    let scratch = Scratch::new("another");
    let (mut fifo, _loop) = fifo(&scratch.pipe());
    std::fs::remove_file(scratch.pipe()).unwrap();
    fifo.push("one");
    assert_eq!(read(&scratch.pipe()), "one\n");
}

#[test]
fn what_is_no_pipe_is_not_written_to_and_lines_wait_for_one() {
    let scratch = Scratch::new("file");
    std::fs::write(scratch.pipe(), "mine").unwrap();
    let (mut fifo, _loop) = fifo(&scratch.pipe());
    fifo.push("one");
    assert_eq!(std::fs::read_to_string(scratch.pipe()).unwrap(), "mine");
    assert_eq!(fifo.status()["error"], "it is no named pipe");
    std::fs::remove_file(scratch.pipe()).unwrap();
    fifo.push("two");
    assert_eq!(read(&scratch.pipe()), "one\ntwo\n");
    assert_eq!(fifo.status()["error"], Value::Null);
}

#[test]
fn a_link_in_its_place_is_not_followed() {
    let scratch = Scratch::new("link");
    let target = scratch.0.join("target");
    std::fs::write(&target, "mine").unwrap();
    std::os::unix::fs::symlink(&target, scratch.pipe()).unwrap();
    let (mut fifo, _loop) = fifo(&scratch.pipe());
    fifo.push("one");
    assert_eq!(std::fs::read_to_string(target).unwrap(), "mine");
    assert_ne!(fifo.status()["error"], Value::Null);
}

#[test]
fn after_a_reload_the_same_pipe_keeps_its_lines_and_another_begins() {
    let scratch = Scratch::new("reload");
    let event_loop = EventLoop::<()>::new().unwrap();
    let cx = event_loop.cx();
    let (one, two) = (scratch.0.join("one"), scratch.0.join("two"));
    let all = paths(Some(&one), Some(&one));
    assert_eq!(all, std::slice::from_ref(&one), "the same pipe is written to once");
    std::fs::create_dir(&one).unwrap();
    let mut fifos = Fifos::new(&all, (), cx.registry());
    fifos.push("kept");
    assert_eq!(fifos.status()[0]["waiting"], 1);
    std::fs::remove_dir(&one).unwrap();
    fifos.reconfigure(&paths(Some(&one), Some(&two)), cx.registry());
    fifos.push("new");
    assert_eq!((read(&one), read(&two)), ("kept\nnew\n".to_owned(), "new\n".to_owned()));
}
