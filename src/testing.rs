//! What tests of several modules need: the services that the environment names.

/// Where a service for tests is: what the environment variable of this name holds. `None`, and a
/// line that says so, where it is not set; a failure where all services have to be there.
pub(crate) fn service(variable: &str) -> Option<String> {
    let found = std::env::var(variable).ok().filter(|value| !value.is_empty());
    if found.is_none() {
        let must_be = std::env::var("SWITCHBOARD_TEST_SERVICES").is_ok_and(|which| which == "all");
        assert!(!must_be, "{variable} is not set");
        eprintln!("skipped: {variable} is not set");
    }
    found
}
