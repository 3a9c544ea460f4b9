//! Reports: what departments and agents did in a span of time (contract 8), and beside it what
//! they do now.
//!
//! The past is what the log kept of stints, the present what routing knows. Only counts and sums
//! are here: averages are made of them where they are shown, because sums add up and averages do
//! not.

use std::collections::{BTreeMap, BTreeSet};

use uuid::Uuid;

use super::App;
use super::staff::policy_of;
use crate::limits::REPORT_DAYS_MAX;
use crate::log::{Department, Figures};
use crate::model::{AgentStatus, Error, Identity, Moment, Role, Scope, UserId};
use crate::routing::{AgentState, Policy};

const DAY_MS: i64 = 24 * 60 * 60 * 1000;

/// The time a report is of: `from` is in it, `to` is not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// The first moment.
    pub from: Moment,
    /// The first moment after it.
    pub to: Moment,
}

impl Span {
    /// The span that is asked for. Without an end it is up to the end of today, without a
    /// beginning it is the last day before its end; days are those of UTC.
    ///
    /// # Errors
    /// 422 for a span that is empty or too long.
    pub fn new(from: Option<Moment>, to: Option<Moment>, now: Moment) -> Result<Span, Error> {
        let to = to.unwrap_or_else(|| Moment(day_of(now).0.saturating_add(DAY_MS)));
        let from = from.unwrap_or_else(|| day_of(Moment(to.0.saturating_sub(1))));
        if from >= to {
            return Err(Error::Invalid { field: "from", reason: format!("must be before {to}") });
        }
        let days_max = i64::from(REPORT_DAYS_MAX);
        if to.0.saturating_sub(from.0) > days_max * DAY_MS {
            let reason = format!("at most {days_max} days after from, which is {from}");
            return Err(Error::Invalid { field: "to", reason });
        }
        Ok(Span { from, to })
    }
}

fn day_of(moment: Moment) -> Moment {
    Moment(moment.0.div_euclid(DAY_MS).saturating_mul(DAY_MS))
}

/// A queue, now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct QueueNow {
    /// Conversations that wait.
    pub waiting: u64,
    /// How long the one that waits longest does; 0 when none waits.
    pub longest_waiting_seconds: u64,
    /// Conversations that agents have.
    pub current_chats: u64,
}

/// What a department did, and does.
#[derive(Clone, Debug)]
pub struct DepartmentReport {
    /// Which; `None` for conversations without one.
    pub department: Option<Uuid>,
    /// Its name; `None` also for one that was removed.
    pub name: Option<String>,
    /// Within how many seconds its conversations should be answered.
    pub service_level_seconds: u32,
    /// What it did, of all agents together.
    pub figures: Figures,
    /// What is there now.
    pub now: QueueNow,
}

/// What an agent did, and is.
#[derive(Clone, Debug)]
pub struct AgentReport {
    /// Who.
    pub agent: UserId,
    /// What it did, of all its departments together or of the one that was asked for.
    pub figures: Figures,
    /// What it is now; `None` for one that was removed.
    pub now: Option<AgentState>,
}

impl App {
    /// What each department did in a span of time, and does now, in the order of the ids.
    /// Conversations without a department come first, if there are any.
    ///
    /// # Errors
    /// 403 for anybody but admins and keys that read events.
    pub async fn report_departments(
        &self,
        who: &Identity,
        span: Span,
    ) -> Result<Vec<DepartmentReport>, Error> {
        check_reader(who)?;
        let departments = self.log.departments(&who.tenant).await.map_err(|e| self.fault(e))?;
        let levels = Levels::of(&departments);
        let mut reports: BTreeMap<Option<Uuid>, DepartmentReport> = BTreeMap::new();
        for department in departments {
            let id = Some(department.id);
            reports.entry(id).or_insert_with(|| levels.report(id)).name = Some(department.name);
        }
        for figures in self.figures_of(who, span, &levels, None).await? {
            let id = figures.department;
            let report = reports.entry(id).or_insert_with(|| levels.report(id));
            add(&mut report.figures, &figures);
        }
        for (id, now) in self.queues_now(who).await? {
            if now != QueueNow::default() {
                reports.entry(id).or_insert_with(|| levels.report(id)).now = now;
            }
        }
        Ok(reports.into_values().collect())
    }

