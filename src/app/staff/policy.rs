//! A department's routing policy in its three shapes: what a request gives, the text the log
//! keeps, and the engine's own type.

use serde_json::{Map, Value};

use crate::log::Department;
use crate::model::Error;
use crate::routing::Policy;

/// How a department's conversations are routed: what was set, and the defaults for the rest.
pub fn policy_of(department: &Department) -> Policy {
    let Some(text) = &department.routing else { return Policy::default() };
    serde_json::from_str(text).unwrap_or_else(|err| {
        // It was checked before it was kept, so a newer program wrote it.
        tracing::warn!(department = %department.id, error = %err, "a routing policy cannot be read");
        Policy::default()
    })
}

/// The policy's text with the fields of `change` in place of its own; a null takes one out. `None`
/// when nothing is set any more.
pub(super) fn changed(
    kept: Option<&str>,
    change: Map<String, Value>,
) -> Result<Option<String>, Error> {
    let kept = kept.and_then(|text| serde_json::from_str(text).ok());
    let mut fields: Map<String, Value> = kept.unwrap_or_default();
    for (name, value) in change {
        match value {
            Value::Null => drop(fields.remove(&name)),
            value => drop(fields.insert(name, value)),
        }
    }
    let policy = Value::Object(fields);
    check(&policy)?;
    let is_empty = policy.as_object().is_some_and(Map::is_empty);
    Ok((!is_empty).then(|| policy.to_string()))
}

fn check(policy: &Value) -> Result<(), Error> {
    let policy: Policy = serde_path_to_error::deserialize(policy)
        .map_err(|err| invalid(&err.path().to_string(), &err.inner().to_string()))?;
    policy.check().map_err(|err| invalid(&err.path, &err.reason))
}

fn invalid(path: &str, reason: &str) -> Error {
    // The whole is named by a dot where the library has no part to name.
    let path = match path {
        "" | "." => "routing".to_owned(),
        path => format!("routing.{path}"),
    };
    Error::InvalidAt { path, reason: reason.to_owned() }
}
