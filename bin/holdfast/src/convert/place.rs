//! Where something stands in a keepalived.conf, and what is said about it.

use std::fmt;
use std::rc::Rc;

/// A line of a file, counted from 1.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Place {
    pub(super) file: Rc<str>,
    pub(super) line: usize,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.file, self.line)
    }
}

/// What kind of thing is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// The text is not what keepalived would take it for, or cannot be read at all.
    Fault,
    /// Something that keepalived does is not done any more.
    Lost,
    /// Nothing is lost, but the operator should know.
    Note,
}

/// Something to tell the operator.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Remark {
    pub(super) place: Place,
    pub(super) kind: Kind,
    pub(super) text: String,
}

impl fmt::Display for Remark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match self.kind {
            Kind::Fault => "error: ",
            Kind::Lost => "not carried over: ",
            Kind::Note => "note: ",
        };
        write!(f, "{}: {kind}{}", self.place, self.text)
    }
}

/// All remarks, in the order in which they were made.
#[derive(Debug, Default)]
pub(super) struct Report {
    remarks: Vec<Remark>,
}

impl Report {
    pub(super) fn add(&mut self, place: &Place, kind: Kind, text: impl Into<String>) {
        let remark = Remark { place: place.clone(), kind, text: text.into() };
        if !self.remarks.contains(&remark) {
            self.remarks.push(remark);
        }
    }

    pub(super) fn fault(&mut self, place: &Place, text: impl Into<String>) {
        self.add(place, Kind::Fault, text);
    }

    /// Whether everything was carried over.
    pub(super) fn is_whole(&self) -> bool {
        self.remarks.iter().all(|remark| remark.kind == Kind::Note)
    }

    pub(super) fn remarks(&self) -> &[Remark] {
        &self.remarks
    }
}
