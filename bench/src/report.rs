//! What was measured against what is wanted: the table and the JSON file.

use std::fs;
use std::path::Path;

use anyhow::Result;
use serde::Serialize;

use crate::machine::Machine;
use crate::options::Options;

/// One measured value.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Figure {
    scenario: &'static str,
    figure: String,
    value: f64,
    unit: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    target: Option<Target>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ok: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    note: Option<String>,
}

/// What is wanted of a value.
#[derive(Debug, Clone, Copy, Serialize)]
#[serde(rename_all = "snake_case")]
enum Target {
    AtMost(f64),
    AtLeast(f64),
}

/// Everything one run found out.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    machine: Machine,
    quick: bool,
    content_bytes: u16,
    figures: Vec<Figure>,
    failures: Vec<Failure>,
}

/// A scenario that could not be carried out.
#[derive(Debug, Serialize)]
struct Failure {
    scenario: &'static str,
    error: String,
}

impl Figure {
    /// A value of which nothing is wanted.
    pub(crate) fn new(name: impl Into<String>, value: f64, unit: &'static str) -> Self {
        let figure = name.into();
        Self { scenario: "", figure, value, unit, target: None, ok: None, note: None }
    }

    /// Wants at most this.
    pub(crate) fn at_most(self, target: f64) -> Self {
        Self { ok: Some(self.value <= target), target: Some(Target::AtMost(target)), ..self }
    }

    /// Wants at least this.
    pub(crate) fn at_least(self, target: f64) -> Self {
        Self { ok: Some(self.value >= target), target: Some(Target::AtLeast(target)), ..self }
    }

    /// Puts a text before its name.
    pub(crate) fn named_after(self, before: &str) -> Self {
        Self { figure: format!("{before}{}", self.figure), ..self }
    }

    /// Adds what a reader should know.
    pub(crate) fn note(self, note: impl Into<String>) -> Self {
        Self { note: Some(note.into()), ..self }
    }
}

impl Target {
    fn text(self) -> String {
        match self {
            Self::AtMost(target) => format!("<= {}", number(target)),
            Self::AtLeast(target) => format!(">= {}", number(target)),
        }
    }
}

impl Report {
    /// An empty report.
    pub(crate) fn new(machine: Machine, options: &Options) -> Self {
        Self {
            machine,
            quick: options.quick,
            content_bytes: options.content_bytes,
            figures: Vec::new(),
            failures: Vec::new(),
        }
    }

    /// Takes what a scenario gave.
    pub(crate) fn take(&mut self, scenario: &'static str, outcome: Result<Vec<Figure>>) {
        match outcome {
            Ok(figures) => {
                self.figures
                    .extend(figures.into_iter().map(|figure| Figure { scenario, ..figure }));
            }
            Err(fault) => self.failures.push(Failure { scenario, error: format!("{fault:#}") }),
        }
    }

    /// Whether a scenario could not be carried out.
    pub(crate) fn failed(&self) -> bool {
        !self.failures.is_empty()
    }

    /// Whether a target was missed.
    pub(crate) fn missed(&self) -> bool {
        self.figures.iter().any(|figure| figure.ok == Some(false))
    }

    /// Prints the machine.
    pub(crate) fn print_head(&self) {
        let Machine { date, server, cpu, cores, memory_bytes, kernel, .. } = &self.machine;
        let gib = *memory_bytes as f64 / f64::from(1 << 30);
        let commit = self.machine.commit.as_deref().unwrap_or("unknown commit");
        println!("{server} at {commit}, {date}");
        println!("{cpu}, {cores} cores, {gib:.1} GiB, Linux {kernel}");
        println!("{}", self.machine.placement);
        println!("data on {}", self.machine.file_system);
        if self.machine.file_system.starts_with("tmpfs") {
            println!("WARNING: that is memory, not a disk; the durable rate means nothing");
        }
        let Machine { open_files, connections_fit, .. } = self.machine;
        println!("open files: {open_files}, so {connections_fit} connections fit");
        if let Some(reference) = &self.machine.reference {
            println!("beside it, for Socket.IO: {reference}");
        }
        if let Some(services) = &self.machine.services {
            println!("behind the nodes: {services}, on all cores, as the nodes are");
        }
        if self.quick {
            println!("QUICK RUN: smaller numbers, not comparable with the targets");
        }
    }

    /// Prints the table.
    pub(crate) fn print_table(&self) {
        let head = ["scenario", "figure", "value", "target", "", ""].map(str::to_owned);
        let rows: Vec<[String; 6]> =
            std::iter::once(head).chain(self.figures.iter().map(Figure::row)).collect();
        let width = |column: usize| rows.iter().map(|row| row[column].len()).max().unwrap_or(0);
        let widths: [usize; 5] = std::array::from_fn(width);
        println!();
        for [scenario, figure, value, target, verdict, note] in &rows {
            let [w0, w1, w2, w3, w4] = widths;
            let line = format!(
                "{scenario:w0$}  {figure:w1$}  {value:>w2$}  {target:>w3$}  {verdict:w4$}  {note}"
            );
            println!("{}", line.trim_end());
        }
        for Failure { scenario, error } in &self.failures {
            println!("{scenario} FAILED: {error}");
        }
    }

    /// Writes the same as JSON.
    pub(crate) fn write_json(&self, path: &Path) -> Result<()> {
        let mut text = serde_json::to_string_pretty(self)?;
        text.push('\n');
        Ok(fs::write(path, text)?)
    }
}

impl Figure {
    fn row(&self) -> [String; 6] {
        let verdict = match self.ok {
            Some(true) => "ok",
            Some(false) => "MISS",
            None => "",
        };
        [
            self.scenario.to_owned(),
            self.figure.clone(),
            format!("{} {}", number(self.value), self.unit).trim_end().to_owned(),
            self.target.map(Target::text).unwrap_or_default(),
            verdict.to_owned(),
            self.note.clone().unwrap_or_default(),
        ]
    }
}

/// A number with as many digits as are worth reading.
fn number(value: f64) -> String {
    match value.abs() {
        size if size >= 100.0 || value.fract() == 0.0 => thousands(value.round()),
        size if size >= 10.0 => format!("{value:.1}"),
        _ => format!("{value:.2}"),
    }
}

/// Groups the digits of a whole number.
fn thousands(value: f64) -> String {
    let digits = format!("{value:.0}");
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        let behind = digits.len() - index;
        if index > 0 && behind % 3 == 0 && !text.ends_with('-') {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_short_and_grouped() {
        assert_eq!(number(1_234_567.8), "1,234,568");
        assert_eq!(number(-100_000.0), "-100,000");
        assert_eq!(number(0.754), "0.75");
        assert_eq!(number(12.34), "12.3");
        assert_eq!(number(0.0), "0");
    }

    #[test]
    fn a_target_judges_the_value() {
        assert_eq!(Figure::new("a", 8.0, "KiB").at_most(8.0).ok, Some(true));
        assert_eq!(Figure::new("a", 7.9, "/s").at_least(8.0).ok, Some(false));
    }
}
