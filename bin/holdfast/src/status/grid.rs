//! Columns of text that line up, some of them coloured.

/// What a cell says about the state of things.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tone {
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
pub(crate) struct Cell(pub(crate) String, pub(crate) Tone);

impl<T: Into<String>> From<T> for Cell {
    fn from(text: T) -> Self {
        Self(text.into(), Tone::Plain)
    }
}

/// Rows under a header. A row may be followed by lines that are not in columns.
#[derive(Debug, Default)]
pub(crate) struct Grid {
    rows: Vec<(Vec<Cell>, Vec<Cell>)>,
}

impl Grid {
    /// A grid with these column titles.
    pub(crate) fn new(titles: &[&str]) -> Self {
        let titles = titles.iter().map(|title| Cell::from(*title)).collect();
        Self { rows: vec![(titles, Vec::new())] }
    }

    /// Adds a row.
    pub(crate) fn row(&mut self, cells: Vec<Cell>) {
        self.rows.push((cells, Vec::new()));
    }

    /// Adds a line under the last row.
    pub(crate) fn remark(&mut self, text: impl Into<String>, tone: Tone) {
        if let Some((_, remarks)) = self.rows.last_mut() {
            remarks.push(Cell(text.into(), tone));
        }
    }

    /// The text, every line indented by so many spaces. Where there is a width, rows are cut to it and remarks wrapped.
    pub(crate) fn render(&self, indent: usize, colour: bool, width: Option<usize>) -> String {
        let columns = self.rows.iter().map(|(cells, _)| cells.len()).max().unwrap_or(0);
        let mut widths = vec![0; columns];
        for (cells, _) in &self.rows {
            for (widest, cell) in widths.iter_mut().zip(cells) {
                *widest = (*widest).max(cell.0.chars().count());
            }
        }
        let mut out = String::new();
        for (cells, remarks) in &self.rows {
            let mut line = " ".repeat(indent);
            let mut room = width.map(|width| width.saturating_sub(indent));
            let last = cells.iter().rposition(|cell| !cell.0.is_empty()).map_or(0, |at| at + 1);
            for (at, (cell, widest)) in cells.iter().zip(&widths).take(last).enumerate() {
                let cell = Cell(cut(&cell.0, room), cell.1);
                let used = cell.0.chars().count();
                line.push_str(&painted(&cell, colour));
                let column = widest + 2;
                if at + 1 < last && room.is_none_or(|room| room > column) {
                    line.push_str(&" ".repeat(column.saturating_sub(used)));
                }
                room = room.map(|room| room.saturating_sub(column));
            }
            out.push_str(&line);
            out.push('\n');
            for remark in remarks {
                out.push_str(&wrapped(remark, indent + 2, colour, width));
            }
        }
        out
    }
}

/// The text, with its end left out where there is no room for it.
fn cut(text: &str, room: Option<usize>) -> String {
    match room {
        Some(room) if text.chars().count() > room => {
            let mut kept: String = text.chars().take(room.saturating_sub(1)).collect();
            if room > 0 {
                kept.push('~');
            }
            kept
        }
        Some(_) | None => text.to_owned(),
    }
}

/// Lines of a text that does not fit into one, all but the first indented by four more.
pub(crate) fn wrapped(cell: &Cell, indent: usize, colour: bool, width: Option<usize>) -> String {
    let line = |text: &str, indent: usize| {
        format!("{}{}\n", " ".repeat(indent), painted(&Cell(text.to_owned(), cell.1), colour))
    };
    let Some(width) = width.filter(|width| *width > indent + 20) else { return line(&cell.0, indent) };
    let (mut out, mut current, mut at) = (String::new(), String::new(), indent);
    for word in cell.0.split(' ') {
        let grown = current.chars().count() + 1 + word.chars().count();
        if !current.is_empty() && at + grown > width {
            out.push_str(&line(&current, at));
            current.clear();
            at = indent + 4;
        } else if !current.is_empty() {
            current.push(' ');
        }
        current.push_str(word);
    }
    out.push_str(&line(&current, at));
    out
}

/// The text of a cell, in its colour where colours are wanted.
pub(crate) fn painted(cell: &Cell, colour: bool) -> String {
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
            grid.render(2, false, None),
            "  NAME    STATE   X\n  a       MASTER\n    look\n  längst  x       y\n"
        );
        assert!(
            grid.render(0, true, None)
                .contains("a       \u{1b}[32mMASTER\u{1b}[0m\n  \u{1b}[1;31mlook\u{1b}[0m\n")
        );
    }

    #[test]
    fn rows_are_cut_and_remarks_wrapped_where_there_is_no_room() {
        let mut grid = Grid::new(&["NAME", "STATE", "ADDRESSES"]);
        grid.row(vec!["a".into(), Cell("MASTER".into(), Tone::Good), "192.0.2.1/24 192.0.2.2/24".into()]);
        grid.remark("it took over because nobody else was heard", Tone::Calm);
        assert_eq!(
            grid.render(0, false, Some(30)),
            "NAME  STATE   ADDRESSES\na     MASTER  192.0.2.1/24 19~\n  it took over because nobody\n      else was heard\n"
        );
        for width in 0..60 {
            for line in grid.render(0, false, Some(width)).lines().filter(|line| !line.starts_with(' ')) {
                assert!(line.trim_end().chars().count() <= width, "{width}: {line:?}");
            }
        }
    }
}
