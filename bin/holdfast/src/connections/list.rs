//! Every connection on a line of its own.

use serde_json::json;

use super::Sink;
use super::entry::{Entry, clock};
use crate::output::Output;

/// The columns are as wide as so many lines need.
const LOOKED_AT: usize = 1000;
/// So much is written at once.
const PIECE: usize = 64 * 1024;
const TITLES: [&str; 7] = ["PROTO", "EXPIRES", "STATE", "CLIENT", "TO", "SERVER", "SERVICE"];

type Row = [String; 7];

/// Prints connections as they come.
pub(super) struct List {
    json: bool,
    /// The first ones, until the widths are known.
    first: Vec<Row>,
    widths: Option<[usize; 7]>,
    piece: String,
    printed: u64,
}

impl List {
    pub(super) fn new(json: bool) -> Self {
        let first = vec![TITLES.map(str::to_owned)];
        Self { json, first, widths: None, piece: String::new(), printed: 0 }
    }

    /// Lines up what waited for that.
    fn settle(&mut self) -> [usize; 7] {
        let mut widths = [0; 7];
        for row in &self.first {
            for (widest, cell) in widths.iter_mut().zip(row) {
                *widest = (*widest).max(cell.len());
            }
        }
        for row in std::mem::take(&mut self.first) {
            put(&mut self.piece, &row, &widths);
        }
        self.widths = Some(widths);
        widths
    }

    fn write(&mut self, output: &mut Output) -> bool {
        let written = output.print(&self.piece);
        self.piece.clear();
        written
    }
}

fn put(piece: &mut String, row: &Row, widths: &[usize; 7]) {
    let last = row.iter().rposition(|cell| !cell.is_empty()).unwrap_or(0);
    for (at, (cell, width)) in row.iter().zip(widths).take(last + 1).enumerate() {
        piece.push_str(cell);
        if at < last {
            piece.extend(std::iter::repeat_n(' ', width.saturating_sub(cell.len()) + 2));
        }
    }
    piece.push('\n');
}

impl Sink for List {
    fn take(&mut self, entry: &Entry<'_>, service: Option<&str>, output: &mut Output) -> bool {
        if self.json {
            let value = json!({
                "protocol": entry.protocol.to_ascii_lowercase(),
                "state": entry.state,
                "expires_s": entry.expires_s,
                "client": entry.client.to_string(),
                "to": entry.target().to_string(),
                "server": entry.server.to_string(),
                "service": service,
                "template": entry.is_template(),
            });
            self.piece.push_str(if self.printed == 0 { "[\n" } else { ",\n" });
            self.piece.push_str(&value.to_string());
        } else {
            let to = entry.target().to_string();
            // The name is told where it says more than the address.
            let service = service.filter(|name| !name.ends_with(&to)).unwrap_or_default();
            let row = [
                entry.protocol.to_owned(),
                clock(entry.expires_s),
                entry.state.to_owned(),
                entry.client.to_string(),
                to,
                entry.server.to_string(),
                service.to_owned(),
            ];
            match &self.widths {
                Some(widths) => put(&mut self.piece, &row, widths),
                None => self.first.push(row),
            }
            if self.first.len() > LOOKED_AT {
                self.settle();
            }
        }
        self.printed += 1;
        self.piece.len() < PIECE || self.write(output)
    }

    fn end(&mut self, output: &mut Output) {
        if self.json {
            self.piece.push_str(if self.printed == 0 { "[]\n" } else { "\n]\n" });
        } else if self.widths.is_none() {
            self.settle();
        }
        self.write(output);
    }
}
