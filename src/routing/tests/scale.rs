//! What an event costs when very many agents work and very many customers wait.

use super::*;

const AGENTS: u128 = 10_000;
const WAITING: u128 = 100_000;
/// Agents and conversations one event may look at.
const LOOKS_MAX: u64 = 40;

fn name(number: u128) -> String {
    Uuid::from_u128(number).to_string()
}

/// All agents are busy, each in one of a hundred departments; the others wait.
fn crowd() -> World {
    let mut world = World { engine: Engine::new(Settings::default()), now: MORNING };
    for department in 0..100 {
        world.department(Uuid::from_u128(department), Policy::default());
    }
    world.tell(Input::Started);
    for number in 0..AGENTS {
        let departments = [Uuid::from_u128(number % 100)];
        let languages = vec![["en", "id", "de"][(number % 3) as usize].to_owned()];
        let setup = AgentSetup { languages, ..setup(&name(number), &departments) };
        world.tell(Input::Agent(setup));
        world.tell(Input::Connected(user(&name(number))));
        let agent = user(&name(number));
        let department = Some(departments[0]);
        world.tell(Input::Given { conversation: talk(number), agent, department });
    }
    for number in AGENTS..AGENTS + WAITING {
        let waiting = Waiting {
            department: Some(Uuid::from_u128(number % 100)),
            language: (number / 100 % 2 == 0).then(|| "en".to_owned()),
            priority: i32::from(number % 7 == 0),
            ..world.waiting(number)
        };
        let before = world.engine.visited();
        world.tell(Input::Waits(waiting));
        assert!(world.engine.visited() - before <= LOOKS_MAX);
    }
    world
}

#[test]
fn no_event_looks_at_more_than_a_few_however_many_wait() {
    let mut world = crowd();
    for number in (0..AGENTS).step_by(97) {
        world.now = Moment(world.now.0 + 1);
        let before = world.engine.visited();
        let told = world.keep(Input::Gone(talk(number)));
        assert_eq!(assigned(&told).len(), 1);
        assert!(world.engine.visited() - before <= LOOKS_MAX);
    }
    let waiting = world.engine.department(Some(Uuid::from_u128(3))).unwrap().waiting;
    let last = world.engine.waiting_in(Some(Uuid::from_u128(3)), 900, 1).next().unwrap();
    assert_eq!(world.engine.position(last), Some(901));
    assert!((900..1_000).contains(&waiting), "{waiting}");
}
