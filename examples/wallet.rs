//! A wallet in miniature, as a template: many jobs at the same time, in one process or in
//! several.
//!
//! ```sh
//! cargo run --example wallet -- /tmp/wallet
//! ```
//!
//! It takes jobs from standard input, one a line, and works on all of them at the
//! same time. Start it a second time in another terminal to see that refused.
//!
//! Where the system can do it, a daemon may also share the datadir, and a CLI work beside it:
//!
//! ```sh
//! cargo run --example wallet -- --share /tmp/wallet              # the daemon
//! cargo run --example wallet -- --share /tmp/wallet send 42 1000 # the CLI: one job
//! ```
//!
//! They exclude each other by what a job touches, and neither of them is refused. (A wallet
//! without `--share` is, as long as one of them runs.) Everything that is read under a lock is
//! read anew: the other process may have changed it.
//!
//! ```text
//! receive 5000      puts 5000 sats on the lightning balance
//! send 42 1000      sends 1000 sats as payment 42, once, however often it is asked to
//! swap 500          moves 500 sats from lightning to onchain
//! balance           shows both balances
//! ```
//!
//! It ends at the end of its input (Ctrl-D; on Windows Ctrl-Z, Enter). The exit codes
//! are those of `sysexits.h`, so that a service manager can tell what to do:
//!
//! | code | meaning | what helps |
//! | --- | --- | --- |
//! | 75 | another instance has the datadir, or is of the other kind | try again later, or use that one |
//! | 78 | the datadir cannot be locked: no permission, no space, ... | a person; trying again does not |
//! | 64 | wrong arguments | |
//! | 1 | everything else | |

// Browsers have neither processes nor datadirs: there, this program is empty.
#![cfg_attr(target_family = "wasm", no_main)]
#![cfg(not(target_family = "wasm"))]

use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::process::exit;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, bail};
#[cfg(any(
    target_os = "linux",
    target_os = "android",
    target_vendor = "apple",
    windows
))]
use crosslock::shared_datadir::SharedDatadirLockManager;
use crosslock::{LockError, LockManager, PidLockError, platform_default};
use tokio::fs;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, stdin};
use tokio::task::JoinSet;

// Each names a lock, and the file that it protects.
const LIGHTNING: &str = "balance.lightning";
const ONCHAIN: &str = "balance.onchain";
const BALANCES: [&str; 2] = [LIGHTNING, ONCHAIN];

/// Nobody should wait longer than this. If somebody does, the error says for whom.
const PATIENCE: Duration = Duration::from_secs(30);

const JOBS: &str = "jobs: receive SATS, send ID SATS, swap SATS, balance";

const OUT_OF_RANGE: &str = "not enough money, or more than fits";

struct Wallet {
    datadir: PathBuf,
    /// The datadir is open for as long as this lives.
    locks: Box<dyn LockManager>,
}

#[tokio::main]
async fn main() {
    let mut arguments = std::env::args_os().skip(1).peekable();
    let shares = arguments.next_if(|first| first == "--share").is_some();
    let datadir = arguments.next();
    let job: Vec<_> = arguments
        .map(|word| word.to_string_lossy().into_owned())
        .collect();
    // An option that there is not would be made a directory.
    let datadir = datadir.filter(|datadir| !datadir.to_string_lossy().starts_with('-'));
    let (Some(datadir), true) = (datadir, shares || job.is_empty()) else {
        eprintln!("usage: wallet DATADIR | wallet --share DATADIR [JOB]\n{JOBS}");
        exit(64);
    };
    let code = match run(datadir.into(), shares, &job.join(" ")).await {
        Ok(()) => 0,
        Err(error) => {
            eprintln!("wallet: {error:#}");
            exit_code(&error)
        }
    };
    // A mere return would wait for the line that tokio is reading.
    exit(code);
}

fn exit_code(error: &anyhow::Error) -> i32 {
    match error.downcast_ref::<PidLockError>() {
        Some(PidLockError::AlreadyHeld { .. } | PidLockError::OtherKind { .. }) => 75,
        Some(PidLockError::SetupFailed { .. }) => 78,
        _ => 1,
    }
}

#[cfg(any(
    target_os = "linux",
    target_os = "android",
    target_vendor = "apple",
    windows
))]
fn share(datadir: &Path) -> Result<Box<dyn LockManager>> {
    Ok(Box::new(SharedDatadirLockManager::new(datadir)?))
}

#[cfg(not(any(
    target_os = "linux",
    target_os = "android",
    target_vendor = "apple",
    windows
)))]
fn share(_datadir: &Path) -> Result<Box<dyn LockManager>> {
    bail!("datadirs cannot be shared on this system");
}

