//! What a telephone system's section cannot do without.

use super::{Ami, Config, ConfigError};
use crate::model::TenantId;

impl Config {
    /// Every telephone system can be reached and logged in to, as far as its section tells.
    pub(super) fn check_ami(&self) -> Result<(), ConfigError> {
        let problems = self.ami.iter().filter_map(|(of, ami)| Some((of, problem_of(ami)?)));
        match problems.into_iter().next() {
            Some((tenant, problem)) => Err(contradiction(tenant, problem)),
            None => Ok(()),
        }
    }
}

fn problem_of(ami: &Ami) -> Option<&'static str> {
    let has_file = !ami.secret_file.as_os_str().is_empty();
    if ami.address.is_empty() {
        Some("address is not set; it is the host and port of the manager interface")
    } else if ami.username.is_empty() {
        Some("username is not set; it is the manager's name in manager.conf")
    } else if ami.secret.is_empty() && !has_file {
        Some("secret is not set, and neither is secret_file; one of them is needed")
    } else if !ami.secret.is_empty() && has_file {
        Some("secret and secret_file are both set; leave one of them out")
    } else if !ami.tls && !ami.tls_ca.as_os_str().is_empty() {
        Some("tls_ca is set but tls is not true; without TLS nobody is vouched for")
    } else {
        None
    }
}

fn contradiction(tenant: &TenantId, problem: &str) -> ConfigError {
    ConfigError::Contradiction(format!("ami.{tenant}.{problem}"))
}
