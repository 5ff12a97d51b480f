//! What is written down, and read again.

use crosslock_history::History;
use crosslock_history::event::What;

use crate::order::overtaken;
use crate::script::{EXCLUSIVE, SHARED, Script, script};

#[test]
fn what_no_client_can_have_seen_is_refused() {
    let twice = script()
        .lock(1, 1, "a", EXCLUSIVE)
        .add(2, "a", What::Granted { request: 1 })
        .add(3, "a", What::Granted { request: 1 });
    let unasked = script().add(2, "a", What::Granted { request: 1 });
    for Script(events) in [twice, unasked] {
        let error = History::new(events).expect_err("it is malformed");
        assert!(error.to_string().contains("request 1 of a"), "{error}");
    }
}

#[test]
fn lines_are_read_as_they_were_written() {
    let Script(events) = overtaken(SHARED).add(99, "b", What::Dead);
    let lines: Vec<_> = events.iter().map(crosslock_history::event::line).collect();
    let read = crosslock_history::event::read(lines.join("\n").as_bytes());
    assert_eq!(read, Ok(events));
    let wrong = crosslock_history::event::read(&b"\n{}"[..]);
    assert!(wrong.expect_err("no event").starts_with("line 2"));
}
