//! Who has which call, and whose telephone is whose.

use super::*;
use crate::model::{CallAnswered, CallEnded, CallTransferred, Role};

fn user(id: &str) -> UserId {
    UserId::parse(id).unwrap()
}

fn answered(id: &str, by: &str) -> Call {
    Call::CallAnswered(CallAnswered {
        unique_id: id.into(),
        agent_id: user(by),
        agent_name: None,
        queue_name: None,
        corrected: false,
    })
}

fn ended(id: &str) -> Call {
    Call::CallEnded(CallEnded {
        unique_id: id.into(),
        duration: 1,
        agent_id: None,
        reason: None,
        corrected: false,
    })
}

fn transferred(id: &str, by: Option<&str>) -> Call {
    Call::CallTransferred(CallTransferred {
        unique_id: id.into(),
        new_destination: "1002".into(),
        agent_id: by.map(user),
        kind: None,
        corrected: false,
    })
}

fn counts(taken: &CallsTaken) -> [u32; 2] {
    ["ana", "ben"].map(|id| taken.count(&user(id)))
}

#[test]
fn a_call_answered_twice_counts_once() {
    let mut taken = CallsTaken::default();
    assert_eq!(taken.note(&answered("1", "ana"), Moment(1)), [user("ana")]);
    assert_eq!(taken.note(&answered("1", "ana"), Moment(2)), []);
    taken.note(&answered("2", "ana"), Moment(3));
    assert_eq!(counts(&taken), [2, 0]);
    assert_eq!(taken.note(&ended("1"), Moment(4)), [user("ana")]);
    assert_eq!(taken.note(&ended("1"), Moment(5)), [], "it has ended already");
    assert_eq!(counts(&taken), [1, 0]);
}

#[test]
fn a_call_that_somebody_else_takes_is_the_first_ones_no_more() {
    let mut taken = CallsTaken::default();
    taken.note(&answered("1", "ana"), Moment(1));
    let changed = taken.note(&answered("1", "ben"), Moment(2));
    assert_eq!((changed, counts(&taken)), (vec![user("ana"), user("ben")], [0, 1]));
    taken.note(&ended("1"), Moment(3));
    assert_eq!((counts(&taken), taken.agents()), ([0, 0], vec![]));
}

#[test]
fn who_gives_a_call_away_is_free_before_somebody_else_takes_it() {
    let mut taken = CallsTaken::default();
    taken.note(&answered("1", "ana"), Moment(1));
    assert_eq!(taken.note(&transferred("1", None), Moment(2)), [], "nobody says whose it was");
    assert_eq!(taken.note(&transferred("1", Some("ben")), Moment(2)), []);
    assert_eq!(taken.note(&transferred("1", Some("ana")), Moment(2)), [user("ana")]);
    assert_eq!(counts(&taken), [0, 0]);
    assert_eq!(taken.note(&transferred("2", None), Moment(2)), [], "a call nobody has");
    taken.note(&answered("1", "ben"), Moment(3));
    assert_eq!(taken.note(&transferred("1", Some("ana")), Moment(4)), [], "told late");
    assert_eq!(counts(&taken), [0, 1]);
}

#[test]
fn a_call_whose_end_nobody_tells_is_forgotten() {
    let mut taken = CallsTaken::default();
    let open = |id: &str, agent: Option<&str>, at: i64| OpenCall {
        unique_id: id.into(),
        agent: agent.map(user),
        queue: None,
        began_at: Moment(0),
        answered_at: agent.map(|_| Moment(at)),
    };
    taken.restore(vec![open("1", Some("ana"), 10), open("2", Some("ben"), 20), open("3", None, 0)]);
    assert_eq!(counts(&taken), [1, 1]);
    assert_eq!(taken.forget(Moment(20)), [user("ana")]);
    assert_eq!(counts(&taken), [0, 1]);
}

#[test]
fn an_extension_is_whose_it_is_now() {
    let agent = |id: &str, extension: Option<&str>| Agent {
        id: user(id),
        role: Role::Agent,
        name: format!("{id}'s name"),
        email: None,
        password: None,
        departments: vec![],
        max_chats: 1,
        skills: vec![],
        languages: vec![],
        extension: extension.map(str::to_owned),
        is_disabled: false,
        created_at: Moment(0),
    };
    let mut lines = Lines::default();
    let at = |lines: &Lines, extension| lines.agent_at(extension).map(|(id, _)| id);
    lines.note(&agent("ben", Some("1001")));
    lines.note(&agent("ana", Some("1001")));
    assert_eq!(lines.agent_at("1001"), Some((user("ana"), "ana's name".into())));
    lines.note(&agent("ana", Some("1002")));
    assert_eq!((at(&lines, "1001"), at(&lines, "1002")), (Some(user("ben")), Some(user("ana"))));
    lines.note(&agent("ana", None));
    lines.forget(&user("ben"));
    assert_eq!((at(&lines, "1001"), at(&lines, "1002")), (None, None));
}
