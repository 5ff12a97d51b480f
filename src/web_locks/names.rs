//! What the browser calls our locks: a prefix, and the key.
//!
//! Two managers share a lock exactly if their names for it are equal. Keys and namespaces
//! have no `:`, so the names of two namespaces are never equal. A prefix that the application
//! gives cannot begin like that of a namespace. If it is the start of one, such as `cross`, no
//! key can continue it to `crosslock:`. Two prefixes of applications can share a lock only if
//! one of them is the start of the other.

use crate::key::{self, InvalidKey, KeyRule, LockKey};

const OURS: &str = "crosslock:";

/// The prefix of a namespace. A namespace keeps the rules for keys, or is empty.
pub(super) fn in_namespace(namespace: &str) -> Result<String, InvalidKey> {
    if !namespace.is_empty() {
        LockKey::new(namespace)?;
    }
    Ok(format!("{OURS}{namespace}:"))
}

/// Checks a prefix that an application gives.
pub(super) fn with_prefix(prefix: String) -> Result<String, InvalidKey> {
    // The specification keeps names that begin with `-` for itself.
    match prefix.starts_with(OURS) || prefix.starts_with('-') {
        true => Err(InvalidKey::new(&prefix, KeyRule::Prefix)),
        false => Ok(prefix),
    }
}

/// The key in the name of a lock, if a manager with this prefix can have asked for it.
pub(super) fn key_of<'a>(prefix: &str, name: &'a str) -> Option<&'a str> {
    let key = name.strip_prefix(prefix)?;
    key::is_valid(key).then_some(key)
}
