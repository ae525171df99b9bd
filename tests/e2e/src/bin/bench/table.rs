//! What was measured, as a table of Markdown.

use std::fmt;

/// Rows of measurements.
#[derive(Debug, Default)]
pub(crate) struct Table(Vec<[String; 4]>);

impl Table {
    /// Adds a row with both makes' numbers and their ratio.
    pub(crate) fn add(&mut self, what: &str, unit: &str, ours: f64, theirs: f64) {
        let ratio = if theirs > 0.0 { format!("{:.2}", ours / theirs) } else { "-".to_owned() };
        self.push([
            what.to_owned(),
            format!("{} {unit}", number(ours)),
            format!("{} {unit}", number(theirs)),
            ratio,
        ]);
    }

    /// Adds a row in words.
    pub(crate) fn say(&mut self, what: &str, ours: String, theirs: String) {
        self.push([what.to_owned(), ours, theirs, "-".to_owned()]);
    }

    fn push(&mut self, row: [String; 4]) {
        println!("{}", row.join(" | "));
        self.0.push(row);
    }
}

pub(crate) fn number(value: f64) -> String {
    if value.abs() >= 100.0 { format!("{value:.0}") } else { format!("{value:.2}") }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "| measurement | Holdfast | keepalived | ratio |\n|---|---|---|---|")?;
        for row in &self.0 {
            writeln!(f, "| {} |", row.join(" | "))?;
        }
        Ok(())
    }
}

/// The middle one.
pub(crate) fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    match (sorted.get(sorted.len() / 2), sorted.get(sorted.len().saturating_sub(1) / 2)) {
        (Some(above), Some(below)) => f64::midpoint(*above, *below),
        _ => f64::NAN,
    }
}

/// The largest one.
pub(crate) fn worst(values: &[f64]) -> f64 {
    values.iter().copied().fold(f64::NAN, f64::max)
}
