//! Locks in PostgreSQL, on servers of our own: what the conformance suite cannot show.
#![cfg(unix)]

#[path = "../support/cluster.rs"]
#[allow(unreachable_pub, reason = "one file for several tests")]
mod cluster;
#[path = "../support/proxy.rs"]
#[allow(dead_code, unreachable_pub, reason = "one file for several tests")]
mod proxy;

mod chaos;
mod drops;
mod encrypted;
mod fencing;
mod loss;
mod many;
mod migrating;
mod refusals;
mod servers;
mod silence;
mod support;
