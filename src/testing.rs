//! Real servers that tests run against, named by the environment. A test that needs one which is not
//! there is skipped, and says so; under `make test` it fails.

/// What the environment says of a server: `postgres`, `redis`, `redis_cluster`, `kafka`. `None` if
/// the test is to be skipped.
///
/// # Panics
/// If every server has to be there and this one is not.
pub(crate) fn service(name: &str) -> Option<String> {
    let variable = format!("SWITCHBOARD_TEST_{}", name.to_ascii_uppercase());
    let found = std::env::var(&variable).ok().filter(|value| !value.is_empty());
    if found.is_none() {
        let are_all_wanted = std::env::var("SWITCHBOARD_TEST_SERVICES").is_ok_and(|v| v == "all");
        assert!(!are_all_wanted, "{variable} is not set, and SWITCHBOARD_TEST_SERVICES is all");
        eprintln!("skipped: {variable} is not set");
    }
    found
}
