//! `/api/reports/...`: what departments and agents did in a span of time, and what they do now.
//! Owns how sums become averages and shares, and how these are rounded.

use axum::extract::State;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use super::Parts;
use super::answer::{Answer, Parameters, Refusal, blank_as_none};
use super::caller::Caller;
use super::openapi::Refused;
use crate::app::{AgentReport, DepartmentReport, QueueNow, Span, total_figures};
use crate::log::Figures;
use crate::model::{AgentStatus, Error, IdOf, Moment, UserId};

/// Of which time.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct Period {
    /// Conversations that entered a queue from then on (RFC 3339); the beginning of the last day
    /// (UTC) before `to` when absent.
    #[serde(default, deserialize_with = "blank_as_none")]
    #[param(value_type = Option<String>, format = DateTime)]
    from: Option<String>,
    /// And before then (RFC 3339), at most 366 days later; the end of today (UTC) when absent.
    #[serde(default, deserialize_with = "blank_as_none")]
    #[param(value_type = Option<String>, format = DateTime)]
    to: Option<String>,
}

/// Of which time and department.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct PeriodOf {
    /// Conversations that entered a queue, or came to the agent without one, from then on
    /// (RFC 3339); the beginning of the last day (UTC) before `to` when absent.
    #[serde(default, deserialize_with = "blank_as_none")]
    #[param(value_type = Option<String>, format = DateTime)]
    from: Option<String>,
    /// And before then (RFC 3339), at most 366 days later; the end of today (UTC) when absent.
    #[serde(default, deserialize_with = "blank_as_none")]
    #[param(value_type = Option<String>, format = DateTime)]
    to: Option<String>,
    /// Only what happened in this department, and only agents who did something or work in it.
    #[serde(default, deserialize_with = "blank_as_none")]
    #[param(value_type = Option<Uuid>)]
    department: Option<String>,
}

/// What departments did.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct DepartmentsReport {
    /// From when.
    #[schema(value_type = String, format = DateTime)]
    from: Moment,
    /// Until when, itself not included.
    #[schema(value_type = String, format = DateTime)]
    to: Moment,
    /// The departments, in the order of their ids.
    rows: Vec<DepartmentRow>,
    /// All of them together.
    totals: DepartmentTotals,
}

/// What a department did, and does.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct DepartmentRow {
    /// Its id; null for conversations without one.
    department_id: Option<Uuid>,
    /// Its name; null for conversations without one, and for a department that was removed.
    department: Option<String>,
    /// Within how many seconds its conversations should be answered.
    service_level_seconds: u32,
    /// Its figures.
    #[serde(flatten)]
    figures: DepartmentTotals,
}

/// What one or all departments did, and do.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct DepartmentTotals {
    /// Stays in the queue that began: a conversation that comes back counts again.
    entered: u64,
    /// Of those, how many were closed while they waited.
    abandoned: u64,
    /// What came of them.
    #[serde(flatten)]
    work: Work,
    /// Conversations that wait now.
    waiting: u64,
    /// How long the one that waits longest has waited until now; 0 when none waits.
    longest_waiting_seconds: u64,
    /// Conversations that agents have now.
    current_chats: u64,
}

/// What agents did.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct AgentsReport {
    /// From when.
    #[schema(value_type = String, format = DateTime)]
    from: Moment,
    /// Until when, itself not included.
    #[schema(value_type = String, format = DateTime)]
    to: Moment,
    /// The agents, in the order of their ids.
    rows: Vec<AgentRow>,
    /// All of them together.
    totals: AgentTotals,
}

/// What an agent did, and is.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct AgentRow {
    /// Who.
    agent_id: UserId,
    /// Its name; null for one that was removed.
    name: Option<String>,
    /// Where it works.
    department_ids: Vec<Uuid>,
    /// What it is now.
    status: AgentStatus,
    /// Its figures.
    #[serde(flatten)]
    figures: AgentTotals,
}

/// What one or all agents did, and do.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct AgentTotals {
    /// What came of them.
    #[serde(flatten)]
    work: Work,
    /// Conversations it has now, of whatever department.
    current_chats: u64,
    /// How many routing lets it have; 0 for whom routing gives nothing: admins, and those whose id
    /// is no UUID.
    max_chats: u64,
}

