//! What JavaScript calls. Numbers come and go, and nothing here calls JavaScript, so no
//! step is ever disturbed: whatever is thrown, or comes back at once, comes after it.
//! `js/src/core.ts` describes the same from the other side.
//!
//! That side calls the exports of WebAssembly themselves, without wasm-bindgen's glue, which is for what is more
//! than a number. By WebAssembly's JavaScript interface (`ToWebAssemblyValue`), a number becomes an `f64` or,
//! modulo 2^32, a `u32`; a boolean becomes 0 or 1, which is what wasm-bindgen takes for a `bool`; and a `u32`
//! arrives as a signed number.

use ::core::cell::RefCell;
use ::core::mem;
use alloc::vec::Vec;

use wasm_bindgen::prelude::*;

use crate::core::handoff::{
    Ahead, Command, Downgraded, GrantId, HandOff, IfHeld, Passing, QueueSlot, Reason, Settled,
    State,
};
use crate::core::{BrokenRule, LockMode, MAX_KEY_LEN, broken_rule};

/// All that there is. A request is woken for by its own number. What the platform said is
/// a number as well: JavaScript keeps the words.
struct Edge {
    rules: HandOff<u32, u32>,
    /// More about what was returned last.
    detail: [u32; 3],
    /// A moment about what was returned last.
    since: f64,
    rows: Vec<Row>,
    /// One byte more than a key can have, to know one that is too long.
    key: [u8; MAX_KEY_LEN + 1],
}

/// A request, or what the platform was asked for.
struct Row {
    request: u32,
    /// The queue, above three bits.
    flags: u32,
    since: f64,
}

struct Single(RefCell<Edge>);

// SAFETY: this module has no threads. (`tests/fuzz` runs one input at a time, and its test is one.)
unsafe impl Sync for Single {}

static EDGE: Single = Single(RefCell::new(Edge::new()));

impl Edge {
    const fn new() -> Self {
        Self {
            rules: HandOff::new(),
            detail: [0; 3],
            since: 0.0,
            rows: Vec::new(),
            key: [0; MAX_KEY_LEN + 1],
        }
    }
}

/// As if the module was loaded again: each input of a fuzzer starts with nothing.
#[cfg(crosslock_fuzz)]
pub(super) fn load() {
    with(|edge| *edge = Edge::new());
}

fn with<T>(step: impl FnOnce(&mut Edge) -> T) -> T {
    step(&mut EDGE.0.borrow_mut())
}

/// Where to write the bytes of a key.
#[wasm_bindgen(js_name = keyBuffer)]
pub fn key_buffer() -> *mut u8 {
    with(|edge| edge.key.as_mut_ptr())
}

/// The rule that the key of so many bytes breaks, in three bits, below the place of the
/// first byte that is not allowed; or 0.
#[wasm_bindgen(js_name = checkKey)]
pub fn check_key(length: u32) -> u32 {
    with(|edge| {
        let Some(key) = edge.key.get(..length as usize) else {
            return 2;
        };
        match broken_rule(key) {
            None => 0,
            Some(BrokenRule::NotEmpty) => 1,
            Some(BrokenRule::MaxLength) => 2,
            Some(BrokenRule::Charset(at)) => 3 | (at as u32) << 3,
            Some(BrokenRule::Start) => 4,
            Some(BrokenRule::End) => 5,
        }
    })
}

/// A lock of the platform's, or one that this context alone knows.
#[wasm_bindgen]
pub fn open(is_local: bool) -> u32 {
    with(|edge| edge.rules.open(is_local) as u32)
}

/// Forgets a lock that nobody uses. Returns whether that is so.
#[wasm_bindgen]
pub fn close(queue: u32) -> bool {
    with(|edge| edge.rules.close(queue as usize))
}

/// `flags`: 1 shared, 2 not to wait, 4 to steal, 8 not to be handed on. Returns the number
/// of the request, above a bit that says whether anything [follows](next), above the three
/// bits of its state.
#[wasm_bindgen]
pub fn request(queue: u32, flags: u32, now: f64) -> u32 {
    let mode = match flags & 1 {
        0 => LockMode::Exclusive,
        _ => LockMode::Shared,
    };
    let if_held = match flags & 6 {
        0 => IfHeld::Queue,
        2 => IfHeld::Refuse,
        _ => IfHeld::Steal,
    };
    let passing = match flags & 8 {
        0 => Passing::On,
        _ => Passing::Off,
    };
    with(|edge| {
        let slot = edge
            .rules
            .request(queue as usize, mode, if_held, passing, now);
        *edge.rules.waker(slot) = Some(slot as u32);
        let follows = u32::from(edge.rules.is_anything_next());
        (slot as u32) << 4 | follows << 3 | state_code(edge.rules.state(slot)) & 7
    })
}