    /// What each agent did in a span of time, in the order of the ids: those who did something,
    /// and those who are there now to be given something. Admins are there to watch.
    ///
    /// # Errors
    /// 403 as above, 404 for an unknown department.
    pub async fn report_agents(
        &self,
        who: &Identity,
        span: Span,
        department: Option<Uuid>,
    ) -> Result<Vec<AgentReport>, Error> {
        check_reader(who)?;
        let departments = self.log.departments(&who.tenant).await.map_err(|e| self.fault(e))?;
        if department.is_some_and(|id| departments.iter().all(|d| d.id != id)) {
            return Err(Error::NotFound("department"));
        }
        let levels = Levels::of(&departments);
        let mut figures: BTreeMap<UserId, Figures> = BTreeMap::new();
        for found in self.figures_of(who, span, &levels, department).await? {
            if let Some(agent) = &found.agent {
                add(figures.entry(agent.clone()).or_default(), &found);
            }
        }
        Ok(self.with_agents_now(who, department, figures))
    }

    /// What the log has of a span. The service level is a matter of the department, so the log is
    /// asked once for each level there is; mostly all departments have the same.
    async fn figures_of(
        &self,
        who: &Identity,
        span: Span,
        levels: &Levels,
        department: Option<Uuid>,
    ) -> Result<Vec<Figures>, Error> {
        let mut found = Vec::new();
        for seconds in levels.asked_for(department) {
            let level_ms = u64::from(seconds) * 1000;
            let figures = self.log.figures(&who.tenant, span.from, span.to, level_ms).await;
            let figures = figures.map_err(|e| self.fault(e))?.into_iter();
            found.extend(figures.filter(|f| {
                levels.seconds(f.department) == seconds
                    && (department.is_none() || f.department == department)
            }));
        }
        Ok(found)
    }

    /// Every queue as it is now. What agents have is asked of the log, because an agent of several
    /// departments may have its conversations in any of them.
    async fn queues_now(&self, who: &Identity) -> Result<BTreeMap<Option<Uuid>, QueueNow>, Error> {
        let serving = self.log.serving(&who.tenant).await.map_err(|e| self.fault(e))?;
        let mut queues: BTreeMap<Option<Uuid>, QueueNow> = BTreeMap::new();
        for (_, _, department) in serving {
            queues.entry(department).or_default().current_chats += 1;
        }
        let waiting = self.ask_engine(&who.tenant, |engine, now| {
            let longest = |since: Option<Moment>| since.map_or(0, |at| now.ms_since(at) / 1000);
            let departments = engine.departments();
            departments.map(|d| (d.department, d.waiting, longest(d.waiting_since))).collect()
        });
        let waiting: Vec<_> = waiting.unwrap_or_default();
        for (department, waiting, longest_waiting_seconds) in waiting {
            let queue = queues.entry(department).or_default();
            (queue.waiting, queue.longest_waiting_seconds) = (waiting, longest_waiting_seconds);
        }
        Ok(queues)
    }

    fn with_agents_now(
        &self,
        who: &Identity,
        department: Option<Uuid>,
        mut figures: BTreeMap<UserId, Figures>,
    ) -> Vec<AgentReport> {
        let states = self.ask_engine(&who.tenant, |engine, now| {
            let is_wanted = |state: &AgentState| {
                figures.contains_key(&state.agent)
                    || state.is_routable
                        && state.status != AgentStatus::Offline
                        && department.is_none_or(|id| state.departments.contains(&id))
            };
            engine.agents(now).filter(is_wanted).collect::<Vec<_>>()
        });
        let mut reports: Vec<_> = states
            .unwrap_or_default()
            .into_iter()
            .map(|state| AgentReport {
                figures: figures.remove(&state.agent).unwrap_or_default(),
                agent: state.agent.clone(),
                now: Some(state),
            })
            .collect();
        let gone = figures.into_iter();
        reports.extend(gone.map(|(agent, figures)| AgentReport { agent, figures, now: None }));
        reports.sort_unstable_by(|a, b| a.agent.cmp(&b.agent));
        reports
    }
}

/// Within how many seconds whose conversations should be answered.
struct Levels {
    by_department: BTreeMap<Uuid, u32>,
    default_seconds: u32,
}

impl Levels {
    fn of(departments: &[Department]) -> Levels {
        let level = |d: &Department| (d.id, policy_of(d).service_level_seconds);
        Levels {
            by_department: departments.iter().map(level).collect(),
            default_seconds: Policy::default().service_level_seconds,
        }
    }

