//! The tray by itself: what finds room, what is taken together, and who hears what came of it.

use super::*;

fn key(n: u128) -> Key {
    (TenantId::default_tenant(), ConversationId(Uuid::from_u128(n)))
}

fn line(talk: u128, n: u128) -> Job {
    let ((tenant, conversation), question) = (key(talk), Uuid::from_u128(n));
    let (seq, text) = (n as u64, format!("line {n}"));
    Job { tenant, conversation, question, seq, text, lines: vec![question] }
}

fn turn(tray: &Arc<Tray>) -> Turn {
    match tray.take(usize::MAX) {
        Some(Work::Answer(turn)) => turn,
        Some(Work::Sweep(_)) => panic!("a sweep"),
        None => panic!("nothing to do"),
    }
}

fn texts(turn: &Turn) -> Vec<&str> {
    turn.lines.iter().map(|line| line.text.as_str()).collect()
}

fn said(text: &str) -> Reply {
    Ok(Some(BotReply { answer: Some(text.into()), message_id: Uuid::nil(), handoff: false }))
}

async fn answer(waiting: Waiting) -> Option<String> {
    match waiting.verdict().await.unwrap() {
        Verdict::Done(reply) => reply.unwrap().answer,
        Verdict::Full => panic!("no room"),
    }
}

#[tokio::test]
async fn what_is_said_while_the_bot_thinks_is_taken_together_afterwards() {
    let tray = Arc::<Tray>::default();
    tray.put(line(1, 1));
    let first = turn(&tray);
    tray.put(line(1, 2));
    tray.put(line(2, 9));
    tray.put(line(1, 3));
    assert_eq!(texts(&turn(&tray)), ["line 9"], "other conversations do not wait");
    assert!(tray.take(usize::MAX).is_none(), "one after the other");
    drop(first);
    let second = turn(&tray);
    assert_eq!(texts(&second), ["line 2", "line 3"]);
    assert!(tray.has(&key(1)));
    drop(second);
    assert!(!tray.has(&key(1)) && tray.lock().waiting == 0, "nothing is left of it");
}

#[tokio::test]
async fn lines_are_taken_together_as_far_as_they_fit() {
    let tray = Arc::<Tray>::default();
    (1..=3).for_each(|n| tray.put(line(1, n)));
    for (bytes_max, expected) in [(14, vec!["line 1", "line 2"]), (1, vec!["line 3"])] {
        let Some(Work::Answer(turn)) = tray.take(bytes_max) else { panic!("nothing to do") };
        assert_eq!(texts(&turn), expected);
    }
}

#[tokio::test]
async fn everybody_who_asked_hears_the_one_answer() {
    let tray = Arc::<Tray>::default();
    let waiting = [1, 2].map(|n| {
        let waiting = tray.expect(Uuid::from_u128(n));
        tray.put(line(1, n));
        waiting
    });
    let work = turn(&tray);
    let repeat = tray.expect_again(line(1, 1));
    assert!(tray.lock().talks[&key(1)].lines.is_empty(), "it is in work already");
    work.end(said("yes"));
    for waiting in waiting.into_iter().chain([repeat]) {
        assert_eq!(answer(waiting).await.as_deref(), Some("yes"));
    }
    assert!(tray.lock().asked.is_empty());
}

#[tokio::test]
async fn a_question_with_an_answer_is_done_before_the_others() {
    let tray = Arc::<Tray>::default();
    let waiting = tray.expect(Uuid::from_u128(1));
    (1..=2).for_each(|n| tray.put(line(1, n)));
    let work = turn(&tray);
    work.tell_known(Uuid::from_u128(1), &said("known").unwrap().unwrap());
    assert_eq!(answer(waiting).await.as_deref(), Some("known"));
    let repeat = tray.expect_again(line(1, 1));
    work.end(said("the other's"));
    let work = turn(&tray);
    assert_eq!(texts(&work), ["line 1"], "asked again, it has a turn of its own");
    work.end(said("known"));
    assert_eq!(answer(repeat).await.as_deref(), Some("known"));
}

