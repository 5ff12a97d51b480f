//! Locks in PostgreSQL, on servers of our own.
#![cfg(unix)]

#[path = "../support/cluster.rs"]
mod cluster;
