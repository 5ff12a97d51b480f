//! [`DatadirOptions`]: all that a manager of a datadir can be told when it opens one.

use std::time::{Duration, Instant};

use crosslock::{DatadirOptions, PidLockError};
use futures::executor::block_on;

use crate::folder;
use crate::managers::{Kind, with_each_manager};

with_each_manager! {
    each_option_counts
    no_option_is_the_default
}

fn each_option_counts(kind: Kind) {
    let folder = folder::new();
    let timeout = Duration::from_millis(100);
    let options = DatadirOptions::new(folder.path())
        .with_lock_file("wallet.lock")
        .with_timeout(timeout)
        .with_label("daemon");
    let first = kind.open_with(options.clone()).unwrap();
    assert!(folder.path().join("wallet.lock").exists());
    assert!(!folder.path().join("LOCK").exists());

    let _guard = first.try_lock("lightning.send.42").unwrap();
    let held = block_on(first.0.query()).unwrap().held;
    assert_eq!(held[0].client.as_deref(), Some("daemon"));

    let start = Instant::now();
    let second = kind.open_with(options);
    assert!(matches!(second, Err(PidLockError::AlreadyHeld { .. })));
    assert!(start.elapsed() >= timeout);
}

fn no_option_is_the_default(kind: Kind) {
    let folder = folder::new();
    let first = kind.open_with(DatadirOptions::new(folder.path())).unwrap();
    assert!(matches!(
        kind.open(folder.path()),
        Err(PidLockError::AlreadyHeld { .. })
    ));
    let _guard = first.try_lock("lightning.send.42").unwrap();
    assert_eq!(block_on(first.0.query()).unwrap().held[0].client, None);
}
