//! TLS, with a certificate that is checked.

use std::net::TcpListener;
use std::sync::Arc;

use crosslock::LockManager;
use crosslock::postgres::rustls::pki_types::{CertificateDer, pem::PemObject};
use crosslock::postgres::{PostgresLockManager, PostgresOptions, migrate, rustls};

use crate::cluster::{Cluster, as_user};

#[tokio::test]
async fn the_server_is_known_by_its_certificate() {
    let cluster = Cluster::new();
    migrate(&cluster.options()).await.expect("it migrates");
    let data = cluster.data();
    let made = as_user("openssl")
        .args([
            "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2",
        ])
        .args([
            "-subj",
            "/CN=localhost",
            "-addext",
            "subjectAltName=DNS:localhost",
        ])
        .args(["-addext", "basicConstraints=critical,CA:FALSE"])
        .arg("-keyout")
        .arg(data.join("server.key"))
        .arg("-out")
        .arg(data.join("server.crt"))
        .output()
        .expect("openssl");
    assert!(
        made.status.success(),
        "{}",
        String::from_utf8_lossy(&made.stderr)
    );
    let free = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = free.local_addr().expect("a port").port();
    drop(free);
    cluster.configure(&format!(
        "listen_addresses = '127.0.0.1'\nport = {port}\nssl = on\n"
    ));
    cluster.control("restart");

    let text = format!("host=localhost port={port} user=owner dbname=postgres sslmode=require");
    let options: PostgresOptions = text.parse().expect("well-formed");
    // Nobody on this system knows it.
    let stranger = PostgresLockManager::connect(options.clone()).await;
    stranger.expect_err("an unknown certificate");

    let certificate =
        CertificateDer::from_pem_file(data.join("server.crt")).expect("a certificate");
    let mut roots = rustls::RootCertStore::empty();
    roots.add(certificate).expect("a root");
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let tls = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_root_certificates(roots)
        .with_no_client_auth();
    let options = options.with_tls(Arc::new(tls)).with_label("encrypted");
    let locks = PostgresLockManager::connect(options)
        .await
        .expect("it connects");
    let guard = locks.try_lock("encrypted").await.expect("free");

    let text = format!("host=localhost port={port} user=owner dbname=postgres");
    let plain = crate::cluster::connect(&text).await;
    let sql = "select count(*) from pg_stat_ssl s join pg_stat_activity a using (pid)
               where a.application_name = 'crosslock: encrypted' and s.ssl";
    let row = plain.query_one(sql, &[]).await.expect("it works");
    assert_eq!(row.get::<_, i64>(0), 1);
    guard.release().await;
}
