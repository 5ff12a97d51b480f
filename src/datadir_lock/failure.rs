//! Errors that say why a datadir could not be opened, with the path and what to do. None of
//! them says to delete `LOCK`: that lets a second process in while the file is in use.

use std::fmt;
use std::io::{self, ErrorKind};
use std::path::Path;

use super::kernel::{self, Primitive};

/// An error of the system with what it means here. It keeps the [kind](io::Error::kind). The
/// system's own error is its source, so a message does not repeat what that says, such as
/// "Permission denied".
#[derive(Debug)]
struct Explained {
    message: String,
    source: Option<io::Error>,
}

impl fmt::Display for Explained {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Explained {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.source.as_ref().map(|source| source as _)
    }
}

fn explained(source: io::Error, message: String) -> io::Error {
    let kind = source.kind();
    let source = Some(source);
    io::Error::new(kind, Explained { message, source })
}

fn refused(kind: ErrorKind, message: String) -> io::Error {
    let source = None;
    io::Error::new(kind, Explained { message, source })
}

pub(super) fn bad_datadir(datadir: &Path, error: io::Error) -> io::Error {
    let datadir = datadir.display();
    explained(error, format!("\"{datadir}\" is not a path to a directory"))
}

pub(super) fn bad_name(name: &Path) -> io::Error {
    let name = name.display();
    let message = format!("the lock file's name \"{name}\" is not a plain file name");
    refused(ErrorKind::InvalidInput, message)
}

/// The directory is missing and could not be created.
pub(crate) fn creating_directory(datadir: &Path, error: io::Error) -> io::Error {
    let datadir = datadir.display();
    let message = match error.kind() {
        ErrorKind::PermissionDenied => format!(
            "cannot create {datadir}; \
             create it for this user, or let the user write to its parent"
        ),
        ErrorKind::AlreadyExists | ErrorKind::NotADirectory => {
            format!(
                "cannot create {datadir}; something on the way to it is a file, or a link to nothing"
            )
        }
        _ => format!("cannot create {datadir}"),
    };
    explained(error, message)
}

/// `path` could not be opened or created.
pub(crate) fn opening_file(path: &Path, error: io::Error) -> io::Error {
    if let Err(other) = must_be_a_file(path) {
        return other;
    }
    let shown = path.display();
    let message = match error.kind() {
        ErrorKind::PermissionDenied => format!(
            "cannot open {shown}; \
             this user must be able to write to it and to its directory"
        ),
        ErrorKind::NotADirectory => {
            format!("cannot open {shown}; something on the way to it is a file")
        }
        ErrorKind::ReadOnlyFilesystem => format!(
            "cannot open {shown}; the file system is mounted read-only, and the kernel locks \
             only files that are open for writing"
        ),
        _ => format!("cannot open or create {shown}"),
    };
    explained(error, message)
}

/// Refuses anything at `path` but a regular file. If there is nothing, or it cannot be found
/// out what is there, that is no error.
pub(super) fn must_be_a_file(path: &Path) -> io::Result<()> {
    let Ok(metadata) = path.symlink_metadata() else {
        return Ok(());
    };
    let shown = path.display();
    let found = metadata.file_type();
    let (kind, what) = if found.is_file() {
        return Ok(());
    } else if found.is_symlink() {
        let what = "a symbolic link, which is not followed: whoever made it would choose \
                    the file that is locked and written to";
        (ErrorKind::InvalidInput, what)
    } else if found.is_dir() {
        (ErrorKind::IsADirectory, "a directory")
    } else {
        (ErrorKind::InvalidInput, "a FIFO, a socket or a device")
    };
    let message = format!("{shown} is {what}; a regular file is needed there");
    Err(refused(kind, message))
}

/// The kernel could not lock `path`, for a reason other than another holder.
pub(super) fn locking(path: &Path, primitive: Primitive, error: io::Error) -> io::Error {
    let shown = path.display();
    let message = if primitive.needs_open_file_description_locks() && kernel::is_unsupported(&error)
    {
        format!(
            "this kernel, or the file system of {shown}, has no open file description locks, \
             without which a datadir cannot be shared by key (Linux has them since 3.15); \
             use one process with a pid-lock"
        )
    } else if kernel::is_unsupported(&error) {
        format!(
            "the file system of {shown} does not support {primitive} locks, or has them \
             switched off; use a local disk, or mount the share with locking on"
        )
    } else {
        format!("cannot lock {shown}")
    };
    explained(error, message)
}

/// Another program replaces `path` as quickly as it can be opened.
pub(super) fn keeps_being_replaced(path: &Path) -> io::Error {
    let shown = path.display();
    let message = format!(
        "{shown} is being deleted or replaced over and over; find out which program does \
         that, because nothing may delete or replace this file"
    );
    refused(ErrorKind::Other, message)
}