async fn run(datadir: PathBuf, shares: bool, job: &str) -> Result<()> {
    // Before anything else in the datadir is read: it may be changing under another
    // instance's hands.
    let locks = match shares {
        true => share(&datadir)?,
        false => platform_default(&datadir)?,
    };
    let wallet = Arc::new(Wallet { datadir, locks });
    if !job.is_empty() {
        println!("{job}: {}", wallet.perform(job).await?);
        return Ok(());
    }
    println!(
        "ready: process {} has {}",
        std::process::id(),
        wallet.datadir.display()
    );

    let mut lines = BufReader::new(stdin()).lines();
    let mut jobs = JoinSet::new();
    let mut more = true;
    while more || !jobs.is_empty() {
        tokio::select! {
            line = lines.next_line(), if more => match line? {
                Some(line) => drop(jobs.spawn(serve(Arc::clone(&wallet), line))),
                None => more = false,
            },
            Some(job) = jobs.join_next() => job??,
        }
    }
    Ok(())
}

/// Does one job and says how it went. Fails only if the whole wallet has to stop.
async fn serve(wallet: Arc<Wallet>, job: String) -> Result<()> {
    match wallet.perform(&job).await {
        Ok(answer) => println!("{job}: {answer}"),
        Err(error) => {
            println!("{job}: failed: {error:#}");
            // The datadir may belong to somebody else by now.
            if let Some(LockError::Lost { .. }) = error.downcast_ref() {
                return Err(error);
            }
        }
    }
    Ok(())
}

fn number(word: &str) -> Result<u64> {
    word.parse()
        .with_context(|| format!("\"{word}\" is not a number"))
}

impl Wallet {
    async fn perform(&self, job: &str) -> Result<String> {
        let words: Vec<&str> = job.split_whitespace().collect();
        match words[..] {
            ["receive", amount] => self.receive(number(amount)?).await,
            ["send", payment, amount] => self.send(number(payment)?, number(amount)?).await,
            ["swap", amount] => self.swap(number(amount)?).await,
            ["balance"] => self.balance().await,
            _ => bail!("no such job; {JOBS}"),
        }
    }

    async fn receive(&self, amount: u64) -> Result<String> {
        self.change_lightning(|balance| balance.checked_add(amount))
            .await?;
        Ok(format!("received {amount}"))
    }

    async fn send(&self, id: u64, amount: u64) -> Result<String> {
        // Held to the end: whoever asks for the same payment waits, and finds it sent.
        // Other payments go on meanwhile.
        let payment = format!("lightning.send.{id}");
        let payment = self.locks.lock(&payment, PATIENCE).await?;
        let sent = self.datadir.join(format!("sent.{id}"));
        if fs::try_exists(&sent).await? {
            bail!("it was sent before");
        }
        // First the money, then the payment. If we are killed in between, money has been
        // set aside that can be found again; a payment cannot be called back.
        self.change_lightning(|balance| balance.checked_sub(amount))
            .await?;
        payment.ensure_held()?;
        // A file stands for the network here.
        fs::write(sent, amount.to_string()).await?;
        Ok(format!("sent {amount}"))
    }

    /// May be called while a payment is locked. That cannot deadlock, because nobody who
    /// has locked a balance goes on to lock a payment.
    async fn change_lightning(&self, change: impl Fn(u64) -> Option<u64>) -> Result<()> {
        // Without the lock two jobs could read the same balance, and what the first of
        // them writes would be lost.
        let guard = self.locks.lock(LIGHTNING, PATIENCE).await?;
        let balance = change(self.read(LIGHTNING).await?).context(OUT_OF_RANGE)?;
        guard.ensure_held()?;
        self.write(LIGHTNING, balance).await
    }

    async fn swap(&self, amount: u64) -> Result<String> {
        // Both or none, in an order of its own: two callers cannot wait for each other.
        let guards = self.locks.lock_many(&BALANCES, PATIENCE).await?;
        let (lightning, onchain) = (self.read(LIGHTNING).await?, self.read(ONCHAIN).await?);
        let lightning = lightning.checked_sub(amount).context(OUT_OF_RANGE)?;
        let onchain = onchain.checked_add(amount).context(OUT_OF_RANGE)?;
        for guard in &guards {
            guard.ensure_held()?;
        }
        // Locks keep others out, but they do not make two writes one. A wallet for real
        // money has a transaction of its database here.
        self.write(LIGHTNING, lightning).await?;
        self.write(ONCHAIN, onchain).await?;
        Ok(format!("swapped {amount}"))
    }

    async fn balance(&self) -> Result<String> {
        // Without the locks, a swap could be seen half done.
        let _guards = self.locks.lock_many(&BALANCES, PATIENCE).await?;
        let (lightning, onchain) = (self.read(LIGHTNING).await?, self.read(ONCHAIN).await?);
        Ok(format!("lightning {lightning}, onchain {onchain}"))
    }

    async fn read(&self, account: &str) -> Result<u64> {
        match fs::read_to_string(self.datadir.join(account)).await {
            Ok(text) => text
                .trim()
                .parse()
                .with_context(|| format!("{account} is broken")),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(0),
            Err(error) => Err(error.into()),
        }
    }

    /// Puts the new balance in place as a whole: a crash leaves it or the old one.
    async fn write(&self, account: &str, balance: u64) -> Result<()> {
        let new = self.datadir.join(format!("{account}.new"));
        let mut file = fs::File::create(&new).await?;
        file.write_all(balance.to_string().as_bytes()).await?;
        file.sync_all().await?;
        drop(file);
        fs::rename(new, self.datadir.join(account)).await?;
        Ok(())
    }
}