/// Three bits for the state, four for the reason, and what was said.
#[wasm_bindgen]
pub fn state(request: u32) -> u32 {
    with(|edge| {
        *edge.rules.waker(request as usize) = Some(request);
        state_code(edge.rules.state(request as usize))
    })
}

fn state_code(state: &State<u32>) -> u32 {
    match state {
        State::Pending => 0,
        State::Held(_) => 1,
        State::Busy => 2,
        State::Rejected(why) => 3 | reason_code(why) << 3,
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

/// Frees a lock and forgets its request. Returns 1, below a bit that says whether anything
/// [follows](next), below the [queue that is unused](unused); or [`LATER`].
///
/// Without a time (`now` is negative) it does nothing where one is needed, and returns
/// [`TELL_THE_TIME`] or [`TELL_ABOUT_WHEN`]. Nor does it where the lock was lost, and returns
/// [`LOST`]: the caller may want to know why before it is forgotten.
#[wasm_bindgen]
pub fn free(request: u32, now: f64) -> u32 {
    with(|edge| {
        let slot = request as usize;
        if now < 0.0 {
            if matches!(edge.rules.state(slot), State::Lost(_)) {
                return LOST;
            }
            if edge.rules.has_waiters(slot) {
                return match edge.rules.is_local(slot) {
                    true => TELL_ABOUT_WHEN,
                    false => TELL_THE_TIME,
                };
            }
        }
        edge.rules.release(slot, now);
        if matches!(edge.rules.state(slot), State::Releasing) {
            return LATER;
        }
        let unused = unused(edge.rules.remove(slot, now).1);
        unused << 2 | u32::from(edge.rules.is_anything_next()) << 1 | 1
    })
}

/// Makes a held lock shared. Returns its state then, or [`UNSUPPORTED`].
#[wasm_bindgen]
pub fn downgrade(request: u32, now: f64) -> u32 {
    with(|edge| match edge.rules.downgrade(request as usize, now) {
        Downgraded::Unsupported => UNSUPPORTED,
        Downgraded::Shared | Downgraded::NotHeld => state_code(edge.rules.state(request as usize)),
    })
}

/// In the place of a state. What stands above it is not read.
const UNSUPPORTED: u32 = 7;

/// It is free once the platform says so.
const LATER: u32 = 0;
const TELL_THE_TIME: u32 = 2;
/// The time is for those who look at the lock: a millisecond more or less does not matter.
const TELL_ABOUT_WHEN: u32 = 4;
const LOST: u32 = 6;

/// Forgets a request, with what it holds or waits for. Returns the [queue that is
/// unused](unused).
#[wasm_bindgen]
pub fn remove(request: u32, now: f64) -> u32 {
    with(|edge| unused(edge.rules.remove(request as usize, now).1))
}

/// The queue that nobody uses any more, plus one; or 0.
fn unused(queue: Option<QueueSlot>) -> u32 {
    queue.map_or(0, |queue| queue as u32 + 1)
}

/// A try that waits for what this context has released waits no longer.
#[wasm_bindgen(js_name = tryAtOnce)]
pub fn try_at_once(request: u32, now: f64) {
    with(|edge| edge.rules.try_at_once(request as usize, now));
}

/// What is to be done next, in three bits, below the number of a request or a grant; or 0.
#[wasm_bindgen]
pub fn next() -> u32 {
    with(|edge| {
        let Some(order) = edge.rules.next_command() else {
            let changed = edge.rules.next_wake();
            return changed.map_or(0, |request| 1 | request << 3);
        };
        let (kind, grant) = match order {
            Command::Request {
                grant,
                queue,
                mode,
                if_held,
            } => {
                let if_held = match if_held {
                    IfHeld::Queue => 0,
                    IfHeld::Refuse => 2,
                    IfHeld::Steal => 4,
                };
                edge.detail[1] = queue as u32;
                edge.detail[2] = is_shared(mode) | if_held;
                (2, grant)
            }
            Command::Release(grant) => (3, grant),
            Command::Forget(grant) => (4, grant),
            Command::Confirm(grant) => (5, grant),
            Command::Remind => return 6,
        };
        edge.detail[0] = grant.serial;
        kind | grant.slot << 3
    })
}

fn is_shared(mode: LockMode) -> u32 {
    u32::from(mode == LockMode::Shared)
}

/// More about what was returned last.
#[wasm_bindgen]
pub fn detail(n: u32) -> u32 {
    with(|edge| edge.detail.get(n as usize).copied().unwrap_or(0))
}

/// Since when, of what was returned last.
#[wasm_bindgen]
pub fn since() -> f64 {
    with(|edge| edge.since)
}

/// The platform has called back. Returns whether to keep the lock.
#[wasm_bindgen(js_name = calledBack)]
pub fn called_back(slot: u32, serial: u32, has_lock: bool, now: f64) -> bool {
    let grant = GrantId { slot, serial };
    with(|edge| edge.rules.called_back(grant, has_lock, now))
}

/// The promise of the platform's is settled: 0 resolved, 1 aborted, 2 failed, and what was
/// said then. Returns the [queue that is unused](unused).
#[wasm_bindgen]
pub fn settled(slot: u32, serial: u32, how: u32, said: u32, now: f64) -> u32 {
    let grant = GrantId { slot, serial };
    let how = match how {
        0 => Settled::Resolved,
        1 => Settled::Aborted,
        _ => Settled::Failed(said),
    };
    with(|edge| unused(edge.rules.settled(grant, how, now)))
}

/// The round trips are done. Returns the [queue that is unused](unused).
#[wasm_bindgen]
pub fn confirmed(slot: u32, serial: u32, now: f64) -> u32 {
    let grant = GrantId { slot, serial };
    with(|edge| unused(edge.rules.confirmed(grant, now)))
}

/// The page goes into the back/forward cache.
#[wasm_bindgen(js_name = loseAll)]
pub fn lose_all() {
    with(|edge| drop(edge.rules.lose_all(&Reason::Cached)));
}

/// The time of the reminder has come.
#[wasm_bindgen]
pub fn remind(now: f64) {
    with(|edge| edge.rules.remind(now));
}

/// The page is hidden, or can be seen again.
#[wasm_bindgen(js_name = setHidden)]
pub fn set_hidden(is_hidden: bool, now: f64) {
    with(|edge| edge.rules.set_hidden(is_hidden, now));
}

/// Whether this context holds the lock.
#[wasm_bindgen]
pub fn holds(queue: u32) -> bool {
    with(|edge| edge.rules.holds(queue as usize))
}

/// Whether one of this context is in the way of a request that waits. If so, `detail` has
/// the holder's, and how many wait in front, counted up to `most`, if that is known.
#[wasm_bindgen]
pub fn ahead(request: u32, most: u32) -> bool {
    with(|edge| {
        let ahead = edge.rules.ahead_of(request as usize, most as usize);
        let Some(Ahead {
            holder,
            held_since,
            waiting,
        }) = ahead
        else {
            return false;
        };
        edge.detail[0] = holder as u32;
        edge.detail[1] = waiting.map_or(u32::MAX, |waiting| waiting as u32);
        edge.since = held_since;
        true
    })
}

/// Makes rows of all that this context holds and waits for: 1 shared, 2 held, 4 asked for.
/// Returns how many.
#[wasm_bindgen(js_name = listOwn)]
pub fn list_own() -> u32 {
    with(|edge| {
        let mut rows = Vec::new();
        edge.rules.for_each_own(|own| {
            let is_held = u32::from(own.is_held) << 1;
            let is_asked_for = u32::from(own.is_asked_for) << 2;
            rows.push(Row {
                request: own.request as u32,
                flags: (own.queue as u32) << 3 | is_shared(own.mode) | is_held | is_asked_for,
                since: own.since,
            });
        });
        edge.rows = rows;
        edge.rows.len() as u32
    })
}

/// Makes rows of what the platform may show of this context: 1 shared, 2 granted. Returns
/// how many.
#[wasm_bindgen(js_name = listAsked)]
pub fn list_asked() -> u32 {
    with(|edge| {
        let mut rows = Vec::new();
        edge.rules.for_each_asked(|asked| {
            let is_granted = u32::from(asked.is_granted) << 1;
            rows.push(Row {
                request: 0,
                flags: (asked.queue as u32) << 3 | is_shared(asked.mode) | is_granted,
                since: 0.0,
            });
        });
        edge.rows = rows;
        edge.rows.len() as u32
    })
}

/// The request of a row; the rest is in `detail` and `since`. The last one is read last.
#[wasm_bindgen]
pub fn row(n: u32) -> u32 {
    with(|edge| {
        let Some(&Row {
            request,
            flags,
            since,
        }) = edge.rows.get(n as usize)
        else {
            return 0;
        };
        edge.detail[0] = flags;
        edge.since = since;
        if n as usize + 1 == edge.rows.len() {
            mem::take(&mut edge.rows);
        }
        request
    })
}
