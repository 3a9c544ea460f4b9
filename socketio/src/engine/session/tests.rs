//! Sessions, moment by moment. Times are made up; nothing here waits.

use super::*;

const SECOND: Duration = Duration::from_secs(1);

fn config(own_timers: bool) -> Arc<Config> {
    Arc::new(Config { own_timers, ..Config::default() })
}

/// Everything that is due, with the moment at which it is.
fn dues(session: &mut Session, from: Instant, until: Duration) -> Vec<(u64, Due)> {
    let mut dues = Vec::new();
    while let Some(at) = session.deadline().filter(|at| *at <= from + until) {
        while let Some(due) = session.expire(at) {
            dues.push(((at - from).as_secs(), due));
            if let Due::End(_) = due {
                return dues;
            }
        }
    }
    dues
}

fn send(session: &mut Session, via: Via, text: &'static str, now: Instant) -> Step {
    session.packet(via, Packet::parse(&Text::from(text)).unwrap(), now)
}

#[tokio::test(start_paused = true)]
async fn the_first_ping_waits_for_the_interval_and_its_pong_for_the_timeout() {
    let start = Instant::now();
    let mut session = Session::websocket(config(true), start);
    let expected = [(25, Due::Ping), (45, Due::End(EndReason::PingTimeout))];
    assert_eq!(dues(&mut session, start, 100 * SECOND), expected);
}

#[tokio::test(start_paused = true)]
async fn a_pong_puts_off_the_next_ping() {
    let start = Instant::now();
    let mut session = Session::websocket(config(true), start);
    assert_eq!(dues(&mut session, start, 30 * SECOND), [(25, Due::Ping)]);
    assert_eq!(send(&mut session, Via::Transport, "3", start + 30 * SECOND), Step::Alive);
    assert_eq!(dues(&mut session, start, 60 * SECOND), [(55, Due::Ping)]);
}

#[tokio::test(start_paused = true)]
async fn a_task_that_was_held_up_leaves_the_client_half_of_its_time() {
    let start = Instant::now();
    let mut session = Session::websocket(config(true), start);
    let late = start + 60 * SECOND;
    assert_eq!(session.expire(late), Some(Due::Ping));
    assert_eq!(session.expire(late), None);
    assert_eq!(session.deadline(), Some(late + 10 * SECOND));
}

#[tokio::test(start_paused = true)]
async fn a_driven_websocket_has_no_times_of_its_own() {
    let now = Instant::now();
    let mut session = Session::websocket(config(false), now);
    session.ping_sent(now);
    assert_eq!(send(&mut session, Via::Transport, "3", now), Step::Alive);
    assert_eq!(session.deadline(), None);
}

#[tokio::test(start_paused = true)]
async fn a_ping_of_the_owner_has_to_be_answered_as_well() {
    let start = Instant::now();
    let mut session = Session::websocket(config(true), start);
    session.ping_sent(start);
    let expected = [(20, Due::End(EndReason::PingTimeout))];
    assert_eq!(dues(&mut session, start, 100 * SECOND), expected);
}

#[tokio::test(start_paused = true)]
async fn a_session_that_nobody_polls_is_abandoned() {
    let start = Instant::now();
    let mut session = Session::polling(config(false), start);
    let expected = [(45, Due::End(EndReason::PollAbandoned))];
    assert_eq!(dues(&mut session, start, 100 * SECOND), expected);
}

#[tokio::test(start_paused = true)]
async fn a_session_with_a_waiting_poll_is_not_abandoned() {
    let start = Instant::now();
    let mut session = Session::polling(config(false), start);
    assert_eq!(session.poll_arrived(start + 40 * SECOND), Ok(()));
    assert_eq!(session.deadline(), None);
    session.poll_answered(start + 100 * SECOND);
    assert_eq!(session.deadline(), Some(start + 145 * SECOND));
}

#[tokio::test(start_paused = true)]
async fn only_one_poll_waits_at_a_time() {
    let now = Instant::now();
    let mut session = Session::polling(config(true), now);
    assert_eq!(session.poll_arrived(now), Ok(()));
    assert_eq!(session.poll_arrived(now), Err(EndReason::PollOverlap));
}

