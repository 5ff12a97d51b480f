use ::core::cell::RefCell;
use alloc::vec::Vec;

use wasm_bindgen::prelude::*;

use crate::core::handoff::{
    Ahead, IfHeld, LeaseId, Order, Passing, Quirks, Reason, Relay, Settled, State,
};
use crate::core::{BrokenRule, LockMode, MAX_KEY_LEN, broken_rule};

struct Edge {
    relay: Relay<u32, u32>,
    detail: [u32; 4],
    since: f64,
    rows: Vec<(u32, u32, f64)>,
    key: [u8; MAX_KEY_LEN + 1],
}

struct One(RefCell<Edge>);
// SAFETY: this module has one thread.
unsafe impl Sync for One {}

static EDGE: One = One(RefCell::new(Edge {
    relay: Relay::new(Quirks {
        queues_withdrawn: false,
    }),
    detail: [0; 4],
    since: 0.0,
    rows: Vec::new(),
    key: [0; MAX_KEY_LEN + 1],
}));

fn with<T>(step: impl FnOnce(&mut Edge) -> T) -> T {
    step(&mut EDGE.0.borrow_mut())
}

fn line_or_none(line: Option<usize>) -> u32 {
    line.map_or(0, |line| line as u32 + 1)
}

#[wasm_bindgen(js_name = keyBuffer)]
pub fn key_buffer() -> *mut u8 {
    with(|edge| edge.key.as_mut_ptr())
}

#[wasm_bindgen(js_name = checkKey)]
pub fn check_key(length: u32) -> u32 {
    with(
        |edge| match edge.key.get(..length as usize).map(broken_rule) {
            None | Some(Some(BrokenRule::MaxLength)) => 2,
            Some(None) => 0,
            Some(Some(BrokenRule::NotEmpty)) => 1,
            Some(Some(BrokenRule::Charset(at))) => 3 | (at as u32) << 3,
            Some(Some(BrokenRule::Start)) => 4,
            Some(Some(BrokenRule::End)) => 5,
        },
    )
}

#[wasm_bindgen]
pub fn open(is_local: bool) -> u32 {
    with(|edge| edge.relay.open(is_local) as u32)
}

#[wasm_bindgen]
pub fn close(line: u32) -> bool {
    with(|edge| edge.relay.close(line as usize))
}

fn state_code(state: &State<u32>) -> u32 {
    match state {
        State::Pending => 0,
        State::Held(_) => 1,
        State::Busy => 2,
        State::TurnedDown(why) => 3 | reason_code(why) << 3,
        State::Lost(why) => 4 | reason_code(why) << 3,
        State::Releasing => 5,
        State::Freed => 6,
    }
}

fn reason_code(reason: &Reason<u32>) -> u32 {
    match reason {
        Reason::Stolen => 0,
        Reason::Cached => 1,
        Reason::Ended => 2,
        Reason::TakenAway(said) => 3 | said << 4,
        Reason::Failed(said) => 4 | said << 4,
        Reason::NotCalledBack => 5,
        Reason::NoLock => 6,
    }
}

fn mode(flags: u32) -> LockMode {
    match flags & 1 {
        0 => LockMode::Exclusive,
        _ => LockMode::Shared,
    }
}

#[wasm_bindgen]
pub fn request(line: u32, flags: u32, now: f64) -> u32 {
    with(|edge| {
        let if_held = match flags >> 1 & 3 {
            0 => IfHeld::Queue,
            1 => IfHeld::Refuse,
            _ => IfHeld::Steal,
        };
        let passing = match flags & 8 {
            0 => Passing::On,
            _ => Passing::Off,
        };
        let slot = edge
            .relay
            .request(line as usize, mode(flags), if_held, passing, now);
        *edge.relay.waker(slot) = Some(slot as u32);
        (slot as u32) << 3 | state_code(edge.relay.state(slot)) & 7
    })
}

#[wasm_bindgen]
pub fn state(request: u32) -> u32 {
    with(|edge| {
        *edge.relay.waker(request as usize) = Some(request);
        state_code(edge.relay.state(request as usize))
    })
}

#[wasm_bindgen]
pub fn release(request: u32, now: f64) -> u32 {
    with(|edge| {
        edge.relay.release(request as usize, now);
        state_code(edge.relay.state(request as usize))
    })
}

/// Frees a lock and forgets its request, as far as that is possible: 1, or one more than
/// twice the line, plus one, if nobody uses that any more; 0 if it takes time, and
/// [`ASK_AGAIN`] if it depends on the time, and none was given.
#[wasm_bindgen]
pub fn free(request: u32, now: f64) -> u32 {
    with(|edge| {
        let slot = request as usize;
        if now < 0.0 && edge.relay.has_waiters(slot) {
            return ASK_AGAIN;
        }
        edge.relay.release(slot, now);
        if matches!(edge.relay.state(slot), State::Releasing) {
            return 0;
        }
        line_or_none(edge.relay.remove(slot, now).1) << 1 | 1
    })
}

const ASK_AGAIN: u32 = 2;

#[wasm_bindgen]
pub fn remove(request: u32, now: f64) -> u32 {
    with(|edge| line_or_none(edge.relay.remove(request as usize, now).1))
}

