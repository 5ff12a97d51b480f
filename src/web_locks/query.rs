//! What `navigator.locks.query()` tells of other contexts, and what this one knows of itself:
//! those who share what the browser has granted once, those who wait in its lines behind the
//! one that the browser knows of, and what has changed since the browser was asked.

use js_sys::Array;
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::JsFuture;

use super::bindings::{Foreign, promise_of, text_in};
use super::claim::Claim;
use super::context::Context;
use super::names;
use super::platform::{failed, lock_manager, unavailable};
use crate::core::handoff::{IfHeld, Passing};
use crate::error::LockError;
use crate::guard::LockMode;
use crate::snapshot::{LockInfo, LockSnapshot};
use crate::time::Stamp;

/// The requests whose names begin with `prefix`.
///
/// Those of other contexts are as of when the browser answered, those of this one as of
/// when its caller is told: it must not be told of a lock that it released since.
pub(super) async fn query(prefix: &str) -> Result<LockSnapshot, LockError> {
    let mut client = match asked(prefix).0.is_empty() {
        true => None,
        false => own_client(prefix).await?,
    };
    // Now: the browser answers as of when it was asked, since messages to it keep their
    // order.
    let (mut asked, question) = (asked(prefix), ask()?);
    let answer = answer(question, prefix).await?;
    if client.is_none() && !own(prefix).is_empty() {
        client = own_client(prefix).await?;
    }
    let own = own(prefix);
    let (ours, waiting): (Vec<Own>, Vec<Own>) = own.into_iter().partition(|own| own.is_held);
    let mut lines = Lines::of(waiting);
    let is_own = |info: &LockInfo| info.client.is_some() && info.client == client;
    let mut pending = Vec::new();
    // Before what is held: what was not granted when the browser was asked is among those.
    for info in answer.pending {
        match is_own(&info) && asked.take(&info, false) {
            // Here is one of ours, as the browser knew it.
            true => lines.show_next(&info.key, &mut pending),
            false => pending.push(info),
        }
    }
    pending.extend(lines.0.into_iter().flatten().map(|own| own.info));
    let mut held: Vec<LockInfo> = ours.into_iter().map(|own| own.info).collect();
    let others = answer.held.into_iter();
    held.extend(others.filter(|info| !(is_own(info) && asked.take(info, true))));
    for info in held
        .iter_mut()
        .chain(&mut pending)
        .filter(|info| info.age.is_some())
    {
        info.client.clone_from(&client);
    }
    Ok(LockSnapshot::new(held, pending))
}

/// A request of this context.
struct Own {
    info: LockInfo,
    since: f64,
    is_held: bool,
    is_asked_for: bool,
}

// Three times asked for, once in what a browser loads.
#[inline(never)]
fn own(prefix: &str) -> Vec<Own> {
    let mut all = Vec::new();
    Context::here().look(|rules| {
        rules.for_each_own(|name, own| {
            if let Some(key) = names::key_of(prefix, name) {
                all.push(Own {
                    info: LockInfo::new(key, own.mode),
                    since: own.since,
                    is_held: own.is_held,
                    is_asked_for: own.is_asked_for,
                });
            }
        });
    });
    for own in &mut all {
        own.info.age = Some(Stamp::at(own.since).elapsed());
    }
    all
}

/// Those of this context who wait, key by key.
struct Lines(Vec<std::vec::IntoIter<Own>>);

impl Lines {
    /// `waiting` has those of one key one after the other.
    fn of(waiting: Vec<Own>) -> Self {
        let mut lines = Vec::new();
        let mut line: Vec<Own> = Vec::new();
        for own in waiting {
            if line
                .last()
                .is_some_and(|last| last.info.key != own.info.key)
            {
                lines.push(std::mem::take(&mut line).into_iter());
            }
            line.push(own);
        }
        lines.push(line.into_iter());
        Self(lines)
    }

    /// Shows the next that the browser was asked for, and those who wait behind it in our
    /// line.
    fn show_next(&mut self, key: &str, shown: &mut Vec<LockInfo>) {
        let first =
            |line: &std::vec::IntoIter<Own>| line.as_slice().first().map(|own| own.info.key == key);
        let Some(line) = self.0.iter_mut().find(|line| first(line) == Some(true)) else {
            return;
        };
        while let Some(own) = line.next() {
            shown.push(own.info);
            if line.as_slice().first().is_none_or(|next| next.is_asked_for) {
                return;
            }
        }
    }
}

/// What the browser may show of this context: so many that were granted when it was asked,
/// and so many that may have been since.
///
/// Another copy of this module in the same page is the same client to the browser, and what
/// it has is not ours to leave out. So each is taken once.
struct Asked(Vec<(String, LockMode, [usize; 2])>);

