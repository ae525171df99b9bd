//! Columns of text that line up, some of them coloured.

/// What a cell says about the state of things.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Tone {
    /// Nothing in particular.
    Plain,
    /// As it should be.
    Good,
    /// Somebody should look.
    Bad,
    /// Neither: a backup, a check that has not run yet.
    Calm,
}

/// Text with a tone.
#[derive(Debug, Clone)]
pub(super) struct Cell(pub(super) String, pub(super) Tone);

impl<T: Into<String>> From<T> for Cell {
    fn from(text: T) -> Self {
        Self(text.into(), Tone::Plain)
    }
}

/// Rows under a header. A row may be followed by lines that are not in columns.
#[derive(Debug, Default)]
pub(super) struct Grid {
    rows: Vec<(Vec<Cell>, Vec<Cell>)>,
}

impl Grid {
    /// A grid with these column titles.
    pub(super) fn new(titles: &[&str]) -> Self {
        let titles = titles.iter().map(|title| Cell::from(*title)).collect();
        Self { rows: vec![(titles, Vec::new())] }
    }

    /// Adds a row.
    pub(super) fn row(&mut self, cells: Vec<Cell>) {
        self.rows.push((cells, Vec::new()));
    }

    /// Adds a line under the last row.
    pub(super) fn remark(&mut self, text: impl Into<String>, tone: Tone) {
        if let Some((_, remarks)) = self.rows.last_mut() {
            remarks.push(Cell(text.into(), tone));
        }
    }

    /// The text, every line indented by so many spaces.
    pub(super) fn render(&self, indent: usize, colour: bool) -> String {
        let columns = self.rows.iter().map(|(cells, _)| cells.len()).max().unwrap_or(0);
        let width = |column: usize| {
            self.rows
                .iter()
                .filter_map(|(cells, _)| cells.get(column))
                .map(|cell| cell.0.chars().count())
                .max()
        };
        let widths: Vec<usize> = (0..columns).map(|column| width(column).unwrap_or(0)).collect();
        let mut out = String::new();
        for (cells, remarks) in &self.rows {
            let mut line = " ".repeat(indent);
            let last = cells.iter().rposition(|cell| !cell.0.is_empty()).map_or(0, |at| at + 1);
            for (at, (cell, width)) in cells.iter().zip(&widths).take(last).enumerate() {
                line.push_str(&painted(cell, colour));
                if at + 1 < last {
                    line.push_str(&" ".repeat(width - cell.0.chars().count() + 2));
                }
            }
            out.push_str(&line);
            out.push('\n');
            for remark in remarks {
                out.push_str(&format!("{}{}\n", " ".repeat(indent + 2), painted(remark, colour)));
            }
        }
        out
    }
}

/// The text of a cell, in its colour where colours are wanted.
pub(super) fn painted(cell: &Cell, colour: bool) -> String {
    let code = match cell.1 {
        Tone::Plain => return cell.0.clone(),
        Tone::Good => "32",
        Tone::Bad => "1;31",
        Tone::Calm => "33",
    };
    if colour { format!("\u{1b}[{code}m{}\u{1b}[0m", cell.0) } else { cell.0.clone() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_line_up_and_colours_do_not_count() {
        let mut grid = Grid::new(&["NAME", "STATE", "X"]);
        grid.row(vec!["a".into(), Cell("MASTER".into(), Tone::Good), "".into()]);
        grid.remark("look", Tone::Bad);
        grid.row(vec!["längst".into(), "x".into(), "y".into()]);
        assert_eq!(
            grid.render(2, false),
            "  NAME    STATE   X\n  a       MASTER\n    look\n  längst  x       y\n"
        );
        assert!(
            grid.render(0, true).contains("a       \u{1b}[32mMASTER\u{1b}[0m\n  \u{1b}[1;31mlook\u{1b}[0m\n")
        );
    }
}
