//! What is true of departments at a scrape.

use super::{ByAgents, ByDepartment, Metrics};

/// A department at a scrape.
pub struct DepartmentFigures<'a> {
    /// Whose.
    pub tenant: &'a str,
    /// Its id; empty for conversations without one.
    pub department: &'a str,
    /// How many agents are what.
    pub agents: [(&'static str, u32); 3],
    /// How many conversations wait.
    pub waiting: u64,
    /// How long the one does that waits longest.
    pub longest_wait_seconds: u64,
    /// Whether the alert stands that nobody is there.
    pub is_empty: bool,
}

impl Metrics {
    /// Departments may be gone since the last scrape.
    pub fn forget_departments(&self) {
        self.agents.clear();
        self.waiting.clear();
        self.longest_wait_seconds.clear();
        self.departments_empty.set(0);
    }

    /// What is true of a department now.
    pub fn department(&self, figures: &DepartmentFigures<'_>) {
        let (tenant, department) = (figures.tenant.to_owned(), figures.department.to_owned());
        for (status, count) in figures.agents {
            let (tenant, department) = (tenant.clone(), department.clone());
            let labels = ByAgents { tenant, department, status };
            self.agents.get_or_create(&labels).set(i64::from(count));
        }
        let labels = ByDepartment { tenant, department };
        let count = |n: u64| i64::try_from(n).unwrap_or(i64::MAX);
        self.waiting.get_or_create(&labels).set(count(figures.waiting));
        let wait = count(figures.longest_wait_seconds);
        self.longest_wait_seconds.get_or_create(&labels).set(wait);
        self.departments_empty.inc_by(i64::from(figures.is_empty));
    }
}
