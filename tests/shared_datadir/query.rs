//! What a process is told of the requests of others.

use std::time::Duration;

use crosslock::shared_datadir::SharedDatadirLockManager;
use crosslock::{AcquireOptions, LockError, LockInfo, LockManager, LockMode};
use futures::poll;

use crate::folder;

const LONG: Duration = Duration::from_secs(60);

/// What is told of another manager, which is this process, and of this one.
type Told<'a> = (&'a str, LockMode, bool);

fn told(infos: &[LockInfo]) -> Vec<Told<'_>> {
    let told = |info: &LockInfo| {
        let is_own = info.client.as_deref() == Some("own");
        if !is_own {
            let expected = match cfg!(target_os = "linux") {
                true => format!("process {}", std::process::id()),
                false => String::from("another process"),
            };
            assert_eq!(info.client.as_deref(), Some(&*expected));
            assert_eq!(info.age, None);
        }
        is_own
    };
    let infos = infos.iter();
    infos
        .map(|info| (info.key.as_str(), info.mode, told(info)))
        .collect()
}

#[tokio::test]
async fn others_are_shown_in_the_order_of_the_queue() {
    use LockMode::{Exclusive, Shared};
    let folder = folder::new();
    let open = || SharedDatadirLockManager::new(folder.path()).unwrap();
    let (holder, second, last) = (open(), open(), open());
    let own = open().with_label("own");
    let _reading = [
        holder.try_acquire("key", Shared).await.unwrap().unwrap(),
        own.try_acquire("key", Shared).await.unwrap().unwrap(),
    ];
    let shown = own.query().await.unwrap();
    // On Windows readers may share one byte, and nothing tells how many they are.
    let readers = match cfg!(windows) {
        true => vec![("key", Shared, true)],
        false => vec![("key", Shared, true), ("key", Shared, false)],
    };
    assert_eq!(told(&shown.held), readers);
    assert_eq!(told(&shown.pending), []);

    let mut writes = second.lock("key", LONG);
    assert!(poll!(&mut writes).is_pending());
    let mut own_write = own.lock("other", LONG);
    let _other = holder.try_lock("other").await.unwrap();
    assert!(poll!(&mut own_write).is_pending());
    let mut reads = last.acquire("other", AcquireOptions::shared(LONG));
    assert!(poll!(&mut reads).is_pending());
    let shown = own.query().await.unwrap();
    let others = vec![("other", Exclusive, false)];
    assert_eq!(told(&shown.held), [readers, others].concat());
    assert_eq!(
        told(&shown.pending),
        [
            ("key", Exclusive, false),
            ("other", Exclusive, true),
            ("other", Shared, false)
        ]
    );
}

/// One who uses no key asks for those that it knows of.
#[tokio::test]
async fn whoever_asks_for_a_key_is_told_who_has_it() {
    let folder = folder::new();
    let open = || SharedDatadirLockManager::new(folder.path()).unwrap();
    let (one, watcher) = (open(), open());
    let guard = one.try_lock("key").await.unwrap();
    assert_eq!(watcher.query().await.unwrap(), Default::default());
    // Each is told once.
    let shown = watcher.query_keys(["key", "free", "key"]).await.unwrap();
    assert_eq!(told(&shown.held), [("key", LockMode::Exclusive, false)]);
    assert_eq!(told(&shown.pending), []);
    drop(guard);
    let shown = watcher.query_keys(["key"]).await.unwrap();
    assert_eq!(shown, Default::default());
    // Nobody is in anybody's way for having asked.
    assert!(one.try_lock("key").await.is_some());
    let error = watcher.query_keys(["not a key"]).await.unwrap_err();
    assert!(matches!(error, LockError::InvalidKey(_)), "{error}");
}

/// A timeout says who holds the key, and how many processes come before this one.
#[tokio::test]
async fn a_timeout_names_the_holder_and_those_in_front() {
    let folder = folder::new();
    let open = || SharedDatadirLockManager::new(folder.path()).unwrap();
    let (one, two, three, four) = (open(), open(), open(), open());
    let _held = one.try_lock("key").await.unwrap();
    let mut waits = [two.lock("key", LONG), three.lock("key", LONG)];
    for wait in &mut waits {
        assert!(poll!(wait).is_pending());
    }
    let error = four.lock("key", Duration::from_millis(50)).await;
    let text = error.unwrap_err().to_string();
    let holder = match cfg!(target_os = "linux") {
        true => format!("held by process {} for ", std::process::id()),
        false => String::from("held by another process for "),
    };
    assert!(text.contains(&holder), "{text}");
    assert!(text.ends_with("ms, 2 requests wait in front"), "{text}");
}

/// As many as are looked for. (Elsewhere readers may share one byte, or a process may not open so many files.)
#[cfg(target_os = "linux")]
#[tokio::test]
async fn of_many_processes_so_many_are_shown() {
    let folder = folder::new();
    let open = || SharedDatadirLockManager::new(folder.path()).unwrap();
    let (watcher, readers) = (open(), [(); 130].map(|()| open()));
    let mut guards = Vec::new();
    for reader in &readers {
        guards.push(reader.try_acquire("key", LockMode::Shared).await.unwrap());
    }
    let shown = watcher.query_keys(["key"]).await.unwrap();
    assert_eq!((shown.held.len(), shown.pending.len()), (128, 0));
}
