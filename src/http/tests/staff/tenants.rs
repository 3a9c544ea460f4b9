//! Tenants, and what all lists and acts have in common: pages and the audit trail.

use serde_json::json;

use super::*;

#[tokio::test]
async fn a_list_comes_page_by_page() {
    let office = Office::open().await;
    let department = office.department("D0").await;
    let mut expected = vec![department.clone()];
    for n in 1..5 {
        expected.push(office.department(&format!("D{n}")).await);
        let body = json!({"name": format!("A{n}"), "department_ids": [department]});
        office.make("/api/agents", body).await;
        office.make("/api/tenants", json!({"id": format!("t{n}"), "name": "T"})).await;
    }
    office.agent("of no department").await;
    let own = format!("agents?department={department}&");
    for (path, list, count) in [
        ("departments?", "departments", 6),
        // The admin itself is one, made by its token as its department is.
        ("agents?", "agents", 6),
        (own.as_str(), "agents", 4),
        ("tenants?", "tenants", 5),
    ] {
        let (mut ids, mut cursor) = (Vec::new(), String::new());
        loop {
            let page = office.get(&format!("/api/{path}limit=2&cursor={cursor}")).await;
            let entries = page[list].as_array().unwrap();
            assert!((1..=2).contains(&entries.len()), "{path}: {page}");
            ids.extend(entries.iter().map(|entry| text(&entry["id"])));
            match page["next_cursor"].as_str() {
                Some(next) => next.clone_into(&mut cursor),
                None => break,
            }
        }
        assert_eq!(ids.len(), count, "{path}: {ids:?}");
        assert!(ids.is_sorted(), "{path}: {ids:?}");
        if path == "departments?" {
            assert_eq!(ids[..5], expected, "those made first come first");
        }
    }
}

#[tokio::test]
async fn an_admin_of_another_tenant_sees_its_own_alone() {
    let office = Office::open().await;
    let made = office.make("/api/tenants", json!({"id": "acme", "name": "Acme"})).await;
    assert_eq!(made, json!({"id": "acme", "name": "Acme"}));
    let again = json!({"id": "acme", "name": "Other"});
    office.ask("POST", "/api/tenants", &again).await.is_refused(409, "conflict");
    office.is_invalid("POST", "/api/tenants", json!({"id": "b", "name": ""}), "name").await;
    let changed = office.change("/api/tenants/acme", json!({"name": "Acme Ltd"})).await;
    assert_eq!(changed["name"], "Acme Ltd");
    let acme = office.server.token_of(json!({"sub": "w", "role": "admin", "tenant": "acme"}));
    let list = office.server.ask(get("/api/tenants").bearer(&acme)).await;
    let own = json!({"tenants": [{"id": "acme", "name": "Acme Ltd"}], "next_cursor": null});
    assert_eq!(list.body["data"], own);
    let behind = office.server.ask(get("/api/tenants?cursor=iacme").bearer(&acme)).await;
    assert_eq!(behind.body["data"]["tenants"], json!([]));
    office
        .ask("DELETE", "/api/tenants/acme", &Value::Null)
        .await
        .is_refused(405, "method_not_allowed");
}

#[tokio::test]
async fn every_act_is_in_the_audit_trail_and_nothing_else() {
    let office = Office::open().await;
    let department = office.department("Sales").await;
    let agent = office.agent("Dewi").await;
    let (d, a) = (format!("/api/departments/{department}"), format!("/api/agents/{agent}"));
    office.change(&d, json!({"name": "Orders"})).await;
    office.change(&a, json!({"name": "Dewi L."})).await;
    office.change(&a, json!({"is_disabled": true})).await;
    office.change(&a, json!({"is_disabled": false})).await;
    office.get("/api/agents").await;
    office.is_invalid("PATCH", &a, json!({"name": ""}), "name").await;
    for path in [&a, &d] {
        assert_eq!(office.ask("DELETE", path, &Value::Null).await.status, 200);
    }
    office.make("/api/tenants", json!({"id": "acme", "name": "Acme"})).await;
    office.change("/api/tenants/acme", json!({"name": "Acme Ltd"})).await;
    let trail = office.get("/api/audit").await;
    let acts: Vec<_> = trail["entries"]
        .as_array()
        .unwrap()
        .iter()
        .map(|entry| {
            assert_eq!((&entry["actor"], &entry["role"]), (&json!("boss"), &json!("admin")));
            (text(&entry["action"]), text(&entry["target"]))
        })
        .collect();
    let expected = [
        ("department.created", &department),
        ("agent.created", &agent),
        ("department.changed", &department),
        ("agent.changed", &agent),
        ("agent.disabled", &agent),
        ("agent.enabled", &agent),
        ("agent.deleted", &agent),
        ("department.deleted", &department),
        ("tenant.created", &"acme".to_owned()),
        ("tenant.changed", &"acme".to_owned()),
    ];
    assert_eq!(acts, expected.map(|(action, target)| (action.to_owned(), target.clone())));
}
