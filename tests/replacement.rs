//! An application that had this trait of its own, and now has ours in its place: what it
//! matches, prints, logs and builds on must not change under its hands.
#![cfg(not(target_family = "wasm"))]

#[path = "support/folder.rs"]
mod folder;

use std::error::Error;
use std::io;
use std::time::Duration;

use crosslock::memory::MemoryLockManager;
use crosslock::{
    AcquireOptions, LockError, LockKey, LockManager, LockMode, LockScope, PidLockError,
    PlatformError, PlatformOptions, platform_default, platform_default_with,
};

/// What a user reads in an issue, by each of the usual ways to print an error.
fn printed<E: Error + Send + Sync + 'static>(make: impl Fn() -> E) -> Vec<String> {
    let error = make();
    let mut by_hand = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        by_hand.push_str(": ");
        by_hand.push_str(&cause.to_string());
        next = cause.source();
    }
    let anyhow = format!("{:#}", anyhow::Error::new(make()));
    let eyre = format!("{:#}", eyre::Report::new(make()));
    vec![by_hand, anyhow, eyre]
}

/// However it is printed, each of `parts` stands there once.
fn assert_once<E: Error + Send + Sync + 'static>(make: impl Fn() -> E, parts: &[&str]) {
    for text in printed(make) {
        for part in parts {
            let count = text.to_lowercase().matches(&part.to_lowercase()).count();
            assert_eq!(count, 1, "{part:?} in {text:?}");
        }
    }
}

#[test]
fn the_refusal_is_the_sentence_that_programs_match() {
    let folder = folder::new();
    let _first = platform_default(folder.path()).unwrap();
    let refused = platform_default(folder.path()).unwrap_err();
    let (datadir, pid) = (folder.path().display(), std::process::id());
    assert_eq!(
        refused.to_string(),
        format!("another process is already using datadir {datadir} (holder PID: {pid})")
    );
    let unknown = PidLockError::AlreadyHeld {
        datadir: "/data".into(),
        pid: None,
    };
    assert_eq!(
        unknown.to_string(),
        "another process is already using datadir /data"
    );
}

#[test]
fn every_cause_is_printed_once() {
    let system = || io::Error::from_raw_os_error(13);
    let said = system().to_string();
    let io = || LockError::io("cannot look", system());
    assert_once(io, &["cannot look", &said]);
    assert_once(|| PidLockError::from(io()), &["cannot look", &said]);
    let backend = || LockError::backend("cannot ask the server", system());
    assert_once(backend, &["cannot ask the server", &said]);
    let setup = || PidLockError::SetupFailed {
        datadir: "/data".into(),
        source: system(),
    };
    assert_once(setup, &["cannot lock datadir /data", &said]);
    let key = || LockError::from(LockKey::new("a/b").unwrap_err());
    assert_once(key, &["invalid lock key", "'/' at byte 1"]);
    assert_once(|| PidLockError::from(key()), &["invalid lock key"]);
}

/// The errors of a real file system, with what we add to them.
#[test]
fn every_cause_of_a_failed_setup_is_printed_once() {
    let folder = folder::new();
    let file = folder.path().join("file");
    std::fs::write(&file, "").unwrap();
    let directory = folder.path().join("directory");
    std::fs::create_dir_all(directory.join("LOCK")).unwrap();

    for datadir in [&file.join("below"), &file, &directory] {
        let open = || platform_default(datadir).unwrap_err();
        let PidLockError::SetupFailed { source, .. } = open() else {
            panic!("{:?}", open());
        };
        let mut parts = vec!["cannot lock datadir".to_owned(), source.to_string()];
        let system = source.get_ref().and_then(|ours| ours.source());
        parts.extend(system.map(ToString::to_string));
        // Not even in other words.
        if let Some((words, _number)) = system
            .map(ToString::to_string)
            .unwrap_or_default()
            .split_once(" (os error")
        {
            parts.push(words.to_owned());
        }
        let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
        assert_once(open, &parts);
    }
}

/// One form for all targets, one type of error, and nothing in it is `cfg`.
fn open(datadir: Option<&std::path::Path>) -> Result<Box<dyn LockManager>, PlatformError> {
    let mut options = PlatformOptions::new()
        .with_namespace("01abcdef")
        .with_label("daemon");
    options.datadir = datadir.map(Into::into);
    platform_default_with(options)
}

#[tokio::test]
async fn without_a_datadir_there_is_memory() {
    let locks = open(None).unwrap();
    assert_eq!(locks.scope(), LockScope::Process);
    let _held = locks.try_lock("replacement.memory").await.unwrap();
    let other = MemoryLockManager::new();
    let error = other.lock("replacement.memory", Duration::ZERO).await;
    let error = error.unwrap_err().to_string();
    assert!(error.contains("held by daemon"), "{error}");
}

#[tokio::test]
async fn with_a_datadir_it_is_locked_under_the_label() {
    let folder = folder::new();
    let locks = open(Some(folder.path())).unwrap();
    assert_eq!(locks.scope(), LockScope::Datadir);
    let _held = locks.try_lock("k").await.unwrap();
    let held = locks.query().await.unwrap().held;
    assert_eq!(held[0].client.as_deref(), Some("daemon"));

    let second = || -> anyhow::Result<()> {
        open(Some(folder.path()))?;
        Ok(())
    };
    let error = second().unwrap_err();
    assert!(matches!(
        error.downcast_ref::<PidLockError>(),
        Some(PidLockError::AlreadyHeld { .. })
    ));
}

#[tokio::test]
async fn options_are_built_and_may_grow() {
    let locks = MemoryLockManager::new();
    let shared = AcquireOptions::new(Duration::ZERO).with_mode(LockMode::Shared);
    let one = locks.acquire("replacement.shared", shared).await.unwrap();
    let two = locks.acquire("replacement.shared", shared).await.unwrap();
    assert_eq!(
        (one.mode(), two.mode()),
        (LockMode::Shared, LockMode::Shared)
    );
    let long = shared.with_timeout(Duration::from_secs(7));
    assert_eq!(long.timeout, Duration::from_secs(7));
}

/// What an application keeps in its structs, and moves between threads.
#[test]
fn everything_that_is_kept_may_move_between_threads() {
    fn moves<T: Send + Sync + 'static>() {}
    moves::<Box<dyn LockManager>>();
    moves::<Box<dyn crosslock::LockGuard>>();
    moves::<MemoryLockManager>();
    moves::<crosslock::memory::MemoryLockGuard>();
    moves::<crosslock::LockSnapshot>();
    moves::<(LockError, PidLockError, crosslock::InvalidKey)>();
    moves::<(LockKey, AcquireOptions, PlatformOptions, LockScope)>();
}