#[tokio::test(start_paused = true)]
async fn packets_mean_what_the_protocol_says() {
    let now = Instant::now();
    let mut session = Session::websocket(config(true), now);
    let mut sent = |text| send(&mut session, Via::Transport, text, now);
    assert_eq!(sent("4hello"), Step::Text("hello".into()));
    assert_eq!(sent("bAQ=="), Step::Binary(Bytes::from_static(&[1])));
    assert_eq!(sent("1"), Step::End(EndReason::ClientClosed));
    assert_eq!(sent("2"), Step::End(EndReason::PingFromClient));
    for ignored in ["0{}", "5", "6"] {
        assert_eq!(sent(ignored), Step::Alive, "{ignored}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_probe_is_answered_and_then_takes_over() {
    let start = Instant::now();
    let mut session = Session::polling(config(true), start);
    assert!(session.probe_arrived(start));
    assert!(!session.probe_arrived(start), "a second probe at the same time");
    assert_eq!(send(&mut session, Via::Probe, "2probe", start), Step::AnswerProbe);
    assert_eq!(send(&mut session, Via::Probe, "5", start), Step::Switch);
    assert!(!session.probe_arrived(start), "a probe after the upgrade");
    // Nobody polls any more, and nobody has to.
    let expected = [(25, Due::Ping), (45, Due::End(EndReason::PingTimeout))];
    assert_eq!(dues(&mut session, start, 100 * SECOND), expected);
}

#[tokio::test(start_paused = true)]
async fn a_ping_that_the_old_transport_may_have_lost_is_waited_for_anew() {
    let start = Instant::now();
    let mut session = Session::polling(config(true), start);
    session.poll_arrived(start).unwrap();
    assert_eq!(session.expire(start + 25 * SECOND), Some(Due::Ping));
    session.poll_answered(start + 25 * SECOND);
    assert!(session.probe_arrived(start + 40 * SECOND));
    assert_eq!(send(&mut session, Via::Probe, "5", start + 40 * SECOND), Step::Switch);
    assert_eq!(session.deadline(), Some(start + 60 * SECOND));
}

#[tokio::test(start_paused = true)]
async fn polls_that_come_during_an_upgrade_are_let_go_every_time() {
    let start = Instant::now();
    let mut session = Session::polling(config(false), start);
    session.probe_arrived(start);
    send(&mut session, Via::Probe, "2probe", start);
    for _ in 0..3 {
        session.poll_arrived(start).unwrap();
        assert_eq!(session.deadline(), Some(start + NOOP_DELAY));
        assert_eq!(session.expire(start + NOOP_DELAY), Some(Due::Noop));
        session.poll_answered(start + NOOP_DELAY);
    }
    session.poll_arrived(start).unwrap();
    session.poll_answered(start);
    assert_eq!(session.deadline(), Some(start + 10 * SECOND), "it was answered before");
}

#[tokio::test(start_paused = true)]
async fn an_upgrade_that_takes_too_long_is_given_up() {
    let start = Instant::now();
    let mut session = Session::polling(config(false), start);
    session.probe_arrived(start);
    assert_eq!(dues(&mut session, start, 20 * SECOND), [(10, Due::DropProbe)]);
    assert!(session.probe_arrived(start + 20 * SECOND), "another try");
}

#[tokio::test(start_paused = true)]
async fn a_probe_that_says_anything_else_is_dropped() {
    for text in ["4hello", "2", "3probe", "1", "6", "2other"] {
        let now = Instant::now();
        let mut session = Session::polling(config(true), now);
        session.probe_arrived(now);
        assert_eq!(send(&mut session, Via::Probe, text, now), Step::DropProbe, "{text}");
        assert!(session.probe_arrived(now), "{text}: another try");
    }
}

#[tokio::test(start_paused = true)]
async fn a_probe_is_answered_once_only() {
    let now = Instant::now();
    let mut session = Session::polling(config(true), now);
    session.probe_arrived(now);
    assert_eq!(send(&mut session, Via::Probe, "2probe", now), Step::AnswerProbe);
    assert_eq!(send(&mut session, Via::Probe, "2probe", now), Step::DropProbe);
}

#[tokio::test(start_paused = true)]
async fn upgrades_can_be_forbidden() {
    let now = Instant::now();
    let config = Arc::new(Config { allow_upgrades: false, ..Config::default() });
    assert!(!Session::polling(config, now).probe_arrived(now));
}
