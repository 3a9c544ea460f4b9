//! Two outcomes as a table that people read.

use super::Comparison;
use crate::routing::simulate::{AgentLoad, Report};

/// Agents the table shows; `--json` shows all.
const AGENTS_SHOWN_MAX: usize = 40;

/// The table: a line for each figure, then one for each agent.
pub(super) fn show(both: &Comparison) -> String {
    let mut lines = vec![line("", &["recorded", "proposed"])];
    let mut row = |name: &str, cell: fn(&Report) -> String| {
        lines.push(line(name, &[&cell(&both.recorded), &cell(&both.proposed)]));
    };
    row("conversations", |r| r.conversations.to_string());
    row("answered", |r| r.answered.to_string());
    row("abandoned", |r| format!("{} ({})", r.abandoned, percent(r.abandonment)));
    row("to the bot or a message", |r| r.diverted.to_string());
    row("still waiting", |r| r.still_waiting.to_string());
    row("service level", |r| percent(r.service_level));
    row("wait, mean", |r| seconds(r.wait.mean));
    row("wait, half within", |r| seconds(r.wait.p50));
    row("wait, nine of ten within", |r| seconds(r.wait.p90));
    row("wait, longest", |r| seconds(r.wait.max));
    row("escalations", |r| r.escalations.to_string());
    row("told to be closed", |r| r.told_closed.to_string());
    lines.push(String::new());
    lines.push(line("agent: conversations, at a time", &["recorded", "proposed"]));
    let pairs = both.recorded.agents.iter().zip(&both.proposed.agents);
    for (before, after) in pairs.take(AGENTS_SHOWN_MAX) {
        lines.push(line(&before.name, &[&load(before), &load(after)]));
    }
    if let Some(more) = both.recorded.agents.len().checked_sub(AGENTS_SHOWN_MAX + 1) {
        lines.push(format!("and {} more, see --json", more + 1));
    }
    lines.join("\n")
}

fn line(name: &str, cells: &[&str]) -> String {
    let cells: String = cells.iter().map(|cell| format!("{cell:>18}")).collect();
    format!("{name:<32}{cells}").trim_end().to_owned()
}

fn percent(share: f64) -> String {
    format!("{:.1} %", share * 100.0)
}

fn seconds(seconds: f64) -> String {
    format!("{seconds:.1} s")
}

fn load(agent: &AgentLoad) -> String {
    format!("{}, {:.2}", agent.conversations, agent.concurrency)
}
