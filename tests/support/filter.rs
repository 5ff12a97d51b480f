//! System calls that the kernel refuses to a thread, and to all threads and processes that
//! it starts: see seccomp(2).

use std::fs;

use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter,
    SeccompRule,
};

/// Has the kernel refuse the commands that came with 3.15, as a kernel before that
/// does.
pub(crate) fn refuse_open_file_description_locks() {
    let commands = [libc::F_OFD_GETLK, libc::F_OFD_SETLK, libc::F_OFD_SETLKW];
    refuse_fcntl(&commands, libc::EINVAL);
}

/// Has it say who holds a lock to nobody, as a security module may.
pub(crate) fn refuse_to_say_who_holds() {
    refuse_fcntl(&[libc::F_OFD_GETLK], libc::EACCES);
}

fn refuse_fcntl(commands: &[libc::c_int], error: libc::c_int) {
    let is = |&command: &libc::c_int| {
        let (argument, length) = (1, SeccompCmpArgLen::Dword);
        let condition =
            SeccompCondition::new(argument, length, SeccompCmpOp::Eq, command as u64).unwrap();
        SeccompRule::new(vec![condition]).unwrap()
    };
    let rules = commands.iter().map(is).collect();
    apply_filter(vec![(libc::SYS_fcntl, rules)], error);
}

/// Has it refuse to open files with the flag that would create them.
pub(crate) fn refuse_creating_files() {
    let creates = |argument| {
        let create = libc::O_CREAT as u64;
        let (length, operator) = (SeccompCmpArgLen::Dword, SeccompCmpOp::MaskedEq(create));
        let condition = SeccompCondition::new(argument, length, operator, create).unwrap();
        vec![SeccompRule::new(vec![condition]).unwrap()]
    };
    apply_filter(
        vec![
            (libc::SYS_openat, creates(2)),
            // Not every platform has this one.
            #[cfg(target_arch = "x86_64")]
            (libc::SYS_open, creates(1)),
        ],
        libc::EACCES,
    );
    fs::write(std::env::temp_dir().join("crosslock-no-file"), "").unwrap_err();
}

/// Has the kernel refuse the calls that fit one of the rules with `error`.
fn apply_filter(rules: Vec<(libc::c_long, Vec<SeccompRule>)>, error: libc::c_int) {
    let filter = SeccompFilter::new(
        rules.into_iter().collect(),
        SeccompAction::Allow,
        SeccompAction::Errno(error as u32),
        std::env::consts::ARCH.try_into().unwrap(),
    );
    let program: BpfProgram = filter.unwrap().try_into().unwrap();
    seccompiler::apply_filter(&program).unwrap();
}
