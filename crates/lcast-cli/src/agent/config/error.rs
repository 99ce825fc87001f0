//! What is wrong in a configuration file, and where.

use std::fmt;
use std::ops::Range;
use std::path::{Path, PathBuf};

/// A mistake in a configuration file.
///
/// Shown as `FILE:LINE:COLUMN: what is wrong and what to write`, with the line and a mark below.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigError {
    /// The file.
    pub path: PathBuf,
    /// The line, counted from one.
    pub line: usize,
    /// The column in characters, counted from one.
    pub column: usize,
    /// What is wrong, and what to write instead.
    pub message: String,
    excerpt: String,
    marked: usize,
}

/// Most characters of a line shown in an error.
const EXCERPT_MAX: usize = 120;

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { line, column, message, excerpt, .. } = self;
        write!(f, "{}:{line}:{column}: {message}", self.path.display())?;
        if *column <= EXCERPT_MAX && !excerpt.is_empty() {
            let margin = " ".repeat(line.to_string().len());
            let (before, mark) = (" ".repeat(column - 1), "^".repeat(self.marked.max(1)));
            write!(f, "\n{margin} |\n{line} | {excerpt}\n{margin} | {before}{mark}")?;
        }
        Ok(())
    }
}

impl std::error::Error for ConfigError {}

/// A configuration file, for errors about its parts.
pub(super) struct Source<'a> {
    pub(super) path: &'a Path,
    pub(super) text: &'a str,
}

impl Source<'_> {
    /// An error about the bytes `span` of the file.
    pub(super) fn error(&self, span: Range<usize>, message: impl Into<String>) -> ConfigError {
        let mut start = span.start.min(self.text.len());
        while !self.text.is_char_boundary(start) {
            start -= 1;
        }
        let before = &self.text[..start];
        let line_start = before.rfind('\n').map_or(0, |at| at + 1);
        let line_text = self.text[line_start..].lines().next().unwrap_or_default();
        let shown: String = line_text.chars().take(EXCERPT_MAX).collect();
        let column = before[line_start..].chars().count() + 1;
        let rest = shown.chars().count().saturating_sub(column - 1);
        let length = self.text.get(start..span.end).map_or(1, |it| it.chars().count());
        ConfigError {
            path: self.path.to_owned(),
            line: before.matches('\n').count() + 1,
            column,
            message: message.into(),
            excerpt: shown.replace(|char: char| char.is_control(), " "),
            marked: length.min(rest),
        }
    }

    /// An error of the TOML reader.
    pub(super) fn toml(&self, error: &toml::de::Error) -> ConfigError {
        self.error(error.span().unwrap_or(0..0), error.message())
    }

    /// The line of a place in the file.
    pub(super) fn line(&self, span: &Range<usize>) -> usize {
        let before = self.text.get(..span.start).unwrap_or(self.text);
        before.matches('\n').count() + 1
    }
}
