//! Cutting a byte stream into lines of bounded length (pure).

/// Bytes received that do not make a line yet.
#[derive(Debug, Default)]
pub struct Lines {
    buffer: Vec<u8>,
    /// How much of the buffer is known to hold no newline.
    searched: usize,
}

/// A line was longer than allowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TooLong;

impl Lines {
    /// Takes what was received.
    pub fn push(&mut self, bytes: &[u8]) {
        self.buffer.extend_from_slice(bytes);
    }

    /// The next whole line, without its newline.
    ///
    /// # Errors
    /// Where the line, whole or not, is longer than `limit`: there is no way on from here.
    pub fn next(&mut self, limit: usize) -> Result<Option<Vec<u8>>, TooLong> {
        let fresh = self.buffer.get(self.searched..).unwrap_or_default();
        let Some(at) = fresh.iter().position(|byte| *byte == b'\n') else {
            self.searched = self.buffer.len();
            return if self.buffer.len() > limit { Err(TooLong) } else { Ok(None) };
        };
        let end = self.searched + at;
        let rest = self.buffer.split_off(end + 1);
        let mut line = std::mem::replace(&mut self.buffer, rest);
        self.searched = 0;
        line.pop();
        if line.len() > limit { Err(TooLong) } else { Ok(Some(line)) }
    }

    /// Whether the last line is without its newline so far.
    #[must_use]
    pub fn is_cut(&self) -> bool {
        !self.buffer.is_empty()
    }
}

/// Lines with the descriptors that came with them.
///
/// One read may return several requests, but the kernel ends it behind the bytes that descriptors were sent with. So
/// what arrives in a read belongs to the last line in it, whole or not, and never to those before.
#[derive(Debug)]
pub(super) struct Inbox<F> {
    lines: Lines,
    /// Of the line that is not whole yet.
    waiting: Vec<F>,
}

impl<F> Default for Inbox<F> {
    fn default() -> Self {
        Self { lines: Lines::default(), waiting: Vec::new() }
    }
}

/// A line, and what arrived with it.
type Whole<F> = (Vec<u8>, Vec<F>);

impl<F> Inbox<F> {
    /// Takes what one read returned; gives the lines that are whole by now.
    ///
    /// # Errors
    /// Where a line is longer than `limit`.
    pub(super) fn take(
        &mut self,
        bytes: &[u8],
        arrived: Vec<F>,
        limit: usize,
    ) -> Result<Vec<Whole<F>>, TooLong> {
        self.lines.push(bytes);
        let mut whole = Vec::new();
        while let Some(line) = self.lines.next(limit)? {
            whole.push((line, std::mem::take(&mut self.waiting)));
        }
        match whole.last_mut() {
            Some((_, fds)) if !self.lines.is_cut() => fds.extend(arrived),
            Some(_) | None => self.waiting.extend(arrived),
        }
        Ok(whole)
    }

    /// How many descriptors wait for the end of their line.
    pub(super) fn waiting(&self) -> usize {
        self.waiting.len()
    }
}
