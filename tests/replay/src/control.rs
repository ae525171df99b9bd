//! A control socket: the same lines however the stream is cut, and none beyond the limit.

use common::control::{Lines, Reply, Request};

use crate::pieces;

/// The first byte cuts the stream, the second is the limit, the rest is the stream.
pub fn control(data: &[u8]) {
    let Some(([seed, limit], stream)) = data.split_first_chunk() else { return };
    let limit = usize::from(*limit);
    let whole = lines([stream].into_iter(), limit);
    let cut = lines(pieces(stream, *seed), limit);
    assert_eq!(whole, cut);
    for line in whole.0 {
        assert!(line.len() <= limit && !line.contains(&b'\n'));
        if let Ok(request) = serde_json::from_slice::<Request>(&line) {
            let again =
                serde_json::to_vec(&request).and_then(|text| serde_json::from_slice::<Request>(&text));
            // Not the parameters: numbers with a hundred digits are rounded each time.
            let words = |request: Request| (request.id, request.method);
            assert_eq!(again.ok().map(words), Some(words(request)));
        }
        if let Ok(reply) = serde_json::from_slice::<Reply>(&line) {
            let again = serde_json::to_vec(&reply).and_then(|text| serde_json::from_slice::<Reply>(&text));
            let words = |reply: Reply| (reply.id, reply.into_outcome().map(drop));
            assert_eq!(again.ok().map(words), Some(words(reply)));
        }
    }
}

/// The lines of a stream, and whether it ended in one that was too long.
fn lines<'a>(portions: impl Iterator<Item = &'a [u8]>, limit: usize) -> (Vec<Vec<u8>>, bool) {
    let (mut lines, mut found) = (Lines::default(), Vec::new());
    for portion in portions {
        lines.push(portion);
        loop {
            match lines.next(limit) {
                Ok(Some(line)) => found.push(line),
                Ok(None) => break,
                Err(_) => return (found, true),
            }
        }
    }
    (found, false)
}
