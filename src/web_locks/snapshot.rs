//! What `navigator.locks.query()` tells, and what only this context knows: those who share
//! what the browser has granted once, and those who wait in its lines, behind the one that
//! the browser knows of.

use std::time::Duration;

use js_sys::Array;
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::JsFuture;

use super::bindings::{Info, Snapshot};
use super::claim::Claim;
use super::context::Context;
use super::platform::{lock_manager, unavailable, why_turned_down};
use crate::core::handoff::{IfHeld, Passing};
use crate::error::LockError;
use crate::guard::LockMode;
use crate::snapshot::{LockInfo, LockSnapshot};
use crate::time::Stamp;

/// The requests whose names begin with `prefix`.
pub(super) async fn query(prefix: &str) -> Result<LockSnapshot, LockError> {
    let client = match hidden(prefix, None).is_empty() {
        true => None,
        false => own_client().await?,
    };
    // Now, not when the answer is here: the browser answers as of when it was asked,
    // since messages to it keep their order.
    let (hidden, asked) = (hidden(prefix, client.as_deref()), ask()?);
    let Hidden { sharers, mut lines } = hidden;
    let snapshot = answer(asked).await?;
    let ours = |infos: Array| {
        let infos = infos.iter().map(|info| info.unchecked_into());
        let ours = infos.filter_map(|info: Info| describe(prefix, &info));
        ours.collect::<Vec<LockInfo>>()
    };
    let mut pending = Vec::new();
    for mut info in ours(snapshot.pending()) {
        // Behind the one of ours that the browser knows of, who is the first of them.
        let is_first = |line: &Line| line.key == info.key && info.client == client;
        let line = lines.iter().position(is_first);
        let line = line.map(|line| lines.remove(line));
        info.age = line.as_ref().and_then(|line| line.age_of_head);
        pending.push(info);
        pending.extend(line.into_iter().flat_map(|line| line.behind));
    }
    pending.extend(lines.into_iter().flat_map(|line| line.behind));
    let mut held = ours(snapshot.held());
    for info in &mut held {
        info.age = age_of_holder(prefix, info);
    }
    held.extend(sharers);
    Ok(LockSnapshot::new(held, pending))
}

/// What the browser does not tell of the requests of this context.
#[derive(Default)]
struct Hidden {
    /// Beside the one that the browser takes for the only holder.
    sharers: Vec<LockInfo>,
    lines: Vec<Line>,
}

/// Those who wait in one line.
struct Line {
    key: String,
    /// If the browser knows of the head, which it does not tell.
    age_of_head: Option<Duration>,
    /// Those of whom the browser does not know.
    behind: Vec<LockInfo>,
}

impl Hidden {
    fn is_empty(&self) -> bool {
        self.sharers.is_empty() && self.lines.is_empty()
    }
}

fn hidden(prefix: &str, client: Option<&str>) -> Hidden {
    let mut hidden = Hidden::default();
    Context::here().look(|relay| {
        relay.for_each_hidden(|request| {
            let Some(key) = request.name.strip_prefix(prefix) else {
                return;
            };
            let info = LockInfo {
                age: Some(Stamp::at(request.since).elapsed()),
                client: client.map(str::to_owned),
                ..LockInfo::new(key, request.mode)
            };
            if request.is_held {
                return hidden.sharers.push(info);
            }
            let lines = &mut hidden.lines;
            if lines.last().is_none_or(|line| line.key != key) {
                lines.push(Line {
                    key: key.to_owned(),
                    age_of_head: None,
                    behind: Vec::new(),
                });
            }
            let line = lines.last_mut().expect("there is one now");
            match request.is_asked_for {
                true => line.age_of_head = info.age,
                false => line.behind.push(info),
            }
        });
    });
    hidden
}

/// The browser's name for this page, worker or thread.
///
/// No call tells it. So we hold a lock that nobody else has, and look who does.
pub(super) async fn own_client() -> Result<Option<String>, LockError> {
    thread_local! {
        static OWN: std::cell::RefCell<Option<String>> = const { std::cell::RefCell::new(None) };
    }
    let known = OWN.with_borrow(Clone::clone);
    if known.is_some() {
        return Ok(known);
    }
    // No name that a lock of ours can have. (An integer: the code that prints floats is
    // larger than all of this module.)
    let random = (js_sys::Math::random() * f64::from(u32::MAX)) as u32;
    let name = format!("crosslock.client.{random}");
    let claim = Claim::new(&name, LockMode::Exclusive, IfHeld::Refuse, Passing::Off);
    claim.answer().await?;
    let held = answer(ask()?).await?.held();
    let mut held = held.iter().map(|info| info.unchecked_into());
    let own = held.find(|info: &Info| info.name() == name);
    let client = own.and_then(|info| info.client_id());
    OWN.set(client.clone());
    Ok(client)
}

fn ask() -> Result<js_sys::Promise, LockError> {
    let asked = lock_manager().map_err(unavailable)?.query();
    asked.map_err(|why| unavailable(why_turned_down(&why)))
}

async fn answer(asked: js_sys::Promise) -> Result<Snapshot, LockError> {
    let answer = JsFuture::from(asked).await;
    let answer = answer.map_err(|why| unavailable(why_turned_down(&why)))?;
    Ok(answer.unchecked_into())
}

/// An entry of the browser's snapshot, if it is one of those asked for.
fn describe(prefix: &str, info: &Info) -> Option<LockInfo> {
    let name = info.name();
    let key = name.strip_prefix(prefix)?;
    let mode = match info.mode().as_str() {
        "shared" => LockMode::Shared,
        _ => LockMode::Exclusive,
    };
    Some(LockInfo {
        client: info.client_id(),
        ..LockInfo::new(key, mode)
    })
}

/// The browser tells no times; but an exclusive lock has one holder, so if we have it, the
/// entry is ours.
fn age_of_holder(prefix: &str, info: &LockInfo) -> Option<Duration> {
    let name = format!("{prefix}{}", info.key);
    let since = match info.mode {
        LockMode::Exclusive => Context::here().look(|relay| relay.held_exclusively_since(&name)),
        LockMode::Shared => None,
    };
    since.map(|since| Stamp::at(since).elapsed())
}
