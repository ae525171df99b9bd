//! A script's first line and its output: bounded, and fit for a log.

use common::script::{Output, shebang};

use crate::pieces;

/// The first byte cuts the stream, the rest is a file's beginning and a script's output.
pub fn script(data: &[u8]) {
    let Some((seed, bytes)) = data.split_first() else { return };
    if let Some(line) = shebang::parse(bytes) {
        let blank = |byte: &u8| matches!(byte, b' ' | b'\t' | b'\n' | 0);
        assert!(!line.interpreter.is_empty() && !line.interpreter.iter().any(blank));
        assert!(line.argument.is_none_or(|argument| !argument.is_empty() && !argument.contains(&b'\n')));
    }
    let mut whole = Output::default();
    whole.take(bytes);
    let mut cut = Output::default();
    pieces(bytes, *seed).for_each(|piece| cut.take(piece));
    assert_eq!(whole, cut);
    assert!(whole.bytes().len() <= Output::LIMIT);
    for line in whole.lines() {
        assert!(!line.is_empty() && !line.contains(char::is_control));
    }
}
