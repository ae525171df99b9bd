//! Many alerts as one mail (pure): a storm is one mail a minute, with a line for each of the first and the number of
//! the rest.

use std::collections::BTreeMap;
use std::fmt::Write;

use serde::{Deserialize, Serialize};

/// So many are told each with a line.
const LISTED: usize = 300;
/// So many sorts of events are in the subject.
const SORTS: usize = 3;

/// Something to tell.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Alert {
    /// Seconds since 1970.
    pub(crate) at: u64,
    /// What a mail about it alone is headed with.
    pub(crate) subject: String,
    /// What happened to what sort of object: `Realserver DOWN`.
    pub(crate) sort: String,
    /// Line by line what is known of it.
    pub(crate) body: String,
}

/// Alerts that wait for the end of their minute.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Gathering {
    first: Option<Alert>,
    lines: Vec<String>,
    sorts: BTreeMap<String, u64>,
    count: u64,
}

impl Gathering {
    pub(crate) fn is_empty(&self) -> bool {
        self.count == 0
    }

    pub(crate) fn count(&self) -> u64 {
        self.count
    }

    pub(crate) fn push(&mut self, alert: Alert) {
        self.count += 1;
        *self.sorts.entry(alert.sort.clone()).or_default() += 1;
        if self.lines.len() < LISTED {
            let told = |key: &str| alert.body.lines().find_map(|line| line.strip_prefix(key)).map(str::trim);
            let reason = told("Reason:").map(|reason| format!(" ({reason})")).unwrap_or_default();
            let at = told("Time:").map(|at| format!("{at} ")).unwrap_or_default();
            self.lines.push(format!("{at}{}{reason}", alert.subject));
        }
        if self.first.is_none() {
            self.first = Some(alert);
        }
    }

    /// The mail: when what it tells first happened, its subject, its body. One alert alone is told as it is.
    pub(crate) fn compose(&self, host: &str) -> Option<(u64, String, String)> {
        let first = self.first.as_ref()?;
        if self.count == 1 {
            return Some((first.at, first.subject.clone(), first.body.clone()));
        }
        let mut sorts: Vec<(&String, &u64)> = self.sorts.iter().collect();
        sorts.sort_by(|(a, first), (b, second)| second.cmp(first).then(a.cmp(b)));
        let named: Vec<String> =
            sorts.iter().take(SORTS).map(|(sort, count)| format!("{count} {sort}")).collect();
        let more = if sorts.len() > SORTS { ", …" } else { "" };
        let subject = format!("[{host}] {} events: {}{more}", self.count, named.join(", "));
        let mut body = format!("{} events on {host}, in the order in which they happened:\n\n", self.count);
        for line in &self.lines {
            let _written = writeln!(body, "{line}");
        }
        let rest = self.count - u64::try_from(self.lines.len()).unwrap_or(self.count);
        if rest > 0 {
            let _written = writeln!(body, "\nand {rest} more: \"holdfast events\" has them.");
        }
        body.push_str("\nHow many of what:\n\n");
        for (sort, count) in sorts {
            let _written = writeln!(body, "{count:>8} {sort}");
        }
        Some((first.at, subject, body))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn alert(number: u64, sort: &str) -> Alert {
        Alert {
            at: 100 + number,
            subject: format!("[lb-1] {sort} {number}"),
            sort: sort.to_owned(),
            body: format!("Reason: number {number}\nTime: T{number}\n"),
        }
    }

    #[test]
    fn one_alone_is_told_as_it_is() {
        let mut gathering = Gathering::default();
        assert_eq!(gathering.compose("lb-1"), None);
        gathering.push(alert(1, "Realserver DOWN"));
        let alone = alert(1, "Realserver DOWN");
        assert_eq!(gathering.compose("lb-1"), Some((101, alone.subject, alone.body)));
    }

    #[test]
    fn many_are_counted_by_sort_and_the_first_are_listed() {
        let mut gathering = Gathering::default();
        for number in 0..1000 {
            gathering
                .push(alert(number, if number % 4 == 0 { "Virtualserver DOWN" } else { "Realserver DOWN" }));
        }
        let (at, subject, body) = gathering.compose("lb-1").unwrap();
        assert_eq!(at, 100);
        assert_eq!(subject, "[lb-1] 1000 events: 750 Realserver DOWN, 250 Virtualserver DOWN");
        assert!(body.contains("T299 [lb-1] Realserver DOWN 299 (number 299)\n"), "{body}");
        assert!(!body.contains("[lb-1] Virtualserver DOWN 300"), "{body}");
        assert!(body.contains("and 700 more"), "{body}");
        assert!(body.contains("     250 Virtualserver DOWN\n"), "{body}");
    }
}
