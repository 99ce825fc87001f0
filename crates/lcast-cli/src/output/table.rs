//! Tables: drawn for people on a terminal; the same columns, separated by tabs, when piped.

use std::fmt::Write;

use comfy_table::{
    Cell, CellAlignment, ColumnConstraint, ContentArrangement, Table as Drawn, Width, presets,
};

use super::human;
use crate::text::sanitise;

/// The terminal that a table is drawn on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Screen {
    /// How many characters fit a line, when that is known.
    pub(crate) width: Option<u16>,
    /// Whether colours are wanted.
    pub(crate) color: bool,
}

/// Rows under a header. Cells may hold text from other nodes: rendering makes it safe.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Table {
    header: Vec<Column>,
    rows: Vec<Vec<String>>,
    /// How many rows are not there, as nobody would see them.
    left_out: usize,
    alarm: Option<&'static str>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Column {
    title: String,
    numeric: bool,
}

impl Table {
    /// An empty table. A title that begins with '>' names a column of numbers.
    pub(crate) fn new<T: AsRef<str>>(titles: impl IntoIterator<Item = T>) -> Self {
        let column = |title: T| {
            let (title, numeric) = match title.as_ref().strip_prefix('>') {
                Some(title) => (title, true),
                None => (title.as_ref(), false),
            };
            Column { title: sanitise(title), numeric }
        };
        let header = titles.into_iter().map(column).collect();
        Self { header, ..Self::default() }
    }

    /// Shows rows that hold this word in red, on a terminal with colours.
    #[must_use]
    pub(crate) fn alarm(mut self, word: &'static str) -> Self {
        self.alarm = Some(word);
        self
    }

    /// Adds a row with a cell for every column.
    pub(crate) fn push(&mut self, row: Vec<String>) {
        assert_eq!(row.len(), self.header.len(), "a row has a cell for every column");
        self.rows.push(row);
    }

    /// Keeps so many rows at most, and says how many there are besides, these and earlier ones.
    pub(crate) fn keep(&mut self, max: usize) -> usize {
        self.left_out += self.rows.len().saturating_sub(max);
        self.rows.truncate(max);
        self.left_out
    }

    /// Counts rows that were not added, as nobody would see them.
    pub(crate) fn leave_out(&mut self, rows: usize) {
        self.left_out += rows;
    }

    /// The text to print, for a terminal or (no screen) for a pipe.
    pub(crate) fn render(&self, screen: Option<Screen>) -> String {
        screen.map_or_else(|| self.plain(), |screen| self.draw(screen))
    }

    fn plain(&self) -> String {
        let titles: Vec<&str> = self.header.iter().map(|it| it.title.as_str()).collect();
        let mut text = titles.join("\t") + "\n";
        for row in &self.rows {
            let cells: Vec<String> = row.iter().map(|cell| sanitise(cell)).collect();
            let _ = writeln!(text, "{}", cells.join("\t"));
        }
        text
    }

    fn draw(&self, screen: Screen) -> String {
        let mut drawn = Drawn::new();
        drawn.load_style(presets::NOTHING).set_content_arrangement(ContentArrangement::Dynamic);
        if let Some(width) = screen.width {
            drawn.set_width(width);
        }
        let cell = |text: &str, column: &Column| {
            let cell = Cell::new(text);
            if column.numeric { cell.set_alignment(CellAlignment::Right) } else { cell }
        };
        drawn.set_header(self.header.iter().map(|it| cell(&it.title, it)));
        for row in &self.rows {
            let cells = row.iter().zip(&self.header);
            let seen = |text: &str| human::cut(&sanitise(human::beginning(text)));
            drawn.add_row(cells.map(|(text, column)| cell(&seen(text), column)));
        }
        if let Some(width) = screen.width {
            keep_words(&mut drawn, width);
        }
        // The padding of the first column is no part of it.
        let shown = |line: &str| line.strip_prefix(' ').unwrap_or(line).trim_end().to_owned();
        let bold = |(index, line): (usize, String)| match shown(&line) {
            line if screen.color && index == 0 => format!("\x1b[1m{line}\x1b[0m\n"),
            line if screen.color && self.alarm.is_some_and(|word| line.contains(word)) => {
                format!("\x1b[31m{line}\x1b[0m\n")
            }
            line => format!("{line}\n"),
        };
        drawn.lines().enumerate().map(bold).collect()
    }
}

