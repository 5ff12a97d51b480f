//! [`own_client_id`]: the id by which the browser knows this page, worker or thread.

use super::browser_query::{answer, ask};
use super::own_requests::{Own, own};
use super::request::RequestHandle;
use crate::core::handoff::{IfHeld, Passing};
use crate::error::LockError;
use crate::guard::LockMode;

/// The browser's id for this page, worker or thread.
///
/// No call tells it. So we look who holds a lock that we hold exclusively, among those
/// whose names begin with `prefix`. If we hold none, we take one for the purpose, which others
/// can see while it is held.
pub(super) async fn own_client_id(prefix: &str) -> Result<Option<String>, LockError> {
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
                // No other lock of ours can have that name, and no manager shows it. (The number
                // is an integer, as the code that prints floats is larger than this module.)
                let random = (js_sys::Math::random() * f64::from(u32::MAX)) as u32;
                let (prefix, key) = ("crosslock:client?", random.to_string());
                let name = format!("{prefix}{key}");
                let request =
                    RequestHandle::new(&name, LockMode::Exclusive, IfHeld::Refuse, Passing::Off);
                request.answer_of_try(&name).await?;
                (prefix, key, Some(request))
            }
        };
        let held = answer(ask()?, prefix).await?.held;
        let holder = held.into_iter().find(|info| info.key == key);
        let client = holder.and_then(|info| info.client);
        // If one request has held the lock from before the question until after the answer,
        // the holder in the answer is us.
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

/// The first lock that this client holds exclusively, if it holds one.
fn held_exclusively(prefix: &str) -> Option<Own> {
    let mut all = own(prefix).into_iter();
    all.find(|own| own.is_held && own.info.mode == LockMode::Exclusive)
}
