//! What all shards of a table are together.

use std::collections::HashSet;
use std::sync::Arc;

use super::operations::try_acquire;
use super::shards::{SHARDS, SharedTable};
use crate::error::LockError;
use crate::guard::LockMode;

#[test]
fn keys_are_spread_over_all_shards() {
    let table = SharedTable::new();
    let names: Vec<_> = (0..1000).map(|n| format!("key.{n}")).collect();
    let shards = names
        .iter()
        .map(|name| std::ptr::from_ref(table.shard_for(&table.sought(name))));
    assert_eq!(shards.collect::<HashSet<_>>().len(), SHARDS);
}

/// A check that comes before may have found all well, a moment ago.
#[test]
fn a_key_of_a_closed_table_is_lost_and_not_busy() {
    let table = Arc::new(SharedTable::new());
    let take = || try_acquire(&table, "key", LockMode::Shared, None, |guard| guard);
    let guard = take().expect("open").expect("it is free");
    table.close("gone");
    let taken = take();
    assert!(matches!(&taken, Err(LockError::Lost { reason, .. }) if reason == "gone"));
    drop(guard);
}
