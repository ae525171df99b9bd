//! Cutting what a server sends into lines of bounded length, for the kinds that talk in lines.

/// The longest line that is waited for, in bytes.
pub(super) const MAX_LINE: usize = 2048;

/// What has come in and is not a whole line yet.
#[derive(Debug, Default)]
pub(super) struct Lines {
    bytes: Vec<u8>,
}

/// The server sends a line without end.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct TooLong;

impl Lines {
    /// Takes what came in. Keeps a bounded part of it.
    pub(super) fn push(&mut self, bytes: &[u8]) {
        let room = (4 * MAX_LINE).saturating_sub(self.bytes.len());
        self.bytes.extend_from_slice(bytes.get(..room).unwrap_or(bytes));
    }

    /// The next whole line, without its end (`\n` or `\r\n`).
    pub(super) fn next(&mut self) -> Result<Option<Vec<u8>>, TooLong> {
        let Some(end) = self.bytes.iter().position(|byte| *byte == b'\n') else {
            return if self.bytes.len() > MAX_LINE { Err(TooLong) } else { Ok(None) };
        };
        let mut line: Vec<u8> = self.bytes.drain(..=end).collect();
        line.pop();
        if line.last() == Some(&b'\r') {
            line.pop();
        }
        if line.len() > MAX_LINE { Err(TooLong) } else { Ok(Some(line)) }
    }

    /// What is left, for messages.
    pub(super) fn rest(&self) -> &[u8] {
        &self.bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_end_with_or_without_a_carriage_return() {
        let mut lines = Lines::default();
        lines.push(b"one\r\ntwo\nthr");
        assert_eq!(lines.next(), Ok(Some(b"one".to_vec())));
        assert_eq!(lines.next(), Ok(Some(b"two".to_vec())));
        assert_eq!(lines.next(), Ok(None));
        lines.push(b"ee\r\n");
        assert_eq!(lines.next(), Ok(Some(b"three".to_vec())));
    }

    #[test]
    fn an_endless_line_is_noticed_and_its_memory_is_bounded() {
        let mut lines = Lines::default();
        for _ in 0..1000 {
            lines.push(&[b'x'; 1000]);
        }
        assert_eq!(lines.next(), Err(TooLong));
        assert!(lines.rest().len() <= 4 * MAX_LINE);
    }
}
