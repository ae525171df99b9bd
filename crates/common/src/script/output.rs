//! The beginning of what a script wrote.

use std::fmt;

/// Bytes of a script's output: the first [`Output::LIMIT`] are kept, the others counted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Output {
    kept: Vec<u8>,
    dropped: u64,
}

impl Output {
    /// How many bytes are kept.
    pub const LIMIT: usize = 4096;

    /// Takes what was read.
    pub fn take(&mut self, bytes: &[u8]) {
        let room = Self::LIMIT.saturating_sub(self.kept.len()).min(bytes.len());
        let (kept, dropped) = bytes.split_at(room);
        self.kept.extend_from_slice(kept);
        self.dropped = self.dropped.saturating_add(u64::try_from(dropped.len()).unwrap_or(u64::MAX));
    }

    /// Whether more was written than is kept.
    pub fn overflowed(&self) -> bool {
        self.dropped > 0
    }

    /// How many bytes were not kept.
    pub fn dropped(&self) -> u64 {
        self.dropped
    }

    /// What was kept.
    pub fn bytes(&self) -> &[u8] {
        &self.kept
    }

    /// The lines that are not empty, fit for a log: no control characters, nothing that is not text.
    pub fn lines(&self) -> impl Iterator<Item = String> + '_ {
        self.kept.split(|byte| *byte == b'\n').filter_map(|line| {
            let text = String::from_utf8_lossy(line);
            let clean: String =
                text.trim_end().chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect();
            (!clean.is_empty()).then_some(clean)
        })
    }
}

impl fmt::Display for Output {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, line) in self.lines().enumerate() {
            if number > 0 {
                f.write_str(" | ")?;
            }
            f.write_str(&line)?;
        }
        if self.dropped > 0 {
            write!(f, " … and {} bytes more", self.dropped)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_beginning_is_kept_and_the_rest_counted() {
        let mut output = Output::default();
        output.take(&[b'a'; Output::LIMIT - 1]);
        assert!(!output.overflowed());
        output.take(b"bcd");
        output.take(b"ef");
        assert_eq!(output.bytes().len(), Output::LIMIT);
        assert_eq!(output.bytes().last(), Some(&b'b'));
        assert_eq!(output.dropped(), 4);
        assert!(output.to_string().ends_with("b … and 4 bytes more"));
    }

    #[test]
    fn a_log_line_carries_no_control_characters_and_no_broken_text() {
        let mut output = Output::default();
        output.take(b"one\r\n\n\x1b[31mtwo\xff\nthree");
        let lines: Vec<String> = output.lines().collect();
        assert_eq!(lines, ["one", "\u{fffd}[31mtwo\u{fffd}", "three"]);
        assert_eq!(output.to_string(), "one | \u{fffd}[31mtwo\u{fffd} | three");
    }
}
