//! What a reload does to one object, as the answer to `reload` tells it, and what the traffic notices of it.

use serde_json::{Value, json};

/// What the traffic notices of a change. Where it depends (on who is master, on a verdict to come), the worse of the
/// two is said.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Traffic {
    /// Nothing: no packet takes another way.
    #[default]
    Untouched,
    /// Connections that begin from now on may go elsewhere; those that are there stay where they are.
    New,
    /// Connections that are there may move or end.
    All,
}

impl Traffic {
    /// The word in the answer to a reload.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Untouched => "untouched",
            Self::New => "new",
            Self::All => "all",
        }
    }

    /// What a word of an answer stands for; the worst where it is unknown.
    #[must_use]
    pub fn of_word(word: &str) -> Self {
        [Self::Untouched, Self::New].into_iter().find(|traffic| traffic.word() == word).unwrap_or(Self::All)
    }
}

/// One element of the list `changes` in the answer to a reload.
#[must_use]
pub fn told(object: &str, change: &str, detail: &str, traffic: Traffic) -> Value {
    json!({ "object": object, "change": change, "detail": detail, "traffic": traffic.word() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_words_are_read_back_and_an_unknown_one_is_the_worst() {
        for traffic in [Traffic::Untouched, Traffic::New, Traffic::All] {
            assert_eq!(Traffic::of_word(traffic.word()), traffic);
        }
        assert_eq!(Traffic::of_word(""), Traffic::All);
        assert!(Traffic::Untouched < Traffic::New && Traffic::New < Traffic::All);
    }
}
