//! The back end of a wallet that runs twice, on two machines, for failover: one instance leads and
//! pays, the other stands by.
//!
//! ```sh
//! createdb wallet
//! cargo run --features postgres --example payments -- "host=/var/run/postgresql dbname=wallet" a
//! cargo run --features postgres --example payments -- "host=/var/run/postgresql dbname=wallet" b
//! ```
//!
//! End `a`, stop it (Ctrl-Z), or terminate its backends in `psql`: `b` goes on where it was, and no
//! payment is made twice. When `a` is back, what it had begun is not committed.

// Browsers connect to no database: there, this program is empty.
#![cfg_attr(target_family = "wasm", no_main)]
#![cfg(not(target_family = "wasm"))]

use std::error::Error;
use std::time::Duration;

use crosslock::postgres::tokio_postgres::{Client, NoTls, connect};
use crosslock::postgres::{Connection, PostgresLockManager, PostgresOptions, migrate};
use crosslock::{LockGuard, LockManager};

type Failure = Box<dyn Error + Send + Sync>;

const LEADER: &str = "payments.leader";

#[tokio::main]
async fn main() -> Result<(), Failure> {
    let mut arguments = std::env::args().skip(1);
    let (Some(database), Some(label)) = (arguments.next(), arguments.next()) else {
        return Err("usage: payments CONNECTION LABEL [PAYMENTS]".into());
    };
    // For ever, if it is not said how many.
    let wanted = arguments.next().map(|text| text.parse()).transpose()?;
    let options: PostgresOptions = database.parse()?;
    let options = options
        .with_label(&*label)
        .with_takeover(Duration::from_secs(5));

    // Both instances may do this at once, and at every start.
    migrate(&options).await?;
    let locks = PostgresLockManager::connect(options).await?;
    let (kept, mut state) = (locks.clone(), locks.watch());
    tokio::spawn(async move { kept.keep_connected().await });
    let shown = label.clone();
    tokio::spawn(async move {
        while state.changed().await.is_ok() {
            let now = state.borrow_and_update().clone();
            match now {
                Connection::Open => println!("{shown}: the locks are back"),
                Connection::Lost { reason, .. } => println!("{shown}: lost all locks: {reason}"),
                other => println!("{shown}: {other:?}"),
            }
        }
    });

    let mut paid = 0;
    while wanted.is_none_or(|wanted| paid < wanted) {
        // Without end: whoever stands by has nothing else to do.
        match locks.lock(LEADER, Duration::MAX).await {
            Ok(guard) => {
                println!("{label}: leads, with token {}", token(&*guard));
                if let Err(error) =
                    lead(&locks, &*guard, &database, &label, wanted, &mut paid).await
                {
                    println!("{label}: leads no longer: {error}");
                }
                guard.release().await;
            }
            Err(error) => println!("{label}: {error}"),
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    Ok(())
}

fn token(guard: &dyn LockGuard) -> u64 {
    guard.fencing_token().map_or(0, |token| token.get())
}

/// Pays until something fails.
async fn lead(
    locks: &PostgresLockManager,
    guard: &dyn LockGuard,
    database: &str,
    label: &str,
    wanted: Option<u32>,
    paid: &mut u32,
) -> Result<(), Failure> {
    // The connection of payments is not the one of the locks. An application has a pool here.
    let (mut client, driver) = connect(database, NoTls).await?;
    tokio::spawn(driver);
    client
        .batch_execute(
            "set idle_in_transaction_session_timeout = '5s';
             create table if not exists payment (
               number bigint primary key, sats bigint not null, paid_by text not null)",
        )
        .await?;
    while wanted.is_none_or(|wanted| *paid < wanted) {
        tokio::select! {
            // Not needed to be safe, as each payment is checked. It saves the work.
            () = guard.lost() => return Ok(guard.ensure_held()?),
            done = pay(locks, guard, &mut client, label) => {
                println!("{label}: payment {}", done?);
                *paid += 1;
            }
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    Ok(())
}

/// One payment, which is committed only if this instance still leads.
async fn pay(
    locks: &PostgresLockManager,
    guard: &dyn LockGuard,
    client: &mut Client,
    label: &str,
) -> Result<i64, Failure> {
    let transaction = client.transaction().await?;
    let next = "select coalesce(max(number), 0) + 1 from payment";
    let number: i64 = transaction.query_one(next, &[]).await?.get(0);
    let insert = "insert into payment values ($1, 1000, $2)";
    transaction.execute(insert, &[&number, &label]).await?;
    // If another leads, this fails, and the transaction is rolled back when it is dropped.
    locks.check(&transaction, guard).await?;
    transaction.commit().await?;
    Ok(number)
}
