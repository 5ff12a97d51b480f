//! Many waiters, and many keys.

use std::time::{Duration, Instant};

use crosslock::LockManager;
use futures::future::join_all;
use futures::stream::{FuturesUnordered, StreamExt};

use crate::cluster::shared;
use crate::support::{LONG, connect, lock, manager};

#[tokio::test(flavor = "multi_thread")]
async fn a_release_wakes_one_of_a_thousand() {
    const WAITERS: usize = 1000;
    let cluster = shared().await;
    let (a, b) = (
        manager(cluster, "thousand-a").await,
        manager(cluster, "thousand-b").await,
    );
    // Hears what the sessions hear.
    let client = cluster.client().await;
    let held = lock(&a, "thousand").await;
    let mut waits: FuturesUnordered<_> = (0..WAITERS)
        .map(|n| {
            let locks = if n % 2 == 0 { &a } else { &b };
            async move {
                (
                    n,
                    locks.lock("thousand", LONG).await.expect("its turn comes"),
                )
            }
        })
        .collect();
    // All of them ask at the first poll.
    assert!(futures::poll!(waits.next()).is_pending());
    let pending = async || {
        let snapshot = a.query().await.expect("it works");
        snapshot
            .pending
            .iter()
            .filter(|info| info.key == "thousand")
            .count()
    };
    while pending().await < WAITERS {
        assert!(futures::poll!(waits.next()).is_pending());
    }
    let grants = async || -> i64 {
        let sql = "select count(token) from crosslock.request where key = 'thousand'";
        client.query_one(sql, &[]).await.expect("the table").get(0)
    };
    held.release().await;
    let mut granted = 0;
    let (mut of_a, mut of_b) = (0, 1);
    let begin = Instant::now();
    while let Some((n, guard)) = waits.next().await {
        // Those of one instance in their order, and never two at once.
        let next = if n % 2 == 0 { &mut of_a } else { &mut of_b };
        assert_eq!(n, *next);
        *next += 2;
        if granted % 100 == 0 {
            assert_eq!(grants().await, 1, "a release has granted more than one");
        }
        granted += 1;
        guard.release().await;
    }
    assert_eq!(granted, WAITERS);
    println!(
        "hand-off with 1,000 waiters: {:?}",
        begin.elapsed() / WAITERS as u32
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_thousand_held_keys_do_not_slow_a_free_one() {
    const KEYS: usize = 10_000;
    let cluster = shared().await;
    let locks = manager(cluster, "many-keys").await;
    let other = manager(cluster, "many-keys-other").await;
    let cost = async || {
        let mut times = Vec::new();
        for _ in 0..200 {
            let begin = Instant::now();
            lock(&other, "free-key").await.release().await;
            times.push(begin.elapsed());
        }
        times.sort();
        times[100]
    };
    let before = cost().await;
    let names: Vec<String> = (0..KEYS).map(|n| format!("many-keys.{n}")).collect();
    let mut guards = Vec::with_capacity(KEYS);
    for some in names.chunks(500) {
        let locked = join_all(some.iter().map(|name| locks.lock(name, LONG))).await;
        guards.extend(locked.into_iter().map(|guard| guard.expect("free")));
    }
    let with = cost().await;
    println!("a free key: {before:?}; beside {KEYS} held ones: {with:?}");
    // Generous: other tests run at the same time.
    assert!(
        with < before * 5 + Duration::from_millis(1),
        "{with:?} instead of {before:?}"
    );
    // All of them come free when their session ends, however many there are.
    drop(guards.pop());
    let client = cluster.client().await;
    crate::support::terminate(&client, "many-keys").await;
    let waits = ["many-keys.0", "many-keys.5000", "many-keys.9998"].map(|key| lock(&other, key));
    drop(crate::support::soon(join_all(waits)).await);
    let fresh = connect(cluster.options()).await;
    while crate::support::left(&client, "many-keys.").await > 0 {
        fresh.query().await.expect("it works");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}
