//! Random use of any [`LockManager`], by a seed, with everything that clients do: waits that
//! time out or are dropped, tries, steals, readers and writers.

use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use crosslock::{AcquireOptions, LockError, LockGuard, LockManager, LockMode};
use fastrand::Rng;
use tokio::runtime::{Builder, Runtime};

use crate::event::{Ended, How, Mode, What};
use crate::recorder::{Log, Recorder};
use crate::requests::Requests;

/// What the tasks do.
#[derive(Debug, Clone)]
pub struct Workload {
    pub seed: u64,
    pub tasks: usize,
    pub keys: usize,
    /// Requests, over all tasks.
    pub operations: u64,
    /// Whether locks are stolen, once in two hundred requests.
    pub steals: bool,
    /// For how long a lock is held at most.
    pub hold: Duration,
    /// Whether the locks are a server's, which hears of a release or a dropped wait later than
    /// the call returns, and answers in the order in which it was asked.
    pub is_remote: bool,
}

/// The runtime of a context: two threads, so that its tasks do meet.
pub fn runtime() -> Runtime {
    Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .expect("a runtime")
}

/// The manager has lost its session, and all that it had: whoever ended it logs what follows.
struct Gone;

impl Workload {
    /// Runs it, each task on the runtime's threads, until all requests are made or, of a remote
    /// backend, the manager is lost.
    ///
    /// # Panics
    ///
    /// If the backend answers with an error that no client should see.
    pub async fn run(
        &self,
        locks: Arc<dyn LockManager>,
        recorder: &Recorder,
        requests: Arc<Requests>,
    ) {
        let end = requests.so_far().saturating_add(self.operations);
        let tasks = (0..self.tasks).map(|task| {
            let seed = self.seed.wrapping_mul(31).wrapping_add(task as u64);
            let mut client = Client {
                random: Rng::with_seed(seed),
                log: recorder.log(),
                locks: locks.clone(),
                requests: requests.clone(),
                workload: self.clone(),
            };
            tokio::spawn(async move {
                loop {
                    let request = client.requests.next();
                    if request >= end || client.request(request).await.is_err() {
                        break;
                    }
                }
            })
        });
        for task in tasks.collect::<Vec<_>>() {
            task.await.expect("no task panics");
        }
    }
}

struct Client {
    random: Rng,
    log: Log,
    locks: Arc<dyn LockManager>,
    requests: Arc<Requests>,
    workload: Workload,
}

impl Client {
    async fn request(&mut self, request: u64) -> Result<(), Gone> {
        let mode = match self.random.bool() {
            true => Mode::Exclusive,
            false => Mode::Shared,
        };
        let key = format!("history.{}", self.random.usize(..self.workload.keys));
        match self.random.u32(..200) {
            0 if self.workload.steals => self.steal(request, key).await,
            0..40 => self.try_lock(request, key, mode).await,
            _ => self.lock(request, key, mode).await,
        }
    }

    fn asks(&mut self, request: u64, key: &str, mode: Mode, how: How, timeout: Option<Duration>) {
        let timeout = timeout.map(|timeout| timeout.as_nanos() as u64);
        let key = key.to_owned();
        self.log.add(What::Asked {
            request,
            key,
            mode,
            how,
            timeout,
        });
    }

    /// Returns when the backend has done all that it was asked before.
    ///
    /// # Errors
    ///
    /// [`Gone`], if it answers no more.
    async fn settle(&self) -> Result<(), Gone> {
        if !self.workload.is_remote {
            return Ok(());
        }
        self.locks.query().await.map(drop).map_err(|_| Gone)
    }

    async fn ended(&mut self, request: u64, why: Ended) -> Result<(), Gone> {
        self.settle().await?;
        self.log.add(What::Ended { request, why });
        Ok(())
    }

