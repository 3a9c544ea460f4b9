//! What every log backend must do for administration: staff is listed page by page, found by
//! department and by address in either case, and whoever was removed is remembered.

use super::*;

pub(super) async fn suite(log: &dyn Log) {
    departments_come_page_by_page_and_go(log).await;
    agents_come_page_by_page_and_by_department(log).await;
    a_removed_agent_is_remembered_until_it_is_made_again(log).await;
    an_agent_is_found_by_its_address_in_either_case(log).await;
    tenants_come_page_by_page(log).await;
    staff_is_its_tenants_alone(log).await;
}

fn department(number: u128, routing: Option<&str>) -> Department {
    let routing = routing.map(Into::into);
    Department { id: Uuid::from_u128(number), name: format!("Department {number}"), routing }
}

fn agent(id: &str, departments: &[u128]) -> Agent {
    Agent {
        id: user(id),
        role: Role::Agent,
        name: id.into(),
        email: Some(format!("{id}@staff.example")),
        password: None,
        departments: departments.iter().map(|d| Uuid::from_u128(*d)).collect(),
        max_chats: 5,
        skills: vec!["billing".into()],
        languages: vec![],
        is_disabled: false,
        extension: None,
        created_at: Moment(9),
    }
}

async fn keep(log: &dyn Log, of: &TenantId, record: Record) {
    log.commit(of, Change::record(record)).await.unwrap();
}

async fn departments_come_page_by_page_and_go(log: &dyn Log) {
    let of = tenant("staff-departments");
    let all = [department(1, None), department(2, Some("{}")), department(1 << 120, None)];
    for department in all.iter().rev() {
        keep(log, &of, Record::Department(department.clone())).await;
    }
    assert_eq!(log.departments(&of).await.unwrap(), all);
    assert_eq!(log.department_page(&of, None, 1).await.unwrap(), all[..1]);
    assert_eq!(log.department_page(&of, Some(all[0].id), 9).await.unwrap(), all[1..]);
    let renamed = Department { name: "Other".into(), ..all[1].clone() };
    keep(log, &of, Record::Department(renamed.clone())).await;
    assert_eq!(log.department(&of, renamed.id).await.unwrap(), Some(renamed));
    keep(log, &of, Record::DepartmentRemoved(all[1].id)).await;
    assert_eq!(log.department(&of, all[1].id).await.unwrap(), None);
    assert_eq!(log.departments(&of).await.unwrap(), [all[0].clone(), all[2].clone()]);
}

async fn agents_come_page_by_page_and_by_department(log: &dyn Log) {
    let of = tenant("staff-agents");
    let all = [agent("A", &[1]), agent("a", &[2, 1]), agent("b", &[]), agent("c", &[2])];
    for agent in all.iter().rev() {
        keep(log, &of, Record::Agent(agent.clone())).await;
    }
    assert_eq!(log.agents(&of).await.unwrap(), all);
    let page = |department: Option<u128>, after: Option<&str>, limit| AgentFilter {
        department: department.map(Uuid::from_u128),
        after: after.map(user),
        limit,
    };
    let ids = |agents: Vec<Agent>| agents.iter().map(|a| a.id.to_string()).collect::<Vec<_>>();
    for (filter, expected) in [
        (page(None, None, 2), &["A", "a"][..]),
        (page(None, Some("a"), 9), &["b", "c"]),
        (page(Some(1), None, 9), &["A", "a"]),
        (page(Some(2), None, 1), &["a"]),
        (page(Some(2), Some("a"), 9), &["c"]),
        (page(Some(3), None, 9), &[]),
    ] {
        let found = ids(log.agent_page(&of, filter.clone()).await.unwrap());
        assert_eq!(found, expected, "{filter:?}");
    }
}

async fn a_removed_agent_is_remembered_until_it_is_made_again(log: &dyn Log) {
    let of = tenant("staff-former");
    let ana = agent("ana", &[]);
    assert!(!log.is_former_agent(&of, &ana.id).await.unwrap());
    keep(log, &of, Record::Agent(ana.clone())).await;
    keep(log, &of, Record::AgentRemoved(ana.id.clone())).await;
    assert_eq!(log.agent(&of, &ana.id).await.unwrap(), None);
    assert!(log.is_former_agent(&of, &ana.id).await.unwrap());
    assert!(!log.is_former_agent(&tenant("staff-other"), &ana.id).await.unwrap());
    keep(log, &of, Record::Agent(ana.clone())).await;
    assert!(!log.is_former_agent(&of, &ana.id).await.unwrap());
}

async fn an_agent_is_found_by_its_address_in_either_case(log: &dyn Log) {
    let of = tenant("staff-addresses");
    let ana = Agent { email: Some("Ana@Case.Example".into()), ..agent("ana", &[]) };
    keep(log, &of, Record::Agent(ana.clone())).await;
    for email in ["Ana@Case.Example", "ana@case.example", "ANA@CASE.EXAMPLE"] {
        let found = log.agents_by_email(email).await.unwrap();
        assert_eq!(found, [(of.clone(), ana.clone())], "{email}");
    }
    assert_eq!(log.agents_by_email("ana@case.example.org").await.unwrap(), []);
}

async fn tenants_come_page_by_page(log: &dyn Log) {
    let ours = ["zz-staff-1", "zz-staff-2", "zz-staff-3"].map(tenant);
    for of in &ours {
        keep(log, of, Record::Tenant(format!("Name of {of}"))).await;
    }
    let named = |of: &TenantId| (of.clone(), format!("Name of {of}"));
    let after = Some(tenant("zz-staff-1"));
    assert_eq!(log.tenant_page(after.clone(), 1).await.unwrap(), [named(&ours[1])]);
    let rest = ours[1..].iter().map(named).collect::<Vec<_>>();
    assert_eq!(log.tenant_page(after, 9).await.unwrap(), rest);
    assert!(log.tenants().await.unwrap().ends_with(&ours.each_ref().map(named)));
}

async fn staff_is_its_tenants_alone(log: &dyn Log) {
    let (of, other) = (tenant("staff-own"), tenant("staff-foreign"));
    keep(log, &of, Record::Agent(agent("ana", &[1]))).await;
    keep(log, &of, Record::Department(department(1, None))).await;
    keep(log, &other, Record::AgentRemoved(user("ana"))).await;
    keep(log, &other, Record::DepartmentRemoved(Uuid::from_u128(1))).await;
    assert_eq!(log.agents(&other).await.unwrap(), []);
    assert_eq!(log.departments(&other).await.unwrap(), []);
    assert_eq!(
        (log.agents(&of).await.unwrap().len(), log.departments(&of).await.unwrap().len()),
        (1, 1)
    );
}
