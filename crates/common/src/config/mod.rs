//! Configuration text: from files on the disk to values with a place in the text.
//!
//! [`Sources`] is the text (root file and includes), [`Document`] the text as merged tables with spans, or a child's share
//! of them without, [`Table`] one table being read: every key must be asked for, or it is reported as unknown. What the keys mean is decided by the
//! plans of the roles (`vrrp::plan`, `checker::plan`, [`global`]), which collect every fault in [`Diagnostics`].
//! Only [`Sources::load`] touches the disk; nothing here depends on the machine the text is checked on.

mod bytes;
mod diagnostic;
mod document;
mod duration;
mod excerpt;
mod form;
pub mod global;
mod habit;
mod include;
mod node;
mod packed;
mod record;
mod shape;
mod share;
mod source;
mod split;
mod syntax;
mod table;
mod value;

pub use diagnostic::{Diagnostic, Diagnostics, Severity};
pub use document::Document;
pub use duration::{duration_pattern, format_duration, parse_duration};
pub use form::{Form, Look};
pub use record::{Asked, Visit};
pub use shape::{FromValue, Located, Ranged, Shape, Value};
pub use share::ShareError;
pub use source::{FileId, LoadError, LoadErrorKind, SourceFile, Sources, Span};
pub use table::{Table, Tables};
pub use value::{CommandLine, IfName, IpCidr, Priority, UserName, Vrid};

/// What texts of the configuration look like, as parts of regular expressions.
pub mod look {
    pub use super::value::{IPV4, IPV6, PORT};
}

#[cfg(test)]
mod tests;
