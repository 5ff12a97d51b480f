//! A PostgreSQL cluster of our own: in a temporary folder, on a Unix socket, as an ordinary user.
//! It ends with the process that made it, whatever ended that.

use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::LazyLock;

use crosslock::postgres::{PostgresOptions, migrate, tokio_postgres};
use tempfile::TempDir;
use tokio::sync::OnceCell;

/// A server in a folder.
#[derive(Debug)]
pub struct Cluster {
    folder: PathBuf,
    /// The end of its input, when we drop it or die, is what has it stop the server and remove
    /// the folder.
    keeper: Child,
    input: Option<ChildStdin>,
}

/// Ended from outside when its input ends. `$1` is the folder of the programs, `$2` that of the
/// cluster.
const KEEPER: &str = r#"
    echo ready
    read -r _
    "$1/pg_ctl" -D "$2/data" -m immediate stop >/dev/null 2>&1
    rm -rf "$2"
"#;

/// Where Debian has the programs of the server, or where `PG_BINDIR` says.
pub fn programs() -> PathBuf {
    static PROGRAMS: LazyLock<PathBuf> = LazyLock::new(|| {
        if let Some(named) = std::env::var_os("PG_BINDIR") {
            return named.into();
        }
        let versions = std::fs::read_dir("/usr/lib/postgresql")
            .into_iter()
            .flatten();
        let folders = versions.flatten().map(|entry| entry.path().join("bin"));
        let newest = folders.filter(|bin| bin.join("initdb").exists()).max();
        newest.expect("no PostgreSQL server in /usr/lib/postgresql; name its programs in PG_BINDIR")
    });
    PROGRAMS.clone()
}

/// A command that is not run by root, whom the server refuses.
pub fn as_user(program: impl AsRef<std::ffi::OsStr>) -> Command {
    if !is_root() {
        return Command::new(program);
    }
    // Debian's package makes this user.
    let mut command = Command::new("setpriv");
    command.args([
        "--reuid=postgres",
        "--regid=postgres",
        "--clear-groups",
        "--",
    ]);
    command.arg(program);
    command.env_remove("HOME");
    command
}

fn is_root() -> bool {
    let id = Command::new("id").arg("-u").output().expect("id");
    id.stdout.trim_ascii() == b"0"
}

fn succeed(command: &mut Command) {
    let output = command.output().expect("it starts");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {said}");
}

impl Cluster {
    /// A fresh cluster, started.
    pub fn new() -> Self {
        let cluster = Self::in_new_folder();
        succeed(as_user(programs().join("initdb")).args([
            "-D",
            cluster.data().to_str().expect("UTF-8"),
            "--auth=trust",
            "--username=owner",
            "--no-sync",
            "--encoding=UTF8",
        ]));
        let settings = format!(
            "listen_addresses = ''\nunix_socket_directories = '{0}'\nmax_connections = 300\n\
             max_prepared_transactions = 0\nlog_destination = stderr\nwal_level = replica\n",
            cluster.folder.display()
        );
        cluster.configure(&settings);
        cluster.start();
        cluster
    }

    /// A folder that the server's user owns, and a keeper for it.
    pub fn in_new_folder() -> Self {
        let folder = TempDir::with_prefix("crosslock-postgres-")
            .expect("a folder")
            .keep();
        if is_root() {
            succeed(Command::new("chown").arg("postgres").arg(&folder));
        }
        let mut keeper: Child = as_user("sh")
            .args(["-c", KEEPER, "keeper"])
            .args([programs(), folder.clone()])
            .current_dir("/")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("a shell");
        let mut ready = [0; 6];
        keeper
            .stdout
            .take()
            .expect("a pipe")
            .read_exact(&mut ready)
            .expect("it is ready");
        Self {
            folder,
            input: keeper.stdin.take(),
            keeper,
        }
    }

    pub fn data(&self) -> PathBuf {
        self.folder.join("data")
    }

    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Adds lines to the configuration.
    pub fn configure(&self, lines: &str) {
        use std::io::Write;
        let file = self.data().join("postgresql.conf");
        let mut file = std::fs::OpenOptions::new()
            .append(true)
            .open(file)
            .expect("it is there");
        file.write_all(lines.as_bytes()).expect("it can be written");
    }

    pub fn start(&self) {
        self.control("start");
    }

    fn pg_ctl(&self, action: &str) -> Command {
        let mut command = as_user(programs().join("pg_ctl"));
        command
            .current_dir("/")
            .arg("-D")
            .arg(self.data())
            .arg("-w")
            .arg("-l");
        command.arg(self.folder.join("log")).args(action.split(' '));
        // The server would keep them open.
        command.stdout(Stdio::null()).stderr(Stdio::null());
        command
    }

    /// Runs `pg_ctl` with these words.
    pub fn control(&self, action: &str) {
        let status = self.pg_ctl(action).status().expect("it starts");
        let log = std::fs::read_to_string(self.folder.join("log"));
        assert!(
            status.success(),
            "pg_ctl {action}: {}",
            log.unwrap_or_default()
        );
    }

    /// How the owner connects.
    pub fn connection(&self) -> String {
        format!("host={} user=owner dbname=postgres", self.folder.display())
    }

    pub fn options(&self) -> PostgresOptions {
        self.connection().parse().expect("it is well-formed")
    }

    /// A plain connection, driven by a task.
    pub async fn client(&self) -> tokio_postgres::Client {
        connect(&self.connection()).await
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        drop(self.input.take());
        self.keeper.wait().expect("a child");
    }
}

pub async fn connect(connection: &str) -> tokio_postgres::Client {
    let (client, driver) = tokio_postgres::connect(connection, tokio_postgres::NoTls)
        .await
        .expect("it connects");
    tokio::spawn(driver);
    client
}

/// The cluster that the tests of one process share.
pub async fn shared() -> &'static Cluster {
    static SHARED: LazyLock<Cluster> = LazyLock::new(Cluster::new);
    static MIGRATED: OnceCell<()> = OnceCell::const_new();
    let cluster = &*SHARED;
    MIGRATED
        .get_or_init(async || migrate(&cluster.options()).await.expect("it migrates"))
        .await;
    cluster
}

/// Longer than anything takes on a busy machine.
pub const PATIENCE: std::time::Duration = std::time::Duration::from_secs(60);