impl Asked {
    fn take(&mut self, info: &LockInfo, is_held: bool) -> bool {
        let mut all = self.0.iter_mut();
        let asked = all.find(|(key, mode, _)| (key, mode) == (&info.key, &info.mode));
        let Some((_, _, [waiting, granted])) = asked else {
            return false;
        };
        let count = match is_held && *granted > 0 {
            true => granted,
            false => waiting,
        };
        let is_one = *count > 0;
        *count -= usize::from(is_one);
        is_one
    }
}

fn asked(prefix: &str) -> Asked {
    let mut all: Vec<(String, LockMode, [usize; 2])> = Vec::new();
    Context::here().look(|rules| {
        rules.for_each_asked(|name, asked| {
            let Some(key) = names::key_of(prefix, name) else {
                return;
            };
            let mut known = all.iter_mut();
            let known = known.find(|(known, mode, _)| (known.as_str(), *mode) == (key, asked.mode));
            match known {
                Some((_, _, counts)) => counts[usize::from(asked.is_granted)] += 1,
                None => {
                    let mut counts = [0; 2];
                    counts[usize::from(asked.is_granted)] = 1;
                    all.push((key.to_owned(), asked.mode, counts));
                }
            }
        });
    });
    Asked(all)
}

/// The browser's name for this page, worker or thread.
///
/// No call tells it. So we look who holds a lock that we hold exclusively, among those
/// whose names begin with `prefix`. If there is none, we have to hold one for the purpose,
/// which others can see while it lasts.
pub(super) async fn own_client(prefix: &str) -> Result<Option<String>, LockError> {
    thread_local! {
        static OWN: std::cell::RefCell<Option<String>> = const { std::cell::RefCell::new(None) };
    }
    let known = OWN.with_borrow(Clone::clone);
    if known.is_some() {
        return Ok(known);
    }
    for ours in [held_exclusively(prefix), None] {
        let (prefix, key, _held) = match &ours {
            Some(ours) => (prefix, ours.info.key.clone(), None),
            None => {
                // No name that another lock of ours can have, or that a manager would show.
                // (An integer: the code that prints floats is larger than this module.)
                let random = (js_sys::Math::random() * f64::from(u32::MAX)) as u32;
                let (prefix, key) = ("crosslock:client?", random.to_string());
                let name = format!("{prefix}{key}");
                let claim = Claim::new(&name, LockMode::Exclusive, IfHeld::Refuse, Passing::Off);
                claim.answer_of_try(&name).await?;
                (prefix, key, Some(claim))
            }
        };
        let held = answer(ask()?, prefix).await?.held;
        let holder = held.into_iter().find(|info| info.key == key);
        let client = holder.and_then(|info| info.client);
        // Held by one request before the question and after the answer: whenever the
        // browser answered, it was of us.
        let is_ours = ours.is_none_or(|ours| {
            held_exclusively(prefix)
                .is_some_and(|own| own.since == ours.since && own.info.key == ours.info.key)
        });
        if is_ours && client.is_some() {
            OWN.set(client.clone());
            return Ok(client);
        }
    }
    Ok(None)
}

/// The first lock that this context holds exclusively, if it holds one.
fn held_exclusively(prefix: &str) -> Option<Own> {
    let mut all = own(prefix).into_iter();
    all.find(|own| own.is_held && own.info.mode == LockMode::Exclusive)
}

fn ask() -> Result<JsValue, LockError> {
    let asked = lock_manager().map_err(unavailable)?.query();
    asked.map_err(|why| unavailable(failed(&why)))
}

/// What the browser answers, of the locks whose names begin with `prefix`.
async fn answer(asked: JsValue, prefix: &str) -> Result<LockSnapshot, LockError> {
    let promise = promise_of("navigator.locks.query()", &asked).map_err(unavailable)?;
    let answer = JsFuture::from(js_sys::Promise::from(promise)).await;
    let answer: Foreign = answer
        .map_err(|why| unavailable(failed(&why)))?
        .unchecked_into();
    let all = |list: Result<JsValue, JsValue>| {
        let list = list.ok().filter(Array::is_array).ok_or_else(|| {
            let reason = "navigator.locks.query() answered without the arrays held and pending";
            unavailable(String::from(reason))
        })?;
        let list: Array = list.unchecked_into();
        let infos = list.iter();
        let ours = infos.filter_map(|info| describe(prefix, info.unchecked_ref()));
        Ok::<_, LockError>(ours.collect::<Vec<LockInfo>>())
    };
    // Neither is looked for in a primitive, where there is nothing.
    Ok(LockSnapshot::new(
        all(answer.held())?,
        all(answer.pending())?,
    ))
}

/// An entry of the browser's snapshot, if it is one of those asked for.
fn describe(prefix: &str, info: &Foreign) -> Option<LockInfo> {
    let name = text_in(info.name())?;
    let key = names::key_of(prefix, &name)?;
    let mode = match text_in(info.mode())?.as_str() {
        "shared" => LockMode::Shared,
        _ => LockMode::Exclusive,
    };
    Some(LockInfo {
        client: text_in(info.client_id()),
        ..LockInfo::new(key, mode)
    })
}