/// What came of conversations. An average is null when there is nothing it could be of; seconds
/// have one decimal place.
#[derive(Debug, Serialize, ToSchema, PartialEq)]
pub(super) struct Work {
    /// How many of those that entered a queue an agent got.
    answered: u64,
    /// The share, 0 to 1, that an agent got within the department's `service_level_seconds`, of
    /// those answered or abandoned.
    service_level: Option<f64>,
    /// How long those that an agent got had waited.
    average_wait_seconds: Option<f64>,
    /// The longest of these waits; 0 when there was none.
    longest_wait_seconds: f64,
    /// How long it took from an agent's getting a conversation to its first message in it.
    average_first_response_seconds: Option<f64>,
    /// How many conversations agents had until they ended or went to somebody else.
    handled: u64,
    /// For how long agents had those.
    average_handle_seconds: Option<f64>,
    /// How many were rated.
    ratings: u64,
    /// The average rating, 1 to 5, with two decimal places.
    average_score: Option<f64>,
}

impl Work {
    fn of(figures: &Figures) -> Work {
        let seconds = |ms, count| ratio(ms, count).map(|ms| rounded(ms / 1000.0, 10.0));
        let decided = figures.answered + figures.abandoned;
        Work {
            answered: figures.answered,
            service_level: ratio(figures.answered_in_time, decided).map(|r| rounded(r, 10_000.0)),
            average_wait_seconds: seconds(figures.wait_ms_sum, figures.answered),
            longest_wait_seconds: rounded(figures.wait_ms_max as f64 / 1000.0, 10.0),
            average_first_response_seconds: seconds(figures.response_ms_sum, figures.responses),
            handled: figures.handled,
            average_handle_seconds: seconds(figures.handle_ms_sum, figures.handled),
            ratings: figures.scores,
            average_score: ratio(figures.score_sum, figures.scores).map(|r| rounded(r, 100.0)),
        }
    }
}

fn ratio(part: u64, of: u64) -> Option<f64> {
    (of > 0).then(|| part as f64 / of as f64)
}

/// To so many steps in 1.
fn rounded(value: f64, steps: f64) -> f64 {
    (value * steps).round() / steps
}

impl DepartmentTotals {
    fn of(figures: &Figures, now: QueueNow) -> DepartmentTotals {
        let QueueNow { waiting, longest_waiting_seconds, current_chats } = now;
        DepartmentTotals {
            entered: figures.entered,
            abandoned: figures.abandoned,
            work: Work::of(figures),
            waiting,
            longest_waiting_seconds,
            current_chats,
        }
    }
}

impl DepartmentsReport {
    fn of(Span { from, to }: Span, reports: Vec<DepartmentReport>) -> DepartmentsReport {
        let figures = total_figures(reports.iter().map(|report| &report.figures));
        let now = reports.iter().fold(QueueNow::default(), |sum, report| QueueNow {
            waiting: sum.waiting + report.now.waiting,
            longest_waiting_seconds: sum
                .longest_waiting_seconds
                .max(report.now.longest_waiting_seconds),
            current_chats: sum.current_chats + report.now.current_chats,
        });
        let row = |report: DepartmentReport| DepartmentRow {
            department_id: report.department,
            department: report.name,
            service_level_seconds: report.service_level_seconds,
            figures: DepartmentTotals::of(&report.figures, report.now),
        };
        let totals = DepartmentTotals::of(&figures, now);
        DepartmentsReport { from, to, rows: reports.into_iter().map(row).collect(), totals }
    }
}

impl AgentRow {
    fn of(report: AgentReport) -> AgentRow {
        let AgentReport { agent, figures, now } = report;
        let work = Work::of(&figures);
        match now {
            Some(now) => AgentRow {
                agent_id: agent,
                name: Some(now.name),
                department_ids: now.departments,
                status: now.status,
                figures: AgentTotals {
                    work,
                    current_chats: now.current_chats.into(),
                    max_chats: if now.is_routable { now.max_chats.into() } else { 0 },
                },
            },
            None => AgentRow {
                agent_id: agent,
                name: None,
                department_ids: vec![],
                status: AgentStatus::Offline,
                figures: AgentTotals { work, current_chats: 0, max_chats: 0 },
            },
        }
    }
}

impl AgentsReport {
    fn of(Span { from, to }: Span, reports: Vec<AgentReport>) -> AgentsReport {
        let figures = total_figures(reports.iter().map(|report| &report.figures));
        let rows: Vec<_> = reports.into_iter().map(AgentRow::of).collect();
        let totals = AgentTotals {
            work: Work::of(&figures),
            current_chats: rows.iter().map(|row| row.figures.current_chats).sum(),
            max_chats: rows.iter().map(|row| row.figures.max_chats).sum(),
        };
        AgentsReport { from, to, rows, totals }
    }
}