/// Lets columns break between words alone, where all of their longest words fit a line: a name is
/// there to be copied.
fn keep_words(drawn: &mut Drawn, width: u16) {
    let longest = |text: String| text.split(' ').map(|it| it.chars().count()).max();
    let mut words = vec![0; drawn.column_count()];
    for row in drawn.header().into_iter().chain(drawn.row_iter()) {
        for (word, cell) in words.iter_mut().zip(row.cell_iter()) {
            *word = longest(cell.content()).unwrap_or_default().max(*word);
        }
    }
    let padded: Vec<u16> =
        words.into_iter().filter_map(|it| u16::try_from(it + PADDING).ok()).collect();
    let sum = padded.iter().fold(0_u16, |sum, it| sum.saturating_add(*it));
    if padded.len() == drawn.column_count() && sum <= width {
        for (column, word) in drawn.column_iter_mut().zip(padded) {
            column.set_constraint(ColumnConstraint::LowerBoundary(Width::Fixed(word)));
        }
    }
}

/// Blanks around a cell.
const PADDING: usize = 2;

#[cfg(test)]
mod tests {
    use super::*;

    fn table() -> Table {
        let mut table = Table::new(["node", ">load"]);
        table.push(vec!["web1".to_owned(), "0.42".to_owned()]);
        table.push(vec!["db\x1b[31m\t1".to_owned(), "12".to_owned()]);
        table
    }

    #[test]
    fn a_pipe_gets_tabs_and_a_terminal_columns() {
        assert_eq!(table().render(None), "node\tload\nweb1\t0.42\ndb[31m 1\t12\n");
        let drawn = table().render(Some(Screen { width: None, color: false }));
        assert!(!drawn.contains('\x1b') && !drawn.contains('\t'), "{drawn:?}");
        let lines: Vec<&str> = drawn.lines().collect();
        assert_eq!(lines.len(), 3, "{drawn:?}");
        assert!(lines[1].ends_with(" 0.42") && lines[2].ends_with("   12"), "{drawn:?}");
    }

    #[test]
    fn a_narrow_terminal_breaks_between_words_where_it_can() {
        let name = "system.cpu.logical.count";
        let mut table = Table::new(["name", "description", ">nodes"]);
        table.push(vec![name.to_owned(), "how many cores there are ".repeat(4), "12".to_owned()]);
        for (width, whole) in [(80, true), (46, true), (45, false)] {
            let drawn = table.render(Some(Screen { width: Some(width), color: false }));
            let fits = drawn.lines().all(|it| it.chars().count() <= usize::from(width));
            assert_eq!((drawn.contains(name), fits), (whole, true), "{width}:\n{drawn}");
        }
    }

    /// One node's long text must not hold up the table of all: wrapping it took seconds.
    #[test]
    fn a_terminal_gets_the_beginning_of_a_long_cell_and_a_pipe_all() {
        for (length, cut) in [(human::SHOWN_MAX, false), (human::SHOWN_MAX + 1, true)] {
            let mut table = Table::new(["node", "text"]);
            table.push(vec!["web1".to_owned(), "x".repeat(length)]);
            for width in [None, Some(40)] {
                let drawn = table.render(Some(Screen { width, color: false }));
                let seen = drawn.matches('x').count();
                assert_eq!((seen, drawn.contains("...")), (human::SHOWN_MAX + 1, cut), "{length}");
            }
            assert_eq!(table.render(None).matches('x').count(), length + 1);
        }
    }

    #[test]
    fn rows_that_nobody_would_see_are_counted() {
        let mut table = table();
        table.leave_out(3);
        assert_eq!(table.keep(2), 3);
        assert_eq!(table.keep(1), 4);
        assert_eq!(table.render(None), "node\tload\nweb1\t0.42\n");
    }

    #[test]
    fn an_alarm_is_red_where_there_are_colours() {
        let table = table().alarm("web1");
        for (color, expected) in [(true, 1), (false, 0)] {
            let drawn = table.render(Some(Screen { width: None, color }));
            assert_eq!(drawn.matches("\x1b[31mweb1").count(), expected, "{drawn:?}");
        }
        assert!(!table.render(None).contains('\x1b'));
    }
}
