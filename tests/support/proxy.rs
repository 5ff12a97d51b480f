//! A network between clients and a PostgreSQL server that goes wrong when it is told to.

use std::path::Path;
use std::sync::Arc;

use crosslock::postgres::PostgresOptions;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::watch;
use tokio::task::AbortHandle;

/// What becomes of what is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    Open,
    /// It waits, as TCP sends it again once the network is back. Nothing is closed: as neither
    /// kernel knows, only we can notice.
    Silent,
    /// All connections are closed.
    Closed,
}

/// Between clients and the server. It ends its connections when it is dropped.
#[derive(Debug)]
pub struct Proxy {
    folder: tempfile::TempDir,
    to_server: Arc<watch::Sender<Way>>,
    to_client: Arc<watch::Sender<Way>>,
    accepts: AbortHandle,
}

impl Proxy {
    /// One before the server whose sockets are in the folder.
    pub fn start(server: &Path) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let listener = UnixListener::bind(folder.path().join(".s.PGSQL.5432")).expect("a socket");
        let server = server.join(".s.PGSQL.5432");
        let to_server = Arc::new(watch::Sender::new(Way::Open));
        let to_client = Arc::new(watch::Sender::new(Way::Open));
        let (up, down) = (Arc::downgrade(&to_server), Arc::downgrade(&to_client));
        let accepts = tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let (Some(up), Some(down)) = (up.upgrade(), down.upgrade()) else {
                    return;
                };
                let server = UnixStream::connect(&server).await.expect("a server");
                let (client_reads, client_writes) = client.into_split();
                let (server_reads, server_writes) = server.into_split();
                tokio::spawn(copy(client_reads, server_writes, up.subscribe()));
                tokio::spawn(copy(server_reads, client_writes, down.subscribe()));
            }
        });
        Self {
            folder,
            to_server,
            to_client,
            accepts: accepts.abort_handle(),
        }
    }

    pub fn options(&self) -> PostgresOptions {
        let text = format!(
            "host={} user=owner dbname=postgres",
            self.folder.path().display()
        );
        text.parse().expect("well-formed")
    }

    /// Nothing goes through, or all does again.
    pub fn cut(&self, is_cut: bool) {
        let way = match is_cut {
            true => Way::Silent,
            false => Way::Open,
        };
        self.to_server.send_replace(way);
        self.to_client.send_replace(way);
    }

    /// The client hears nothing of what the server says; the server hears all.
    pub fn mute(&self) {
        self.to_client.send_replace(Way::Silent);
    }

    /// Closes all connections, for both of their ends.
    pub fn close(&self) {
        self.to_server.send_replace(Way::Closed);
        self.to_client.send_replace(Way::Closed);
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.accepts.abort();
    }
}

async fn copy(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, mut way: watch::Receiver<Way>) {
    let mut buffer = vec![0; 1 << 16];
    loop {
        let read = tokio::select! {
            read = from.read(&mut buffer) => read.unwrap_or(0),
            _ = way.wait_for(|way| *way == Way::Closed) => return,
        };
        let is_open = match way.wait_for(|way| *way != Way::Silent).await {
            Ok(way) => *way == Way::Open,
            Err(_) => false,
        };
        if !is_open || read == 0 || to.write_all(&buffer[..read]).await.is_err() {
            return;
        }
    }
}
