//! [`Thread`]: what the JavaScript of this thread has asked for, by number.
//!
//! A thread may have several environments of Node-API, and several copies of the package in one of
//! them. Each is a [`Client`], and the numbers are unique among all of them.

use std::cell::RefCell;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use crosslock::edge::{Kind, Locks, Request, State, Watch};
use crosslock::{LockError, LockMode, PidLockError};
use slab::Slab;

use crate::client::Client;
use crate::opening::Opening;

thread_local! {
    static THREAD: RefCell<Thread> = RefCell::new(Thread::new());
}

/// Nothing that `step` calls may come back here: wakers push a number to a list, and no more.
pub(crate) fn with<T>(step: impl FnOnce(&mut Thread) -> T) -> T {
    THREAD.with_borrow_mut(step)
}

#[derive(Debug)]
pub(crate) struct Thread {
    clients: Slab<Client>,
    spaces: Slab<Space>,
    queues: Slab<Queue>,
    requests: Slab<Entry>,
    openings: Slab<(u32, Opening)>,
}

/// The locks that share a keyspace.
#[derive(Debug)]
struct Space {
    locks: Locks,
    /// Whose it is; `None` for memory, which is everybody's.
    client: Option<u32>,
    /// Whether it is to go with the last of its requests.
    is_closed: bool,
}

/// The requests of one client for one key.
#[derive(Debug)]
struct Queue {
    client: u32,
    space: u32,
    key: Box<str>,
    requests: u32,
}

#[derive(Debug)]
struct Entry {
    id: Request,
    queue: u32,
    waits: bool,
    /// Whether its loss is watched, and by what, unless a loss has used that up.
    watch: Option<Option<Watch>>,
}

/// What a request is to do if somebody is in the way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum IfHeld {
    Wait,
    Refuse,
    Steal,
}

/// What has become of a request that was freed.
#[derive(Debug)]
pub(crate) struct Freed {
    /// Whether a request of the same client has changed with it.
    pub(crate) follows: bool,
    /// The queue, if it has no request any more.
    pub(crate) unused: Option<u32>,
}

/// The space of memory.
const MEMORY: u32 = 0;

impl Thread {
    fn new() -> Self {
        let mut spaces = Slab::new();
        let memory = spaces.insert(Space {
            locks: Locks::in_memory(),
            client: None,
            is_closed: false,
        });
        debug_assert_eq!(memory, MEMORY as usize);
        Self {
            clients: Slab::new(),
            spaces,
            queues: Slab::new(),
            requests: Slab::new(),
            openings: Slab::new(),
        }
    }

    pub(crate) fn connect(&mut self, client: Client) -> u32 {
        self.clients.insert(client) as u32
    }

    pub(crate) fn locks(&self, space: u32) -> &Locks {
        &self.spaces[space as usize].locks
    }

    /// `key` keeps the rules.
    pub(crate) fn open(&mut self, client: u32, space: u32, key: String) -> u32 {
        self.queues.insert(Queue {
            client,
            space,
            key: key.into_boxed_str(),
            requests: 0,
        }) as u32
    }

    /// Forgets a queue without requests.
    pub(crate) fn close(&mut self, queue: u32) {
        let is_unused = |queue: &Queue| queue.requests == 0;
        if self.queues.get(queue as usize).is_some_and(is_unused) {
            self.queues.remove(queue as usize);
        }
    }

