//! [`Operation`]: a request from its question to its end, put together of its events.

use std::collections::HashMap;
use std::fmt;

use crate::event::{Ended, Event, How, Mode, What};

/// A request, by the clock readings of whoever made it.
#[derive(Debug, Clone)]
pub struct Operation {
    pub context: usize,
    pub request: u64,
    pub key: usize,
    pub mode: Mode,
    pub how: How,
    pub timeout: Option<u64>,
    pub asked: u64,
    pub queued: Option<u64>,
    pub granted: Option<u64>,
    pub token: Option<u64>,
    pub releasing: Option<u64>,
    pub released: Option<u64>,
    pub lost: Option<u64>,
    pub giving_up: Option<u64>,
    pub ended: Option<(u64, Ended)>,
    /// When its context was about to be killed, and when it was dead, if it was.
    pub killed: Option<(u64, u64)>,
}

impl Operation {
    /// Until when it certainly held, if nobody stole it.
    pub fn certainly_held_until(&self) -> u64 {
        let killed = self.killed.map_or(u64::MAX, |(killing, _)| killing);
        let releasing = self.releasing.unwrap_or(u64::MAX);
        releasing.min(killed).min(self.lost.unwrap_or(u64::MAX))
    }

    /// Until when it may have held or waited.
    pub fn possibly_there_until(&self) -> u64 {
        let ended = self.ended.map(|(at, _)| at).or(self.released);
        ended
            .or(self.killed.map(|(_, dead)| dead))
            .unwrap_or(u64::MAX)
    }

    /// Until when it certainly waited.
    pub fn certainly_waited_until(&self) -> u64 {
        // It was granted and stolen at any time, perhaps before it heard of the grant.
        if self.lost.is_some() || matches!(self.ended, Some((_, Ended::Lost))) {
            return self.queued.unwrap_or(self.asked);
        }
        // No timer fires before its time. Whoever is granted the lock after it may have left the queue by
        // then, and have tried once more.
        let late = self
            .timeout
            .map_or(u64::MAX, |timeout| self.asked.saturating_add(timeout));
        if let Some(granted) = self.granted {
            return late.min(granted);
        }
        let ended = self.ended.map_or(u64::MAX, |(at, _)| at);
        let killed = self.killed.map_or(u64::MAX, |(killing, _)| killing);
        let giving_up = self.giving_up.unwrap_or(u64::MAX);
        late.min(ended).min(killed).min(giving_up)
    }

    /// By when a steal has taken the lock from whoever had it, if it has.
    pub fn took_by(&self) -> u64 {
        self.granted.unwrap_or(self.possibly_there_until())
    }

    pub fn is_steal(&self) -> bool {
        self.how == How::Steal
    }
}

/// All requests, and the names of what they speak of.
#[derive(Debug, Default)]
pub struct History {
    pub operations: Vec<Operation>,
    pub contexts: Vec<String>,
    pub keys: Vec<String>,
    /// When each context was first told that all its locks are lost.
    pub invalidated: HashMap<usize, u64>,
}

/// What no client can have seen: the log is wrong, and nothing can be concluded from it.
#[derive(Debug, PartialEq, Eq)]
pub struct Malformed(pub String);

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "this is not the log of a client: {}", self.0)
    }
}

impl History {
    /// # Errors
    ///
    /// [`Malformed`], if events of one request contradict each other.
    pub fn new(events: impl IntoIterator<Item = Event>) -> Result<Self, Malformed> {
        let mut events: Vec<_> = events.into_iter().collect();
        // Stable: what one client logged at one moment stays in its order.
        events.sort_by_key(|event| event.at);
        let mut history = Self::default();
        let mut contexts = HashMap::new();
        let mut keys = HashMap::new();
        let mut places: HashMap<(usize, u64), usize> = HashMap::new();
        let mut of_context: HashMap<usize, Vec<usize>> = HashMap::new();
        let mut killing: HashMap<usize, u64> = HashMap::new();
        for Event { at, context, what } in events {
            let context = number(&mut contexts, &mut history.contexts, &context);
            let request = match what {
                What::Asked { request, .. }
                | What::Queued { request }
                | What::Granted { request }
                | What::Token { request, .. }
                | What::Releasing { request }
                | What::Released { request }
                | What::Lost { request }
                | What::GivingUp { request }
                | What::Ended { request, .. } => request,
                What::Invalidated => {
                    history.invalidated.entry(context).or_insert(at);
                    continue;
                }
                What::Killing => {
                    killing.insert(context, at);
                    continue;
                }
                What::Dead => {
                    let killed = killing.get(&context).copied().unwrap_or(at);
                    for &place in of_context.get(&context).into_iter().flatten() {
                        let operation = &mut history.operations[place];
                        if operation.possibly_there_until() == u64::MAX {
                            operation.killed = Some((killed, at));
                        }
                    }
                    continue;
                }
            };
            let wrong = |why: &str| {
                let context = &history.contexts[context];
                Malformed(format!("request {request} of {context} at {at}: {why}"))
            };
            if let What::Asked {
                key,
                mode,
                how,
                timeout,
                ..
            } = what
            {
                let place = history.operations.len();
                if places.insert((context, request), place).is_some() {
                    return Err(wrong("it was asked for twice"));
                }
                of_context.entry(context).or_default().push(place);
                history.operations.push(Operation {
                    context,
                    request,
                    key: number(&mut keys, &mut history.keys, &key),
                    mode,
                    how,
                    timeout,
                    asked: at,
                    queued: None,
                    granted: None,
                    token: None,
                    releasing: None,
                    released: None,
                    lost: None,
                    giving_up: None,
                    ended: None,
                    killed: None,
                });
                continue;
            }
            let Some(&place) = places.get(&(context, request)) else {
                return Err(wrong("nobody asked for it"));
            };
            let operation = &mut history.operations[place];
            let is_over = operation.ended.is_some() || operation.released.is_some();
            let is_held = operation.granted.is_some();
            let field = match what {
                _ if is_over => return Err(wrong("it was over before")),
                What::Queued { .. } if !is_held => &mut operation.queued,
                What::GivingUp { .. } if !is_held => &mut operation.giving_up,
                What::Granted { .. } if !is_held => &mut operation.granted,
                What::Token { token, .. } if is_held && operation.token.is_none() => {
                    operation.token = Some(token);
                    continue;
                }
                What::Lost { .. } if is_held => &mut operation.lost,
                What::Releasing { .. } if is_held => &mut operation.releasing,
                What::Released { .. } if operation.releasing.is_some() => &mut operation.released,
                What::Ended { why, .. } if !is_held => {
                    operation.ended = Some((at, why));
                    continue;
                }
                _ => return Err(wrong("it does not follow from what was before")),
            };
            if field.replace(at).is_some() {
                return Err(wrong("the same happened before"));
            }
        }
        Ok(history)
    }
}

fn number(numbers: &mut HashMap<String, usize>, names: &mut Vec<String>, name: &str) -> usize {
    if let Some(&number) = numbers.get(name) {
        return number;
    }
    let number = names.len();
    names.push(name.to_owned());
    numbers.insert(name.to_owned(), number);
    number
}
