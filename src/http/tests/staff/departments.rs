//! Departments: their policies, and how long they stay.

use serde_json::json;

use super::*;

#[tokio::test]
async fn a_department_shows_its_whole_policy_and_takes_changes_field_by_field() {
    let office = Office::open().await;
    let plain = office.make("/api/departments", json!({"name": " Sales "})).await;
    assert_eq!(plain["name"], "Sales");
    let defaults = plain["routing"].clone();
    assert_eq!(
        (&defaults["strategy"], &defaults["offer"]),
        (&json!("least_loaded"), &json!("direct"))
    );
    let path = format!("/api/departments/{}", text(&plain["id"]));

    let rules = json!([{"after_seconds": 120, "action": "supervisors"}]);
    let set = json!({"routing": {"strategy": "round_robin", "escalations": rules}});
    let changed = office.change(&path, set).await;
    assert_eq!((&changed["name"], &changed["routing"]["escalations"]), (&json!("Sales"), &rules));
    let changed = office.change(&path, json!({"routing": {"wrap_up_seconds": 30}})).await;
    assert_eq!(changed["routing"]["strategy"], "round_robin", "what is not named stays");
    assert_eq!(changed["routing"]["wrap_up_seconds"], 30);
    let changed = office.change(&path, json!({"routing": {"strategy": null}})).await;
    assert_eq!(changed["routing"]["strategy"], "least_loaded");
    let changed = office.change(&path, json!({"name": "Orders"})).await;
    assert_eq!((&changed["name"], &changed["routing"]["escalations"]), (&json!("Orders"), &rules));
    let changed = office.change(&path, json!({"routing": null})).await;
    assert_eq!(changed["routing"], defaults);
    assert_eq!(office.get(&path).await, changed);
}

#[tokio::test]
async fn what_is_wrong_with_a_department_is_named_by_its_path() {
    let office = Office::open().await;
    let department = office.department("Sales").await;
    let rule = |rule: Value| {
        json!({"name": "N", "routing": {"escalations": [
            {"after_seconds": 60, "action": "bot"}, rule,
        ]}})
    };
    let with = |field: &str, value: Value| json!({"name": "N", "routing": {field: value}});
    for (body, field) in [
        (json!({"name": " "}), "name"),
        (json!({"name": "x".repeat(201)}), "name"),
        (json!({"name": "a\nb"}), "name"),
        (with("strategi", json!("round_robin")), "routing.strategi"),
        (with("strategy", json!("random")), "routing.strategy"),
        (with("offer_timeout_seconds", json!(-1)), "routing.offer_timeout_seconds"),
        (with("weights", json!({"chat": 0})), "routing.weights.chat"),
        (with("hours", json!({"time_zone": "Mars/Olympus"})), "routing.hours.time_zone"),
        (
            rule(json!({"after_seconds": 0, "action": "bot"})),
            "routing.escalations[1].after_seconds",
        ),
        (
            rule(json!({"after_seconds": "soon", "action": "bot"})),
            "routing.escalations[1].after_seconds",
        ),
        (
            rule(json!({"after_seconds": 60, "action": {"department": UNKNOWN}})),
            "routing.escalations[1].action.department",
        ),
    ] {
        office.is_invalid("POST", "/api/departments", body.clone(), field).await;
        let path = format!("/api/departments/{department}");
        office.is_invalid("PATCH", &path, body, field).await;
        assert_eq!(office.get(&path).await["name"], "Sales");
    }
    let widened = rule(json!({"after_seconds": 60, "action": {"department": department}}));
    office.make("/api/departments", widened).await;
}

#[tokio::test]
async fn a_department_in_use_stays() {
    let office = Office::open().await;
    let department = office.department("Sales").await;
    let path = format!("/api/departments/{department}");
    let agent = office.agent("Dewi").await;
    let agent = format!("/api/agents/{agent}");
    office.change(&agent, json!({"department_ids": [department]})).await;
    office.ask("DELETE", &path, &Value::Null).await.is_refused(409, "conflict");
    office.change(&agent, json!({"department_ids": []})).await;

    let (session, _) = office.server.begin(json!({"department_id": department})).await;
    office.ask("DELETE", &path, &Value::Null).await.is_refused(409, "conflict");
    let closed = format!("/api/sessions/{session}/close");
    assert_eq!(office.ask("POST", &closed, &Value::Null).await.status, 200);
    assert_eq!(office.ask("DELETE", &path, &Value::Null).await.status, 200);
    office.ask("GET", &path, &Value::Null).await.is_refused(404, "not_found");
}
