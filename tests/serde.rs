//! The feature `serde`: what is written, and that it can be read again.
#![cfg(not(target_family = "wasm"))]

use std::time::Duration;

use crosslock::memory::MemoryLockManager;
use crosslock::{
    AcquireOptions, Contention, LockError, LockInfo, LockManager, LockMode, LockScope, LockSnapshot,
};
use serde_json::{Value, from_value, json, to_value};

fn snapshot() -> LockSnapshot {
    let mut held = LockInfo::new("lightning.send.42", LockMode::Exclusive);
    held.age = Some(Duration::from_nanos(1_500_000_001));
    held.client = Some(String::from("daemon"));
    let pending = LockInfo::new("round.7", LockMode::Shared);
    LockSnapshot::new(vec![held], vec![pending])
}

#[test]
fn a_snapshot_is_written_like_that_of_the_npm_package() {
    let written = to_value(snapshot()).unwrap();
    let held = json!({
        "key": "lightning.send.42", "mode": "exclusive", "age": 1500.000001, "client": "daemon",
    });
    let pending = json!({ "key": "round.7", "mode": "shared", "age": null, "client": null });
    assert_eq!(written, json!({ "held": [held], "pending": [pending] }));
    assert_eq!(from_value::<LockSnapshot>(written).unwrap(), snapshot());
}

#[test]
fn what_is_left_out_is_unknown() {
    let info: LockInfo = from_value(json!({ "key": "k", "mode": "shared" })).unwrap();
    assert_eq!(info, LockInfo::new("k", LockMode::Shared));
    assert_eq!(
        from_value::<LockSnapshot>(json!({})).unwrap(),
        LockSnapshot::default()
    );
    assert_eq!(
        from_value::<Contention>(json!({})).unwrap(),
        Contention::default()
    );
    // As a later version may write it.
    let info: LockInfo = from_value(json!({ "key": "k", "mode": "shared", "new": 1 })).unwrap();
    assert_eq!(info.key, "k");
}

#[test]
fn modes_and_scopes_have_the_names_of_the_npm_package() {
    for mode in [LockMode::Exclusive, LockMode::Shared] {
        assert_eq!(to_value(mode).unwrap(), mode.as_str());
        assert_eq!(from_value::<LockMode>(json!(mode.as_str())).unwrap(), mode);
    }
    let scopes = [
        (LockScope::Unspecified, "unspecified"),
        (LockScope::Process, "process"),
        (LockScope::Datadir, "datadir"),
        (LockScope::Origin, "origin"),
    ];
    for (scope, name) in scopes {
        assert_eq!(to_value(scope).unwrap(), name);
        assert_eq!(from_value::<LockScope>(json!(name)).unwrap(), scope);
    }
}

#[test]
fn what_makes_no_sense_is_refused() {
    let with_age =
        |age: Value| from_value::<LockInfo>(json!({ "key": "k", "mode": "shared", "age": age }));
    assert!(with_age(json!(-1.0)).is_err());
    assert!(with_age(json!("1 s")).is_err());
    assert!(from_value::<LockMode>(json!("Exclusive")).is_err());
    assert!(from_value::<LockScope>(json!("world")).is_err());
}

/// Every number of nanoseconds up to 50 days is read as it was written.
#[test]
fn times_keep_their_nanoseconds() {
    let longest = 50 * 86_400_000_000_000;
    for nanos in [
        0,
        1,
        999_999,
        1_000_001,
        86_399_999_999_999,
        longest - 1,
        longest,
    ] {
        let mut info = LockInfo::new("k", LockMode::Shared);
        info.age = Some(Duration::from_nanos(nanos));
        let text = serde_json::to_string(&info).unwrap();
        assert_eq!(
            serde_json::from_str::<LockInfo>(&text).unwrap(),
            info,
            "{text}"
        );
    }
}

#[tokio::test]
async fn a_real_timeout_and_a_real_snapshot_are_written() {
    let locks = MemoryLockManager::with_label("tab 3");
    let guard = locks.lock("serde.real", Duration::ZERO).await.unwrap();
    let options = AcquireOptions::shared(Duration::from_millis(1));
    let error = locks.acquire("serde.real", options).await.unwrap_err();
    let LockError::TimedOut {
        contention: Some(contention),
        ..
    } = error
    else {
        panic!("{error:?}");
    };
    let written = to_value(&*contention).unwrap();
    assert_eq!(written["holder"], "tab 3");
    assert!(written["heldFor"].as_f64().unwrap() >= 1.0, "{written}");
    assert_eq!(
        (&written["ahead"], &written["noAnswer"]),
        (&json!(0), &json!(false))
    );
    assert_eq!(from_value::<Contention>(written).unwrap(), *contention);

    let snapshot = locks.query().await.unwrap();
    let written = serde_json::to_string(&snapshot).unwrap();
    assert!(written.contains(guard.key()), "{written}");
    assert_eq!(
        serde_json::from_str::<LockSnapshot>(&written).unwrap(),
        snapshot
    );
}