    /// Also of conversations without a department, and of departments that were removed.
    fn seconds(&self, department: Option<Uuid>) -> u32 {
        let own = department.and_then(|id| self.by_department.get(&id));
        own.copied().unwrap_or(self.default_seconds)
    }

    /// Each level that matters to a report of one department, or of all.
    fn asked_for(&self, department: Option<Uuid>) -> BTreeSet<u32> {
        match department {
            Some(_) => BTreeSet::from([self.seconds(department)]),
            None => self.by_department.values().copied().chain([self.default_seconds]).collect(),
        }
    }

    fn report(&self, department: Option<Uuid>) -> DepartmentReport {
        DepartmentReport {
            department,
            name: None,
            service_level_seconds: self.seconds(department),
            figures: Figures { department, ..Figures::default() },
            now: QueueNow::default(),
        }
    }
}

/// Adds counts and sums; whose they are stays.
fn add(to: &mut Figures, more: &Figures) {
    to.entered += more.entered;
    to.answered += more.answered;
    to.answered_in_time += more.answered_in_time;
    to.abandoned += more.abandoned;
    to.wait_ms_sum += more.wait_ms_sum;
    to.wait_ms_max = to.wait_ms_max.max(more.wait_ms_max);
    to.response_ms_sum += more.response_ms_sum;
    to.responses += more.responses;
    to.handle_ms_sum += more.handle_ms_sum;
    to.handled += more.handled;
    to.score_sum += more.score_sum;
    to.scores += more.scores;
}

/// All of these together.
pub fn total<'a>(of: impl Iterator<Item = &'a Figures>) -> Figures {
    of.fold(Figures::default(), |mut sum, figures| {
        add(&mut sum, figures);
        sum
    })
}

fn check_reader(who: &Identity) -> Result<(), Error> {
    let may_read = who.role == Role::Service && who.scopes.contains(&Scope::EventsRead);
    if (who.is_admin() || may_read) && !who.is_open {
        Ok(())
    } else {
        Err(Error::Forbidden("for admins and keys with events:read only".into()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Moment {
        Moment::parse(text).unwrap()
    }

    fn span(from: Option<&str>, to: Option<&str>) -> Result<(String, String), Error> {
        let span = Span::new(from.map(at), to.map(at), at("2026-01-24T10:30:00Z"))?;
        Ok((span.from.to_seconds_string(), span.to.to_seconds_string()))
    }

    #[test]
    fn a_span_is_today_unless_it_says_otherwise() {
        let (start, noon) = ("2026-01-24T00:00:00Z", "2026-01-20T12:00:00Z");
        let is = |from: &str, to: &str| Ok((from.to_owned(), to.to_owned()));
        assert_eq!(span(None, None), is(start, "2026-01-25T00:00:00Z"));
        assert_eq!(span(Some(noon), None), is(noon, "2026-01-25T00:00:00Z"));
        assert_eq!(span(None, Some(noon)), is("2026-01-20T00:00:00Z", noon));
        assert_eq!(span(None, Some(start)), is("2026-01-23T00:00:00Z", start), "the day before");
        let local = span(Some("2026-01-24T00:00:00+07:00"), Some("2026-01-25T00:00:00+07:00"));
        assert_eq!(local, is("2026-01-23T17:00:00Z", "2026-01-24T17:00:00Z"));
    }

    #[test]
    fn a_span_that_is_empty_or_longer_than_a_leap_year_names_its_end() {
        let field = |from, to| match span(from, to) {
            Err(Error::Invalid { field, .. }) => field,
            other => panic!("{other:?}"),
        };
        assert_eq!(field(Some("2026-01-25T00:00:00Z"), None), "from");
        let moment = Some("2026-01-24T00:00:00Z");
        assert_eq!(field(moment, moment), "from");
        assert_eq!(field(Some("2023-12-31T23:59:59Z"), Some("2025-01-01T00:00:00Z")), "to");
        assert!(span(Some("2024-01-01T00:00:00Z"), Some("2025-01-01T00:00:00Z")).is_ok());
        let ever = Span::new(Some(Moment(i64::MIN)), Some(Moment(i64::MAX)), Moment(0));
        assert!(matches!(ever, Err(Error::Invalid { field: "to", .. })));
    }
}
