//! wip
#![allow(dead_code, missing_docs)]
mod protocol;
