//! TLS by rustls, in the form in which tokio-postgres takes it.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use rustls::pki_types::ServerName;
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_postgres::config::{Host, SslMode};
use tokio_postgres::tls::{ChannelBinding, MakeTlsConnect, TlsConnect};
use tokio_postgres::{Config, Socket};

use super::options::PostgresOptions;
use crate::error::LockError;

/// Makes a TLS connection to each host that tokio-postgres tries.
#[derive(Clone)]
pub(super) struct Rustls(Arc<ClientConfig>);

impl Rustls {
    /// # Errors
    ///
    /// [`LockError::Unavailable`] if TLS was asked for, and there are no roots to check with.
    pub(super) fn new(options: &PostgresOptions) -> Result<Self, LockError> {
        if let Some(config) = &options.tls {
            return Ok(Self(config.clone()));
        }
        let mut roots = RootCertStore::empty();
        if may_use_tls(&options.config) {
            let native = rustls_native_certs::load_native_certs();
            roots.add_parsable_certificates(native.certs);
            if roots.is_empty() && options.config.get_ssl_mode() == SslMode::Require {
                return Err(LockError::unavailable(format!(
                    "sslmode is require, and the operating system has no certificates to check \
                     the server's with; name them with `PostgresOptions::with_tls` ({:?})",
                    native.errors
                )));
            }
        }
        // By name: an application may have installed another provider, or none.
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| LockError::backend("cannot set up TLS", error))?
            .with_root_certificates(roots)
            .with_no_client_auth();
        Ok(Self(Arc::new(config)))
    }
}

/// Reading the roots takes tens of milliseconds, so it is left out where they are of no use.
fn may_use_tls(config: &Config) -> bool {
    let is_tcp = |host: &Host| matches!(host, Host::Tcp(_));
    config.get_ssl_mode() != SslMode::Disable && config.get_hosts().iter().any(is_tcp)
}

impl MakeTlsConnect<Socket> for Rustls {
    type Stream = Stream;
    type TlsConnect = Handshake;
    type Error = rustls::pki_types::InvalidDnsNameError;

    fn make_tls_connect(&mut self, host: &str) -> Result<Handshake, Self::Error> {
        // A Unix socket has no name. There is no TLS on it, so this one is never looked at.
        let host = if host.is_empty() {
            "socket.invalid"
        } else {
            host
        };
        let host = ServerName::try_from(host)?.to_owned();
        let config = self.0.clone();
        Ok(Handshake { config, host })
    }
}

pub(super) struct Handshake {
    config: Arc<ClientConfig>,
    host: ServerName<'static>,
}

impl TlsConnect<Socket> for Handshake {
    type Stream = Stream;
    type Error = io::Error;
    type Future = Pin<Box<dyn Future<Output = io::Result<Stream>> + Send>>;

    fn connect(self, socket: Socket) -> Self::Future {
        let Self { config, host } = self;
        Box::pin(async move {
            let connector = tokio_rustls::TlsConnector::from(config);
            Ok(Stream(Box::new(connector.connect(host, socket).await?)))
        })
    }
}

/// In a box: it has a kilobyte, and every future that connects would have room for it.
pub(super) struct Stream(Box<tokio_rustls::client::TlsStream<Socket>>);

impl tokio_postgres::tls::TlsStream for Stream {
    fn channel_binding(&self) -> ChannelBinding {
        // SCRAM works without. Rustls has checked the certificate already.
        ChannelBinding::none()
    }
}

impl AsyncRead for Stream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut *self.0).poll_read(cx, buf)
    }
}

impl AsyncWrite for Stream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut *self.0).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut *self.0).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut *self.0).poll_shutdown(cx)
    }
}
