//! [`Failure`]: an error of the system that several requests are told of.

use std::io;

/// An error of the system, which each request gets its own copy of.
#[derive(Debug, Clone, Copy)]
pub(in super::super) struct Failure {
    code: Option<i32>,
    kind: io::ErrorKind,
}

impl Failure {
    /// What was locked is there no more.
    pub(in super::super) fn stale() -> Self {
        (&io::Error::from(io::ErrorKind::StaleNetworkFileHandle)).into()
    }
}

impl From<&io::Error> for Failure {
    fn from(error: &io::Error) -> Self {
        Self {
            code: error.raw_os_error(),
            kind: error.kind(),
        }
    }
}

impl From<Failure> for io::Error {
    fn from(failure: Failure) -> Self {
        let without_code = || Self::from(failure.kind);
        failure
            .code
            .map_or_else(without_code, Self::from_raw_os_error)
    }
}