    async fn lock(&mut self, request: u64, key: String, mode: Mode) -> Result<(), Gone> {
        // One in four is short enough to run out of time now and then.
        let timeout = match self.random.u32(..4) {
            0 => Duration::from_micros(self.random.u64(..3_000)),
            _ => Duration::from_secs(60),
        };
        // One in eight is dropped if it has to wait, after so many polls.
        let patience = match self.random.u32(..8) {
            0 => self.random.u32(1..3),
            _ => u32::MAX,
        };
        self.asks(request, &key, mode, How::Lock, Some(timeout));
        let options = AcquireOptions::new(timeout).with_mode(mode_of(mode));
        let locks = self.locks.clone();
        let mut polls = 0;
        let result = {
            let mut wait = pin!(locks.acquire(&key, options));
            let is_remote = self.workload.is_remote;
            // A server has the request once it has answered what it was asked after it.
            let mut queued = pin!(async { !is_remote || locks.query().await.is_ok() });
            let mut is_queued = None;
            poll_fn(|cx| {
                let polled = wait.as_mut().poll(cx);
                polls += 1;
                if let Poll::Ready(result) = polled {
                    return Poll::Ready(Some(result));
                }
                if is_queued.is_none()
                    && let Poll::Ready(queued) = queued.as_mut().poll(cx)
                {
                    is_queued = Some(queued);
                    if queued {
                        self.log.add(What::Queued { request });
                    }
                }
                if polls >= patience {
                    // Dropped when this block ends, which is when the log says that it is.
                    self.log.add(What::GivingUp { request });
                    return Poll::Ready(None);
                }
                if patience < u32::MAX {
                    cx.waker().wake_by_ref();
                }
                Poll::Pending
            })
            .await
        };
        match result {
            Some(Ok(guard)) => self.hold(request, guard).await,
            Some(Err(LockError::TimedOut { .. })) => self.ended(request, Ended::TimedOut).await,
            Some(Err(error)) => self.failed(request, &error).await,
            None => self.ended(request, Ended::Withdrawn).await,
        }
    }

    async fn try_lock(&mut self, request: u64, key: String, mode: Mode) -> Result<(), Gone> {
        self.asks(request, &key, mode, How::TryLock, None);
        match self.locks.try_acquire(&key, mode_of(mode)).await {
            Ok(Some(guard)) => self.hold(request, guard).await,
            Ok(None) => self.ended(request, Ended::Busy).await,
            Err(error) => self.failed(request, &error).await,
        }
    }

    async fn steal(&mut self, request: u64, key: String) -> Result<(), Gone> {
        self.asks(request, &key, Mode::Exclusive, How::Steal, None);
        match self.locks.steal(&key).await {
            Ok(guard) => self.hold(request, guard).await,
            Err(error) => self.failed(request, &error).await,
        }
    }

    async fn hold(&mut self, request: u64, guard: Box<dyn LockGuard>) -> Result<(), Gone> {
        self.log.add(What::Granted { request });
        if let Some(token) = guard.fencing_token() {
            let token = token.get();
            self.log.add(What::Token { request, token });
        }
        let hold = self.workload.hold;
        // An answer of a server takes longer than a short hold: two that held at once would not
        // meet.
        let sleeps = match self.workload.is_remote {
            true => 4,
            false => 1,
        };
        match self.random.u32(..8) {
            draw if draw < sleeps => tokio::time::sleep(hold.mul_f64(self.random.f64())).await,
            ..4 => tokio::task::yield_now().await,
            _ => {}
        }
        if guard.is_lost() {
            self.log.add(What::Lost { request });
        }
        self.log.add(What::Releasing { request });
        match self.random.bool() {
            true => drop(guard),
            false => guard.release().await,
        }
        self.settle().await?;
        self.log.add(What::Released { request });
        Ok(())
    }

    async fn failed(&mut self, request: u64, error: &LockError) -> Result<(), Gone> {
        // First whether all is lost: then any error may say so.
        self.settle().await?;
        assert!(matches!(error, LockError::Lost { .. }), "{error}");
        self.ended(request, Ended::Lost).await
    }
}

fn mode_of(mode: Mode) -> LockMode {
    match mode {
        Mode::Exclusive => LockMode::Exclusive,
        Mode::Shared => LockMode::Shared,
    }
}
