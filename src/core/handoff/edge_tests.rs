//! What the edges ask of the rules beside what becomes of a request: what is next, and what is kept when all is over.

use super::IfHeld::{Queue, Refuse};
use super::{Command, HandOff, KEPT, Passing, QueueSlot, Reason, RequestSlot, State};
use crate::guard::LockMode::Exclusive;

type Rules = HandOff<&'static str, ()>;

fn request(rules: &mut Rules, queue: QueueSlot) -> RequestSlot {
    rules.request(queue, Exclusive, Queue, Passing::On, 0.0)
}

#[test]
fn something_is_next_until_the_last_command_is_taken() {
    let mut rules = Rules::new();
    assert!(!rules.is_anything_next());
    for _ in 0..3 {
        let queue = rules.open(false);
        request(&mut rules, queue);
    }
    for _ in 0..3 {
        assert!(rules.is_anything_next());
        assert!(matches!(
            rules.next_command(),
            Some(Command::Request { .. })
        ));
    }
    assert!(!rules.is_anything_next());
    assert_eq!(rules.next_command(), None);
    assert!(!rules.is_anything_next());
}

#[test]
fn something_is_next_until_the_last_wake_is_taken() {
    let mut rules = Rules::new();
    let queue = rules.open(true);
    let [holder, waiter] = [(); 2].map(|()| request(&mut rules, queue));
    *rules.waker(waiter) = Some("waiter");
    assert!(!rules.is_anything_next());
    rules.remove(holder, 1.0);
    assert!(rules.is_anything_next());
    assert_eq!(rules.next_wake(), Some("waiter"));
    assert!(!rules.is_anything_next());
}

#[test]
fn a_holder_is_told_whether_anybody_of_its_context_waits() {
    for is_local in [true, false] {
        let mut rules = Rules::new();
        let [queue, other] = [(); 2].map(|()| rules.open(is_local));
        let [holder, alone] = [queue, other].map(|queue| request(&mut rules, queue));
        while let Some(command) = rules.next_command() {
            if let Command::Request { grant, .. } = command {
                rules.called_back(grant, true, 0.0);
            }
        }
        assert_eq!(rules.is_local(holder), is_local);
        assert!(!rules.has_waiters(holder));
        let waiter = request(&mut rules, queue);
        assert!(rules.has_waiters(holder) && rules.has_waiters(waiter));
        assert!(!rules.has_waiters(alone));
        rules.remove(waiter, 0.0);
        assert!(!rules.has_waiters(holder));
    }
}

#[test]
fn a_try_that_waits_for_a_release_is_a_waiter() {
    let mut rules = Rules::new();
    let queue = rules.open(false);
    let holder = request(&mut rules, queue);
    let Some(Command::Request { grant, .. }) = rules.next_command() else {
        panic!("the platform is asked");
    };
    rules.called_back(grant, true, 0.0);
    rules.remove(holder, 0.0);
    // The platform has not heard of the release yet.
    let early = rules.request(queue, Exclusive, Refuse, Passing::On, 0.0);
    assert!(rules.has_waiters(early));
    rules.try_at_once(early, 0.0);
    assert!(!rules.has_waiters(early));
}

/// Opens so many queues, of which each has a holder, and removes all but the last.
fn all_but_one(count: usize) -> (Rules, QueueSlot, RequestSlot) {
    let mut rules = Rules::new();
    let all: Vec<_> = (0..count)
        .map(|_| {
            let queue = rules.open(true);
            (queue, request(&mut rules, queue))
        })
        .collect();
    let (&(queue, last), others) = all.split_last().expect("there are some");
    for &(queue, slot) in others {
        assert_eq!(rules.remove(slot, 0.0), (None, Some(queue)));
        assert!(rules.close(queue));
    }
    (rules, queue, last)
}

#[test]
fn memory_for_a_few_requests_is_kept() {
    let (mut rules, queue, last) = all_but_one(KEPT);
    rules.remove(last, 0.0);
    rules.close(queue);
    assert_eq!(rules.requests.capacity(), KEPT);
    assert_eq!(rules.queues.capacity(), KEPT);
    assert_eq!(rules.grants.capacity(), KEPT);
}

#[test]
fn memory_for_many_requests_is_freed_after_the_last_one() {
    let (mut rules, queue, last) = all_but_one(2 * KEPT + 1);
    assert!(matches!(rules.state(last), State::Held(_)), "it is there");
    assert!(rules.holds(queue));
    rules.remove(last, 0.0);
    assert!(rules.close(queue));
    assert_eq!(rules.requests.capacity(), 0);
    assert_eq!(rules.queues.capacity(), 0);
    assert_eq!(rules.grants.capacity(), 0);
}

/// The edge may hear in the middle of the commands that all is lost: whatever a command calls may say so.
#[test]
fn nothing_is_requested_for_a_queue_that_was_closed_before() {
    let mut rules = Rules::new();
    let [sent, withdrawn, lost] = [(); 3].map(|()| {
        let queue = rules.open(false);
        (queue, request(&mut rules, queue))
    });
    let Some(Command::Request { grant, queue, .. }) = rules.next_command() else {
        panic!("the first was requested first");
    };
    assert_eq!(queue, sent.0);
    rules.remove(withdrawn.1, 1.0);
    assert_eq!(rules.lose_all(&Reason::Cached), [withdrawn.0]);
    rules.remove(lost.1, 1.0);
    assert!(rules.close(withdrawn.0) && rules.close(lost.0));
    // The platform has heard nothing of these, and it is to hear nothing.
    let mut rest = Vec::new();
    rest.extend(core::iter::from_fn(|| rules.next_command()));
    let is_request = |command: &Command| matches!(command, Command::Request { .. });
    assert!(!rest.iter().any(is_request), "{rest:?}");
    assert!(rest.contains(&Command::Release(grant)));
}
