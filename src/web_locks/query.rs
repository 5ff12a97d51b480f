//! [`query`]: all requests, put together from two sources. `navigator.locks.query()` tells of
//! other clients. This client knows of itself what the browser does not: the requests that
//! share one grant of the browser, those that wait in a local queue behind the one that the
//! browser knows of, and what has changed since the browser was asked.

use super::browser_query::{answer, ask};
use super::client_id::own_client_id;
use super::own_requests::{Own, asked, own};
use crate::error::LockError;
use crate::snapshot::{LockInfo, LockSnapshot};

/// The requests whose names begin with `prefix`.
///
/// Those of other clients are as of the moment when the browser answered. Those of this client
/// are as of the moment when the caller is told: it must not be told of a lock that it has
/// released since.
pub(super) async fn query(prefix: &str) -> Result<LockSnapshot, LockError> {
    let mut client = match asked(prefix).is_empty() {
        true => None,
        false => own_client_id(prefix).await?,
    };
    // Both at the same moment. Messages to the browser keep their order, so it answers as of
    // the moment when it was asked.
    let (mut asked, promise) = (asked(prefix), ask()?);
    let answer = answer(promise, prefix).await?;
    if client.is_none() && !own(prefix).is_empty() {
        client = own_client_id(prefix).await?;
    }
    let own = own(prefix);
    let (ours, waiting): (Vec<Own>, Vec<Own>) = own.into_iter().partition(|own| own.is_held);
    let mut queues = LocalQueues::of(waiting);
    let is_own = |info: &LockInfo| info.client.is_some() && info.client == client;
    let mut pending = Vec::new();
    // First the pending requests, then the locks that are held: a request of ours that was
    // pending when we asked, and is not in the first list, is in the second. Its grant was on
    // the way.
    for info in answer.pending {
        match is_own(&info) && asked.take(&info, false) {
            // The browser shows one of ours here, so ours are shown here.
            true => queues.show_next(&info.key, &mut pending),
            false => pending.push(info),
        }
    }
    pending.extend(queues.0.into_iter().flatten().map(|own| own.info));
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

/// The requests of this client that wait, key by key.
struct LocalQueues(Vec<std::vec::IntoIter<Own>>);

impl LocalQueues {
    /// `waiting` has the requests for one key one after the other.
    fn of(waiting: Vec<Own>) -> Self {
        let mut queues = Vec::new();
        let mut queue: Vec<Own> = Vec::new();
        for own in waiting {
            if queue
                .last()
                .is_some_and(|last| last.info.key != own.info.key)
            {
                queues.push(std::mem::take(&mut queue).into_iter());
            }
            queue.push(own);
        }
        queues.push(queue.into_iter());
        Self(queues)
    }

    /// Shows the next request that the browser knows of, and those that wait behind it in the
    /// local queue.
    fn show_next(&mut self, key: &str, shown: &mut Vec<LockInfo>) {
        let first = |queue: &std::vec::IntoIter<Own>| {
            queue.as_slice().first().map(|own| own.info.key == key)
        };
        let Some(queue) = self.0.iter_mut().find(|queue| first(queue) == Some(true)) else {
            return;
        };
        while let Some(own) = queue.next() {
            shown.push(own.info);
            if queue
                .as_slice()
                .first()
                .is_none_or(|next| next.is_asked_for)
            {
                return;
            }
        }
    }
}