/// What departments did
///
/// Of conversations that entered a queue in a span of time, whatever became of them since, with
/// what waits now beside it. For admins, and for keys with `events:read`.
#[utoipa::path(
    get,
    path = "/api/reports/departments",
    operation_id = "report_departments",
    tag = "reports",
    params(Period),
    responses(
        (status = 200, description = "The departments", body = Answer<DepartmentsReport>),
        Refused<400>, Refused<401>, Refused<403>, Refused<422>, Refused<429>, Refused<500>,
        Refused<503>,
    ),
)]
pub(super) async fn departments(
    State(parts): State<Parts>,
    Parameters(Period { from, to }): Parameters<Period>,
    Caller(who): Caller,
) -> Result<Answer<DepartmentsReport>, Refusal> {
    let span = span_of(from.as_deref(), to.as_deref())?;
    let reports = parts.app.report_departments(&who, span).await?;
    let report = DepartmentsReport::of(span, reports);
    Ok(Answer::of("Department report retrieved successfully", report))
}

/// What agents did
///
/// Of conversations that they got and that entered a queue, or came to them without one, in a
/// span of time. Agents who did something, and those who are there now. For admins, and for keys
/// with `events:read`.
#[utoipa::path(
    get,
    path = "/api/reports/agents",
    operation_id = "report_agents",
    tag = "reports",
    params(PeriodOf),
    responses(
        (status = 200, description = "The agents", body = Answer<AgentsReport>),
        Refused<400>, Refused<401>, Refused<403>, Refused<404>, Refused<422>, Refused<429>,
        Refused<500>, Refused<503>,
    ),
)]
pub(super) async fn agents(
    State(parts): State<Parts>,
    Parameters(PeriodOf { from, to, department }): Parameters<PeriodOf>,
    who: Result<Caller, Refusal>,
) -> Result<Answer<AgentsReport>, Refusal> {
    let parse = |id: &str| Uuid::try_parse(id).map_err(|_| Error::InvalidUuid(IdOf::Department));
    let department = department.as_deref().map(parse).transpose()?;
    let Caller(who) = who?;
    let span = span_of(from.as_deref(), to.as_deref())?;
    let reports = parts.app.report_agents(&who, span, department).await?;
    Ok(Answer::of("Agent report retrieved successfully", AgentsReport::of(span, reports)))
}

fn span_of(from: Option<&str>, to: Option<&str>) -> Result<Span, Error> {
    let from = from.map(|text| moment("from", text)).transpose()?;
    let to = to.map(|text| moment("to", text)).transpose()?;
    Span::new(from, to, Moment::now())
}

fn moment(field: &str, text: &str) -> Result<Moment, Error> {
    let reason = || {
        // A plus sign that is not escaped arrives as a space.
        let hint = if text.contains(' ') { "; write + as %2B" } else { "" };
        format!("{field}: {text:?} is no time like 2026-01-24T00:00:00Z{hint}")
    };
    Moment::parse(text).ok_or_else(|| Error::Malformed(reason()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn averages_are_of_what_they_name_and_rounded() {
        let figures = Figures {
            entered: 9,
            answered: 6,
            answered_in_time: 5,
            abandoned: 1,
            wait_ms_sum: 61_234,
            wait_ms_max: 30_049,
            response_ms_sum: 20_000,
            responses: 3,
            handle_ms_sum: 1_200_499,
            handled: 4,
            score_sum: 11,
            scores: 3,
            ..Figures::default()
        };
        let expected = Work {
            answered: 6,
            service_level: Some(0.7143),
            average_wait_seconds: Some(10.2),
            longest_wait_seconds: 30.0,
            average_first_response_seconds: Some(6.7),
            handled: 4,
            average_handle_seconds: Some(300.1),
            ratings: 3,
            average_score: Some(3.67),
        };
        assert_eq!(Work::of(&figures), expected);
    }

    #[test]
    fn nothing_has_no_average() {
        let work = Work::of(&Figures { entered: 3, ..Figures::default() });
        assert_eq!((work.service_level, work.average_wait_seconds), (None, None));
        assert_eq!((work.average_first_response_seconds, work.average_score), (None, None));
        assert_eq!((work.average_handle_seconds, work.longest_wait_seconds), (None, 0.0));
    }
}
