//! What was measured, a line each.

use std::process::ExitCode;

#[derive(Default)]
pub(crate) struct Table {
    over: usize,
}

impl Table {
    /// Prints a figure that should not exceed its goal.
    pub(crate) fn line(&mut self, what: &str, value: f64, goal: f64, unit: &str) {
        // A figure that could not be had (NaN) reaches no goal.
        let reached = value <= goal;
        self.over += usize::from(!reached);
        let verdict = if reached { "ok" } else { "OVER" };
        println!("{what:<56} {value:>9.2} {unit:<4} goal {goal:>7.2}  {verdict}");
    }

    /// Prints a figure without a goal.
    pub(crate) fn note(&self, what: &str, value: f64, unit: &str) {
        println!("{what:<56} {value:>9.2} {unit:<4}");
    }

    pub(crate) fn end(&self) -> ExitCode {
        println!("{} figures over their goal", self.over);
        if self.over == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
    }
}

pub(crate) fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// The largest of them, 0 for none; one that could not be had is the largest.
pub(crate) fn worst(values: impl IntoIterator<Item = f64>) -> f64 {
    values.into_iter().fold(0.0, |worst, value| if value <= worst { worst } else { value })
}