    /// `None` if it was refused. `label` is `None` for the client's own name.
    pub(crate) fn request(
        &mut self,
        queue_number: u32,
        mode: LockMode,
        if_held: IfHeld,
        label: Option<Arc<str>>,
    ) -> Result<Option<(u32, State)>, LockError> {
        let queue = &mut self.queues[queue_number as usize];
        let client = &mut self.clients[queue.client as usize];
        let locks = &self.spaces[queue.space as usize].locks;
        let entry = self.requests.vacant_entry();
        let number = entry.key() as u32;
        let name = Some(label.as_ref().unwrap_or(&client.name));
        let (id, state) = match if_held {
            IfHeld::Steal => {
                // Whoever loses it here is told when this call returns.
                let (id, _) = client.wakes.within(|| locks.steal(&queue.key, name));
                (id?, State::Held)
            }
            _ => {
                let wakes = &client.wakes;
                let waker = (if_held == IfHeld::Wait).then_some(|| wakes.waker(number));
                match locks.request(&queue.key, mode, name, waker)? {
                    Some(asked) => asked,
                    None => return Ok(None),
                }
            }
        };
        let waits = state == State::Pending;
        if waits {
            client.begins_to_wait();
        }
        queue.requests += 1;
        entry.insert(Entry {
            id,
            queue: queue_number,
            waits,
            watch: None,
        });
        Ok(Some((number, state)))
    }

    /// A request, and the locks that it is for.
    fn with_locks(&mut self, request: u32) -> (&mut Entry, &Locks) {
        let entry = &mut self.requests[request as usize];
        let space = self.queues[entry.queue as usize].space;
        (entry, &self.spaces[space as usize].locks)
    }

    pub(crate) fn state(&mut self, request: u32) -> State {
        let (entry, locks) = self.with_locks(request);
        let state = locks.state(&mut entry.id);
        if entry.waits && state != State::Pending {
            self.ends_to_wait(request);
        }
        state
    }

    fn ends_to_wait(&mut self, request: u32) {
        let entry = &mut self.requests[request as usize];
        if std::mem::take(&mut entry.waits) {
            let client = self.queues[entry.queue as usize].client;
            self.clients[client as usize].ends_to_wait();
        }
    }

    pub(crate) fn reason(&mut self, request: u32) -> String {
        let (entry, locks) = self.with_locks(request);
        locks.reason(&mut entry.id)
    }

    /// Forgets a request, and frees what it holds. With `only_if_held` it does nothing and
    /// returns `None` where that was lost.
    pub(crate) fn free(&mut self, number: u32, only_if_held: bool) -> Option<Freed> {
        let entry = &mut self.requests[number as usize];
        let queue = &mut self.queues[entry.queue as usize];
        let client = &self.clients[queue.client as usize];
        let locks = &self.spaces[queue.space as usize].locks;
        let (was_held, follows) = client.wakes.within(|| locks.free(&mut entry.id));
        if only_if_held && !was_held {
            return None;
        }
        if let Some(Some(watch)) = entry.watch {
            locks.unwatch(&mut entry.id, watch);
        }
        queue.requests -= 1;
        let unused = (queue.requests == 0).then_some(entry.queue);
        let space = queue.space;
        if entry.waits {
            self.ends_to_wait(number);
        }
        self.requests.remove(number as usize);
        if unused.is_some() && self.spaces[space as usize].is_closed {
            self.forget_if_unused(space);
        }
        Some(Freed { follows, unused })
    }

    /// Makes a request that is held shared. Returns its state then. Readers of the same client that it
    /// lets in are for [`next`](Self::next).
    pub(crate) fn downgrade(&mut self, number: u32) -> Result<State, LockError> {
        let entry = &mut self.requests[number as usize];
        let queue = &self.queues[entry.queue as usize];
        let locks = &self.spaces[queue.space as usize].locks;
        let client = &self.clients[queue.client as usize];
        client.wakes.within(|| locks.downgrade(&mut entry.id)).0
    }

    /// The next request of a client that has changed, with its state.
    pub(crate) fn next(&mut self, client: u32) -> Option<(u32, State)> {
        loop {
            let number = self.clients[client as usize].wakes.next()?;
            // It may be gone by now, and the number another's: then nothing is new for that one.
            let Some(entry) = self.requests.get(number as usize) else {
                continue;
            };
            if self.queues[entry.queue as usize].client != client {
                continue;
            }
            // A loss uses up what watches for losses, and most are of others.
            let state = match entry.watch {
                Some(_) => self.watch(number),
                None => self.state(number),
            };
            return Some((number, state));
        }
    }

