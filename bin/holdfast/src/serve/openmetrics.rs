//! Text in the format of OpenMetrics 1.0: families in order, each with its samples together.

use std::fmt::Write as _;

/// What the content is called in HTTP.
pub(super) const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// The kinds of family that are used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Gauge,
    Counter,
    Info,
}

impl Kind {
    fn name(self) -> &'static str {
        match self {
            Self::Gauge => "gauge",
            Self::Counter => "counter",
            Self::Info => "info",
        }
    }

    fn suffix(self) -> &'static str {
        match self {
            Self::Gauge => "",
            Self::Counter => "_total",
            Self::Info => "_info",
        }
    }
}

/// A text that grows.
#[derive(Debug, Default)]
pub(super) struct Text {
    out: String,
}

/// One family, whose samples are added one after the other.
#[derive(Debug)]
pub(super) struct Family<'t> {
    text: &'t mut Text,
    name: &'static str,
    kind: Kind,
}

impl Text {
    /// Begins a family.
    pub(super) fn family(&mut self, name: &'static str, kind: Kind, help: &str) -> Family<'_> {
        let _infallible = write!(self.out, "# TYPE {name} {}\n# HELP {name} {help}\n", kind.name());
        Family { text: self, name, kind }
    }

    /// The whole text with its end.
    pub(super) fn finish(mut self) -> String {
        self.out.push_str("# EOF\n");
        self.out
    }
}

impl Family<'_> {
    /// Adds a sample.
    pub(super) fn sample(&mut self, labels: &[(&str, &str)], value: f64) -> &mut Self {
        let out = &mut self.text.out;
        out.push_str(self.name);
        out.push_str(self.kind.suffix());
        for (at, (name, value)) in labels.iter().enumerate() {
            let _infallible = write!(out, "{}{name}=\"{}\"", if at == 0 { "{" } else { "," }, escape(value));
        }
        if !labels.is_empty() {
            out.push('}');
        }
        let _infallible = writeln!(out, " {value}");
        self
    }

    /// Adds a sample that is 1 or 0.
    pub(super) fn flag(&mut self, labels: &[(&str, &str)], value: bool) -> &mut Self {
        self.sample(labels, f64::from(u8::from(value)))
    }

    /// Adds a sample that counts.
    #[expect(clippy::cast_precision_loss, reason = "samples are floating point numbers in this format")]
    pub(super) fn count(&mut self, labels: &[(&str, &str)], value: u64) -> &mut Self {
        self.sample(labels, value as f64)
    }
}

fn escape(value: &str) -> String {
    value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn families_samples_and_labels() {
        let mut text = Text::default();
        text.family("a", Kind::Gauge, "An A.").flag(&[], true).sample(&[("x", "q\"\\\n"), ("y", "z")], 1.5);
        text.family("b", Kind::Counter, "Bs.").count(&[], 3);
        text.family("c", Kind::Info, "A c.").flag(&[("v", "1")], true);
        assert_eq!(
            text.finish(),
            "# TYPE a gauge\n# HELP a An A.\na 1\na{x=\"q\\\"\\\\\\n\",y=\"z\"} 1.5\n\
             # TYPE b counter\n# HELP b Bs.\nb_total 3\n# TYPE c info\n# HELP c A c.\nc_info{v=\"1\"} 1\n# EOF\n"
        );
    }
}
