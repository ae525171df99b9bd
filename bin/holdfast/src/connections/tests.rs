//! A recorded table, and one that is larger than memory should be.

use std::cell::RefCell;
use std::io::{self, Write};
use std::rc::Rc;

use clap::Parser as _;
use serde_json::json;

use super::*;
use crate::cli::Command;

const TABLE: &str = include_str!("tests/ip_vs_conn");

#[derive(Clone, Default)]
struct Written(Rc<RefCell<Vec<u8>>>);

impl Write for Written {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.borrow_mut().extend(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn wanted(line: &str) -> Connections {
    let words = ["holdfast", "connections"].into_iter().chain(line.split_whitespace());
    let arguments = Arguments::try_parse_from(words).unwrap();
    let Command::Connections(wanted) = arguments.command else { panic!("{line}") };
    wanted
}

fn names() -> Names {
    let checker = json!({ "virtual_servers": [
        { "address": "192.0.2.100:80", "addresses": ["192.0.2.100:80", "192.0.2.101:80"], "protocol": "tcp" }] });
    Names::new(&serde_json::from_value(checker).unwrap())
}

fn told(line: &str, table: impl BufRead) -> String {
    let written = Written::default();
    let mut output = Output::to(Box::new(written.clone()));
    let wanted = wanted(line);
    let mut sink: Box<dyn Sink> =
        if wanted.count { Box::new(Count::new(wanted.json())) } else { Box::new(List::new(wanted.json())) };
    assert_eq!(pass(table, &wanted, &names(), &mut *sink, &mut output).unwrap(), 0);
    String::from_utf8(written.0.take()).unwrap()
}

#[test]
fn connections_line_up_with_their_service_where_that_has_another_name() {
    assert_eq!(
        told("", TABLE.as_bytes()),
        "\
PROTO  EXPIRES  STATE        CLIENT               TO                 SERVER              SERVICE
TCP    14:59    ESTABLISHED  10.0.0.21:45766      192.0.2.100:80     10.0.0.11:8080
TCP    01:47    TIME_WAIT    10.0.0.22:50123      192.0.2.101:80     10.0.0.12:8080      tcp 192.0.2.100:80
UDP    04:59    UDP          [2001:db8::1]:50000  [2001:db8::64]:53  [2001:db8:1::5]:53
TCP    00:49    NONE         10.0.0.0:0           192.0.2.100:80     10.0.0.11:8080
IP     01:52    NONE         10.0.0.0:0           fwmark 10          10.0.0.12:0
"
    );
    assert_eq!(told("--protocol udp --state x", TABLE.as_bytes()).lines().count(), 1, "only the titles");
}

#[test]
fn filters_choose() {
    let clients = |line: &str| {
        let text = told(line, TABLE.as_bytes());
        text.lines()
            .skip(1)
            .map(|line| line.split_whitespace().nth(3).unwrap().to_owned())
            .collect::<Vec<_>>()
            .join(" ")
    };
    for (line, wanted) in [
        ("--protocol tcp", "10.0.0.21:45766 10.0.0.22:50123 10.0.0.0:0"),
        ("--state established,time_wait", "10.0.0.21:45766 10.0.0.22:50123"),
        ("--server 10.0.0.12", "10.0.0.22:50123 10.0.0.0:0"),
        ("--client 2001:db8::/32", "[2001:db8::1]:50000"),
        ("--service 192.0.2.100:80", "10.0.0.21:45766 10.0.0.0:0"),
        ("--service 192.0.2.0/24 --server :8080 --state none", "10.0.0.0:0"),
        ("--service fwmark10", "10.0.0.0:0"),
    ] {
        assert_eq!(clients(line), wanted, "{line}");
    }
}

#[test]
fn programs_get_a_list() {
    let list: Value = serde_json::from_str(&told("--json", TABLE.as_bytes())).unwrap();
    assert_eq!(list.as_array().unwrap().len(), 5);
    assert_eq!(
        list[1],
        json!({ "protocol": "tcp", "state": "TIME_WAIT", "expires_s": 107, "client": "10.0.0.22:50123",
                "to": "192.0.2.101:80", "server": "10.0.0.12:8080", "service": "tcp 192.0.2.100:80", "template": false })
    );
    assert_eq!(list[4]["to"], "fwmark 10");
    assert_eq!(told("-o json --client 10.9.9.9", TABLE.as_bytes()), "[]\n");
}

#[test]
fn servers_are_counted_by_service_and_templates_apart() {
    let text = told("--count", TABLE.as_bytes());
    let rows: Vec<Vec<&str>> = text
        .lines()
        .map(|line| line.split("  ").map(str::trim).filter(|cell| !cell.is_empty()).collect())
        .collect();
    assert_eq!(rows[0], ["SERVICE", "SERVER", "CONNECTIONS", "ESTABLISHED", "OTHER", "PERSISTENT"]);
    assert!(rows.contains(&vec!["tcp 192.0.2.100:80", "10.0.0.11:8080", "1", "1", "0", "1"]), "{text}");
    assert!(rows.contains(&vec!["tcp 192.0.2.100:80", "10.0.0.12:8080", "1", "0", "1", "0"]), "{text}");
    assert!(rows.contains(&vec!["ip fwmark 10", "10.0.0.12:0", "0", "0", "0", "1"]), "{text}");
    let list: Value = serde_json::from_str(&told("--count --json", TABLE.as_bytes())).unwrap();
    assert_eq!(list[0]["connections"], 1);
    assert_eq!(list[0]["states"], json!({ "ESTABLISHED": 1 }));
}

/// A table that is made while it is read.
struct Endless {
    left: usize,
    line: Vec<u8>,
    at: usize,
}

impl io::Read for Endless {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        if self.at == self.line.len() {
            if self.left == 0 {
                return Ok(0);
            }
            self.left -= 1;
            let client = 0x0a00_0000 + self.left % 0x10000;
            self.line = format!("TCP {client:08X} B2C6 C0000264 0050 0A00000B 1F90 ESTABLISHED     899\n")
                .into_bytes();
            self.at = 0;
        }
        let count = into.len().min(self.line.len() - self.at);
        into[..count].copy_from_slice(&self.line[self.at..self.at + count]);
        self.at += count;
        Ok(count)
    }
}

/// Keeps nothing of what it is told, and how much that was.
struct Sum {
    lines: Rc<RefCell<usize>>,
    largest: Rc<RefCell<usize>>,
}

impl Write for Sum {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        *self.lines.borrow_mut() += bytes.iter().filter(|byte| **byte == b'\n').count();
        let mut largest = self.largest.borrow_mut();
        *largest = (*largest).max(bytes.len());
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_hundred_thousand_connections_pass_by_in_pieces() {
    let table = BufReader::new(Endless { left: 100_000, line: Vec::new(), at: 0 });
    let (lines, largest) = (Rc::default(), Rc::default());
    let mut output = Output::to(Box::new(Sum { lines: Rc::clone(&lines), largest: Rc::clone(&largest) }));
    let mut list = List::new(false);
    pass(table, &wanted(""), &Names::default(), &mut list, &mut output).unwrap();
    assert_eq!(*lines.borrow(), 100_001);
    assert!(*largest.borrow() < 256 * 1024, "{}", largest.borrow());
}

#[test]
fn who_reads_no_more_is_told_no_more_and_strange_lines_are_counted() {
    struct Closed;
    impl Write for Closed {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(io::ErrorKind::BrokenPipe.into())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    // It would never end.
    let table = BufReader::new(Endless { left: usize::MAX / 2, line: Vec::new(), at: 0 });
    let mut output = Output::to(Box::new(Closed));
    let mut list = List::new(true);
    pass(table, &wanted("--json"), &Names::default(), &mut list, &mut output).unwrap();
    let mut output = Output::to(Box::new(Written::default()));
    let strange = pass(
        &b"Pro\nTCP x\n\xff\xff\n"[..],
        &wanted(""),
        &Names::default(),
        &mut List::new(false),
        &mut output,
    );
    assert_eq!(strange.unwrap(), 3);
}