#[tokio::test]
async fn whoever_leaves_takes_only_a_question_along_that_was_never_kept() {
    let tray = Arc::<Tray>::default();
    let [early, late] = [1, 2].map(Uuid::from_u128);
    drop(tray.expect(early));
    let mut waiting = tray.expect(late);
    waiting.keep();
    drop(waiting);
    assert!(!tray.is_asked(early) && tray.is_asked(late));
    tray.put(line(1, 2));
    turn(&tray).end(said("to nobody"));
    assert!(!tray.is_asked(late));
    tray.expect(early).give_up();
    assert!(!tray.is_asked(early));
}

#[tokio::test]
async fn work_that_is_given_up_lets_nobody_wait() {
    let tray = Arc::<Tray>::default();
    let waiting = tray.expect(Uuid::from_u128(1));
    tray.put(line(1, 1));
    drop(turn(&tray));
    assert!(matches!(waiting.verdict().await, Err(Error::Unavailable(_))));
    assert!(!tray.has(&key(1)), "and nothing blocks the next question");
    let waiting = tray.expect(Uuid::from_u128(2));
    tray.put(line(1, 2));
    tray.close();
    assert!(matches!(waiting.verdict().await, Err(Error::Unavailable(_))));
    tray.put(line(1, 3));
    assert!(tray.take(usize::MAX).is_none());
}

#[tokio::test]
async fn one_conversation_does_not_fill_the_tray() {
    let tray = Arc::<Tray>::default();
    (1..=BOT_LINES_MAX as u128).for_each(|n| tray.put(line(1, n)));
    let refused = tray.expect(Uuid::from_u128(99));
    tray.put(line(1, 99));
    assert!(matches!(refused.verdict().await, Ok(Verdict::Full)));
    tray.put(line(2, 100));
    let overrun = turn(&tray);
    assert!(overrun.is_overrun && overrun.lines.len() == BOT_LINES_MAX);
    assert!(!turn(&tray).is_overrun, "others have room");
    drop(overrun);
    assert!(!tray.has(&key(1)), "its turn ends it all");
}

#[tokio::test]
async fn what_finds_no_room_is_swept_up_or_comes_next() {
    let tray = Arc::<Tray>::default();
    tray.put(line(1, 1));
    let in_work = turn(&tray);
    (0..BOT_QUESTIONS_MAX as u128).for_each(|n| tray.put(line(100 + n, 100 + n)));
    assert!(tray.take(usize::MAX).is_some_and(|work| matches!(work, Work::Answer(_))));
    tray.put(line(2, 2));
    tray.put(line(1, 3));
    tray.put(line(3, 4));
    assert_eq!(tray.lock().waiting, BOT_QUESTIONS_MAX);
    assert!(!tray.has(&key(3)));
    let Some(Work::Sweep(sweep)) = tray.take(usize::MAX) else { panic!("nobody sees to it") };
    tray.put(line(3, 5));
    let meanwhile = turn(&tray);
    drop(sweep);
    assert!(matches!(tray.take(usize::MAX), Some(Work::Sweep(_))), "once more for what came then");
    drop((in_work, meanwhile));
    let last = tray.lock().ready.iter().any(|waiting| *waiting == key(1));
    assert!(last && tray.lock().talks[&key(1)].overrun.is_some(), "its own turn sees to it");
}

#[tokio::test(start_paused = true)]
async fn those_who_wait_are_bounded_and_who_left_is_forgotten() {
    let tray = Arc::<Tray>::default();
    let leave = |n: u128| {
        let mut waiting = tray.expect(Uuid::from_u128(n));
        waiting.keep();
    };
    (0..BOT_QUESTIONS_MAX as u128).for_each(leave);
    let one_more = || tray.expect(Uuid::max());
    assert!(matches!(one_more().verdict().await, Ok(Verdict::Full)), "they may still come");
    tokio::time::advance(BOT_ASKED_KEPT).await;
    let _waiting = one_more();
    assert!(tray.is_asked(Uuid::max()) && tray.lock().asked.len() == 1);
}
