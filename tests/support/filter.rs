//! System calls that the kernel refuses to a thread, and to all threads and processes that
//! it starts: see seccomp(2).

use std::fs;
use std::io;

pub(crate) type Instruction = libc::sock_filter;

/// Whether there are filters. There are on every kernel for which the tests are built; an emulator of its
/// calls may have none.
pub(crate) fn is_possible() -> bool {
    let is_emulated = crate::runner::is_emulated();
    if is_emulated {
        eprintln!("left out, for seccomp(2) is not emulated");
    }
    !is_emulated
}

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

/// Has it lock nothing, as where the lock service of a file server is switched off.
#[allow(dead_code, reason = "no test program uses all of it")]
pub(crate) fn refuse_to_lock() {
    refuse_fcntl(&[libc::F_OFD_SETLK], libc::ENOLCK);
}

fn refuse_fcntl(commands: &[libc::c_int], error: libc::c_int) {
    let calls = [
        libc::SYS_fcntl,
        // The one with 64-bit offsets, where it is another one.
        #[cfg(target_arch = "x86")]
        libc::SYS_fcntl64,
    ];
    let rules = calls.into_iter().flat_map(|call| {
        let rule = move |&command: &_| Rule {
            call,
            argument: 1,
            test: libc::BPF_JEQ,
            value: command,
        };
        commands.iter().map(rule)
    });
    refuse(rules, error);
}

/// Has it refuse to open files with the flag that would create them.
pub(crate) fn refuse_creating_files() {
    let creates = |call, argument| Rule {
        call,
        argument,
        test: libc::BPF_JSET,
        value: libc::O_CREAT,
    };
    let rules = [
        creates(libc::SYS_openat, 2),
        // Not every platform has this one.
        #[cfg(any(target_arch = "x86", target_arch = "x86_64"))]
        creates(libc::SYS_open, 1),
    ];
    refuse(rules, libc::EACCES);
    fs::write(std::env::temp_dir().join("crosslock-no-file"), "").unwrap_err();
}

/// A call that is refused for the lower 32 bits of one of its arguments.
struct Rule {
    call: libc::c_long,
    argument: u32,
    /// `BPF_JEQ` for those that are equal to `value`, `BPF_JSET` for those that have bits of it.
    test: u32,
    value: libc::c_int,
}

/// Has the kernel refuse the calls that fit one of the rules with `error`.
fn refuse(rules: impl IntoIterator<Item = Rule>, error: libc::c_int) {
    let mut program = Vec::new();
    for rule in rules {
        let at = std::mem::offset_of!(libc::seccomp_data, args) as u32 + rule.argument * 8;
        let lower_half = if cfg!(target_endian = "big") { 4 } else { 0 };
        // Whatever does not fit goes on with the next rule.
        program.extend([
            load_call(),
            jump_unless(libc::BPF_JEQ, rule.call as u32, 3),
            load(at + lower_half),
            jump_unless(rule.test, rule.value as u32, 1),
            give(libc::SECCOMP_RET_ERRNO | error as u32),
        ]);
    }
    program.push(give(libc::SECCOMP_RET_ALLOW));
    install(&mut program, 0).expect("the kernel takes a filter");
}

/// Loads the number of the call.
pub(crate) fn load_call() -> Instruction {
    load(std::mem::offset_of!(libc::seccomp_data, nr) as u32)
}

/// Loads 32 bits of the description of the call.
fn load(at: u32) -> Instruction {
    instruction(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, 0, at)
}

/// Leaves out some instructions, unless what is loaded passes the test.
pub(crate) fn jump_unless(test: u32, value: u32, over: u8) -> Instruction {
    instruction(libc::BPF_JMP | test | libc::BPF_K, over, value)
}

/// The answer of the filter.
pub(crate) fn give(answer: u32) -> Instruction {
    instruction(libc::BPF_RET | libc::BPF_K, 0, answer)
}

fn instruction(code: u32, jf: u8, k: u32) -> Instruction {
    let code = code as u16;
    Instruction { code, jt: 0, jf, k }
}

/// Gives this thread the filter, and returns what the kernel does: with some of the flags a descriptor.
pub(crate) fn install(
    program: &mut [Instruction],
    flags: libc::c_ulong,
) -> io::Result<libc::c_long> {
    let program = libc::sock_fprog {
        len: program.len() as u16,
        filter: program.as_mut_ptr(),
    };
    // SAFETY: the call takes numbers. Else only root might install a filter.
    let promised = unsafe { libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) };
    assert_eq!(promised, 0, "{}", io::Error::last_os_error());
    let operation = libc::SECCOMP_SET_MODE_FILTER;
    // SAFETY: the kernel reads the program, which lives until the call is over.
    match unsafe { libc::syscall(libc::SYS_seccomp, operation, flags, &raw const program) } {
        -1 => Err(io::Error::last_os_error()),
        result => Ok(result),
    }
}
