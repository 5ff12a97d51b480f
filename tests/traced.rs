//! What the feature `tracing` tells, as a subscriber of an application hears it.
#![cfg(not(target_family = "wasm"))]

use std::future::Future;
use std::io;
use std::pin::pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Waker};
use std::time::Duration;

use crosslock::memory::MemoryLockManager;
use crosslock::traced::TracedLockManager;
use crosslock::{LockManager, LockMode};
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::fmt::format::FmtSpan;

#[allow(dead_code)]
#[path = "../examples/traces.rs"]
mod example;

const LONG: Duration = Duration::from_secs(60);

/// What was written, line by line.
#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl io::Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().expect("no panic").extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Lines {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

impl Lines {
    fn all(&self) -> Vec<String> {
        let bytes = self.0.lock().expect("no panic").clone();
        let text = String::from_utf8(bytes).expect("text");
        text.lines()
            .map(|line| without_figures(line.trim()))
            .collect()
    }
}

/// Durations and microseconds as `N`: they are others each time.
fn without_figures(line: &str) -> String {
    let mut words = Vec::new();
    for word in line.split(' ') {
        // `held by bob for 344ms`
        let word = match words.last().map(String::as_str) {
            Some("for") if word.starts_with(|c: char| c.is_ascii_digit()) => "N",
            _ => word,
        };
        let told = ["waited=", "held=", "waited_us=", "held_us="];
        match told.iter().find(|name| word.contains(**name)) {
            Some(_) => {
                let mut word = word.to_owned();
                for name in told {
                    if let Some(at) = word.find(name) {
                        let from = at + name.len();
                        let digits = word[from..].find(['}', ',']);
                        let to = digits.map_or(word.len(), |digits| from + digits);
                        word.replace_range(from..to, "N");
                    }
                }
                words.push(word);
            }
            None => words.push(word.to_owned()),
        }
    }
    words.join(" ")
}

/// Runs `work` where everything is traced. `ends` has the end of each span told as well.
fn traced<F: Future>(ends: bool, work: F) -> Vec<String> {
    let lines = Lines::default();
    let spans = if ends { FmtSpan::CLOSE } else { FmtSpan::NONE };
    let subscriber = tracing_subscriber::fmt()
        .without_time()
        .with_target(false)
        .with_ansi(false)
        .with_max_level(tracing::Level::DEBUG)
        .with_span_events(spans)
        .with_writer(lines.clone())
        .finish();
    tracing::subscriber::with_default(subscriber, || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build();
        runtime.expect("a runtime").block_on(work);
    });
    lines.all()
}

/// The lines of one lock, without what is the same in all.
fn of(lines: &[String], key: &str) -> Vec<String> {
    let of_key = lines
        .iter()
        .filter(|line| line.contains(&format!("key=\"{key}\"")));
    let told = of_key.filter_map(|line| Some(line.rsplit_once("}: ")?.1.to_owned()));
    told.collect()
}

fn locks() -> TracedLockManager<MemoryLockManager> {
    TracedLockManager::new(MemoryLockManager::new())
}

#[test]
fn a_lock_is_told_from_the_request_to_the_release() {
    let lines = traced(true, async {
        let span = tracing::info_span!("payment", id = 42);
        let _in_it = span.enter();
        let locks = locks().with_label("checkout");
        let guard = locks.lock("traced.1", LONG).await.expect("it is free");
        guard.release().await;
    });
    assert_eq!(
        of(&lines, "traced.1"),
        ["asked", "granted waited=N", "released held=N", "close"]
    );
    let end = lines
        .iter()
        .find(|line| line.ends_with("close"))
        .expect("the span ends");
    for part in [
        "payment{id=42}:lock{key=\"traced.1\" mode=exclusive by=checkout",
        "waited_us=N",
        "held_us=N",
        "outcome=\"released\"",
    ] {
        assert!(end.contains(part), "{end:?} lacks {part:?}");
    }
}