    /// Has a request that is held, if it is, watched for its loss. Returns its state.
    pub(crate) fn watch(&mut self, number: u32) -> State {
        let state = self.state(number);
        if state != State::Held {
            return state;
        }
        let entry = &mut self.requests[number as usize];
        let queue = &self.queues[entry.queue as usize];
        let locks = &self.spaces[queue.space as usize].locks;
        let wakes = &self.clients[queue.client as usize].wakes;
        if let Some(Some(watch)) = entry.watch {
            locks.unwatch(&mut entry.id, watch);
        }
        let watch = locks.watch(&mut entry.id, wakes.waker(number));
        entry.watch = Some(watch);
        // It was lost since we looked.
        match watch {
            Some(_) => State::Held,
            None => State::Lost,
        }
    }

    /// Who is in the way of a request.
    pub(crate) fn contention(
        &mut self,
        request: u32,
        most: usize,
    ) -> Option<crosslock::Contention> {
        let entry = &mut self.requests[request as usize];
        let queue = &self.queues[entry.queue as usize];
        let locks = &self.spaces[queue.space as usize].locks;
        locks.contention(&queue.key, &mut entry.id, most)
    }

    /// Opens a datadir. [`opened`](Self::opened) tells when that is done, by the number that this returns.
    pub(crate) fn open_datadir(
        &mut self,
        client: u32,
        kind: Kind,
        datadir: PathBuf,
        lock_file: Option<PathBuf>,
        timeout: Duration,
    ) -> io::Result<u32> {
        let place = self.openings.vacant_entry();
        let ticket = place.key() as u32;
        let owner = &mut self.clients[client as usize];
        let wakes = owner.wakes.clone();
        let opening = Opening::start(kind, datadir, lock_file, timeout, wakes, ticket)?;
        place.insert((client, opening));
        owner.begins_to_wait();
        Ok(ticket)
    }

    /// A datadir that was opened, or could not be, with the space of its locks.
    pub(crate) fn opened(
        &mut self,
        client: u32,
    ) -> Option<(u32, Option<Result<u32, PidLockError>>)> {
        let owner = &mut self.clients[client as usize];
        let (ticket, opened) = owner.wakes.next_opened()?;
        owner.ends_to_wait();
        self.openings.remove(ticket as usize);
        let space = |locks| Space {
            locks,
            client: Some(client),
            is_closed: false,
        };
        let opened =
            opened.map(|opened| opened.map(|locks| self.spaces.insert(space(locks)) as u32));
        Some((ticket, opened))
    }

    /// Gives a datadir up when the last of its requests is gone. Returns whether that is now.
    pub(crate) fn close_datadir(&mut self, space: u32) -> bool {
        self.spaces[space as usize].is_closed = true;
        self.forget_if_unused(space)
    }

    fn forget_if_unused(&mut self, space: u32) -> bool {
        let is_used = |queue: &Queue| queue.space == space && queue.requests > 0;
        if self.queues.iter().any(|(_, queue)| is_used(queue)) {
            return false;
        }
        self.queues.retain(|_, queue| queue.space != space);
        self.spaces.remove(space as usize);
        true
    }

    /// Frees all that a client has.
    pub(crate) fn end(&mut self, client: u32) -> Option<Client> {
        let ended = self.clients.try_remove(client as usize)?;
        let Self {
            spaces,
            queues,
            requests,
            ..
        } = self;
        requests.retain(|_, entry| {
            let queue = &queues[entry.queue as usize];
            if queue.client != client {
                return true;
            }
            let locks = &spaces[queue.space as usize].locks;
            if let Some(Some(watch)) = entry.watch {
                locks.unwatch(&mut entry.id, watch);
            }
            // Not within a call of its own, whose follow-up nobody would look at.
            locks.free(&mut entry.id);
            false
        });
        queues.retain(|_, queue| queue.client != client);
        spaces.retain(|_, space| space.client != Some(client));
        // It waits for their threads. What these have opened meanwhile goes with the client.
        self.openings.retain(|_, (owner, _)| *owner != client);
        Some(ended)
    }
}