#[wasm_bindgen]
pub fn next() -> u32 {
    with(|edge| {
        let (kind, slot) = match edge.relay.next_order() {
            None => return edge.relay.next_wake().map_or(0, |request| 1 | request << 3),
            Some(Order::Ask {
                lease,
                line,
                mode,
                if_held,
            }) => {
                let flags = match mode {
                    LockMode::Exclusive => 0,
                    LockMode::Shared => 1,
                } | match if_held {
                    IfHeld::Queue => 0,
                    IfHeld::Refuse => 2,
                    IfHeld::Steal => 4,
                };
                edge.detail = [lease.serial, line as u32, flags, 0];
                (2, lease.slot)
            }
            Some(Order::End(lease)) => {
                edge.detail[0] = lease.serial;
                (3, lease.slot)
            }
            Some(Order::Forget(lease)) => {
                edge.detail[0] = lease.serial;
                (4, lease.slot)
            }
            Some(Order::Confirm { lease, round_trips }) => {
                edge.detail = [lease.serial, round_trips, 0, 0];
                (5, lease.slot)
            }
            Some(Order::Remind) => (6, 0),
        };
        kind | slot << 3
    })
}

#[wasm_bindgen]
pub fn detail(n: u32) -> u32 {
    with(|edge| edge.detail[n as usize & 3])
}

#[wasm_bindgen(js_name = calledBack)]
pub fn called_back(slot: u32, serial: u32, has_lock: bool, now: f64) -> bool {
    with(|edge| {
        edge.relay
            .called_back(LeaseId { slot, serial }, has_lock, now)
    })
}

#[wasm_bindgen]
pub fn settled(slot: u32, serial: u32, how: u32, said: u32, now: f64) -> u32 {
    let how = match how {
        0 => Settled::Resolved,
        1 => Settled::Aborted,
        _ => Settled::Failed(said),
    };
    with(|edge| line_or_none(edge.relay.settled(LeaseId { slot, serial }, how, now)))
}

#[wasm_bindgen]
pub fn confirmed(slot: u32, serial: u32, now: f64) -> u32 {
    with(|edge| line_or_none(edge.relay.confirmed(LeaseId { slot, serial }, now)))
}

#[wasm_bindgen]
pub fn freeze() {
    with(|edge| drop(edge.relay.freeze(&Reason::Cached)))
}

#[wasm_bindgen]
pub fn remind(now: f64) {
    with(|edge| edge.relay.remind(now))
}

#[wasm_bindgen(js_name = setHidden)]
pub fn set_hidden(is_hidden: bool, now: f64) {
    with(|edge| edge.relay.set_hidden(is_hidden, now))
}

#[wasm_bindgen(js_name = tryAtOnce)]
pub fn try_at_once(request: u32, now: f64) {
    with(|edge| edge.relay.try_at_once(request as usize, now))
}

#[wasm_bindgen]
pub fn holds(line: u32) -> bool {
    with(|edge| edge.relay.holds(line as usize))
}

#[wasm_bindgen]
pub fn ahead(request: u32, most: u32) -> bool {
    with(|edge| {
        let Some(Ahead {
            holder,
            held_since,
            waiting,
        }) = edge.relay.ahead_of(request as usize, most as usize)
        else {
            return false;
        };
        edge.detail = [
            holder as u32,
            waiting.map_or(u32::MAX, |waiting| waiting as u32),
            0,
            0,
        ];
        edge.since = held_since;
        true
    })
}

#[wasm_bindgen]
pub fn since() -> f64 {
    with(|edge| edge.since)
}

#[wasm_bindgen(js_name = listOwn)]
pub fn list_own() -> u32 {
    with(|edge| {
        let mut rows = Vec::new();
        edge.relay.for_each_own(|own| {
            let flags = u32::from(own.mode == LockMode::Shared)
                | u32::from(own.is_held) << 1
                | u32::from(own.is_asked_for) << 2;
            rows.push((
                own.request as u32,
                (own.line as u32) << 3 | flags,
                own.since,
            ));
        });
        edge.rows = rows;
        edge.rows.len() as u32
    })
}

#[wasm_bindgen(js_name = listAsked)]
pub fn list_asked() -> u32 {
    with(|edge| {
        let mut rows = Vec::new();
        edge.relay.for_each_asked(|asked| {
            let flags =
                u32::from(asked.mode == LockMode::Shared) | u32::from(asked.is_granted) << 1;
            rows.push((0, (asked.line as u32) << 3 | flags, 0.0));
        });
        edge.rows = rows;
        edge.rows.len() as u32
    })
}

#[wasm_bindgen(js_name = setQuirks)]
pub fn set_quirks(queues_withdrawn: bool) {
    with(|edge| edge.relay.set_quirks(Quirks { queues_withdrawn }))
}

#[wasm_bindgen]
pub fn row(n: u32) -> u32 {
    with(|edge| {
        let Some(&(request, flags, since)) = edge.rows.get(n as usize) else {
            edge.rows = Vec::new();
            return 0;
        };
        edge.detail = [flags, 0, 0, 0];
        edge.since = since;
        if n as usize + 1 == edge.rows.len() {
            edge.rows = Vec::new();
        }
        request
    })
}