#[test]
fn what_was_not_granted_is_told_with_the_reason() {
    let lines = traced(false, async {
        let held = MemoryLockManager::with_label("the other")
            .lock("traced.2", LONG)
            .await;
        let _held = held.expect("it is free");
        let locks = locks();
        assert!(locks.try_lock("traced.2").await.is_none());
        let shared = locks.try_acquire("traced.2", LockMode::Shared).await;
        assert!(shared.expect("it works").is_none());
        locks
            .lock("traced.2", Duration::from_millis(5))
            .await
            .expect_err("it is held");
        locks
            .lock("not a key", LONG)
            .await
            .expect_err("it breaks a rule");
        let mut dropped = pin!(locks.lock("traced.2", LONG));
        let mut cx = Context::from_waker(Waker::noop());
        assert!(dropped.as_mut().poll(&mut cx).is_pending());
    });
    let told = of(&lines, "traced.2");
    assert_eq!(&told[..5], ["asked", "busy", "asked", "busy", "asked"]);
    assert!(
        told[5].starts_with("timed out error=timed out acquiring lock"),
        "{told:?}"
    );
    assert!(told[5].contains("the other"), "{told:?}");
    assert_eq!(&told[6..], ["asked", "dropped"]);
    assert!(
        of(&lines, "not a key")[1].starts_with("failed error="),
        "{lines:?}"
    );
}

#[test]
fn a_loss_is_told_once_and_warned_of() {
    let lines = traced(false, async {
        let locks = locks();
        let victim = locks.lock("traced.3", LONG).await.expect("it is free");
        let thief = locks.steal("traced.3").await.expect("it can steal");
        victim.lost().await;
        assert!(victim.is_lost());
        victim.ensure_held().expect_err("it is lost");
        drop(victim);
        let mut thief = thief;
        thief.downgrade().await.expect("it is held");
        drop(thief);
        // Nobody has looked before the drop.
        let unaware = locks.lock("traced.3", LONG).await.expect("it is free");
        drop(locks.steal("traced.3").await.expect("it can steal"));
        drop(unaware);
    });
    let losses: Vec<_> = lines
        .iter()
        .filter(|line| line.contains("lost error="))
        .collect();
    assert_eq!(losses.len(), 2, "{lines:?}");
    assert!(
        losses
            .iter()
            .all(|line| line.starts_with("WARN") && line.contains("it was stolen")),
        "{losses:?}"
    );
    assert!(
        of(&lines, "traced.3").contains(&"downgraded".to_owned()),
        "{lines:?}"
    );
}

#[test]
fn each_of_many_keys_is_told() {
    let lines = traced(false, async {
        let locks = locks();
        let keys = ["traced.b", "traced.a", "traced.b"];
        let guards = locks.lock_many(&keys, LONG).await.expect("they are free");
        assert_eq!(guards.len(), 2);
        drop(guards);
    });
    for key in ["traced.a", "traced.b"] {
        assert_eq!(
            of(&lines, key),
            ["asked", "granted waited=N", "released held=N"]
        );
    }
}

#[test]
fn a_wait_that_closes_a_circle_is_warned_of_and_no_other() {
    let named = |name: &'static str| {
        TracedLockManager::new(MemoryLockManager::with_label(name)).warn_of_deadlocks()
    };
    let lines = traced(false, async {
        let (a, b, c) = (named("a"), named("b"), named("c"));
        let x = a.lock("circle.x", LONG).await.expect("it is free");
        let _y = b.lock("circle.y", LONG).await.expect("it is free");
        let mut cx = Context::from_waker(Waker::noop());
        let mut behind = pin!(c.lock("circle.x", LONG));
        assert!(behind.as_mut().poll(&mut cx).is_pending());
        let mut first = pin!(b.lock("circle.x", LONG));
        assert!(first.as_mut().poll(&mut cx).is_pending());
        let mut closes = pin!(a.lock("circle.y", LONG));
        assert!(closes.as_mut().poll(&mut cx).is_pending());
        drop(x);
    });
    let warned: Vec<_> = lines
        .iter()
        .filter(|line| line.contains("deadlock"))
        .collect();
    assert_eq!(warned.len(), 1, "{lines:?}");
    let circle = r#"circle="a waits for \"circle.y\" behind b, b waits for \"circle.x\" behind a""#;
    assert!(warned[0].contains(circle), "{warned:?}");
    assert!(warned[0].starts_with("WARN"), "{warned:?}");
}

/// The README shows what the example prints.
#[test]
fn the_readme_shows_the_example() {
    let printed = traced(false, example::example());
    let readme = include_str!("../README.md");
    let (_, rest) = readme
        .split_once("cargo run --example traces --features tracing\n")
        .expect("the command");
    let (shown, _) = rest.split_once("\n```").expect("the end of the block");
    let shown: Vec<String> = shown
        .lines()
        .filter(|line| !line.is_empty())
        .map(|line| without_figures(line.trim()))
        .collect();
    assert_eq!(printed, shown);
}
