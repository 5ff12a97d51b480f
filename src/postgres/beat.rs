//! The beats of a session: it says that it lives, and ends those that do not.
//!
//! A session of which the server knows that its connection is gone is ended at the next beat of
//! any other. One that keeps its connection and is silent (the network between is down, and
//! neither kernel has given up) is ended by whoever has watched the count of its beats stand still
//! for the takeover time. Both clocks are monotonic and each measures a time on its own machine,
//! so they need not agree.
//!
//! Why that is in time: the silent one counts itself as lost at nine tenths of the takeover time
//! after it *sent* the last beat that was answered. The watcher starts to measure when it *sees*
//! the count that this beat made, which is later.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use tokio::time::{sleep, timeout_at};
use tokio_postgres::Row;
use tokio_postgres::types::ToSql;

use super::ledger::overdue;
use super::session::{Session, WeakSession, now};

/// While somebody waits here, whoever is in the way is looked at so often.
const WHILE_QUEUED: Duration = Duration::from_millis(100);

/// The count of beats of a session, and since when it has been the same.
type Watched = HashMap<i32, (i64, Instant)>;

/// Runs until the session is dropped or has ended.
pub(super) async fn run(session: WeakSession) {
    let mut watched = Watched::new();
    loop {
        let Some(strong) = session.upgrade() else {
            return;
        };
        if !beat(&strong, &mut watched).await {
            return;
        }
        let ledger = strong.ledger.clone();
        let pause = strong.options.beat_every();
        drop(strong);
        if !ledger.is_queued() {
            tokio::select! {
                () = sleep(pause) => continue,
                () = ledger.has_queued.notified() => {}
                _ = ledger.ended() => return,
            }
        }
        sleep(WHILE_QUEUED.min(pause)).await;
    }
}

/// False if the session has ended.
async fn beat(session: &Session, watched: &mut Watched) -> bool {
    let sent = now();
    let deadline = session.ledger.safe_until();
    let arguments = [&session.id() as &(dyn ToSql + Sync)];
    let call = session.all(&session.statements.beat, &arguments);
    let rows = match timeout_at(deadline.into(), call).await {
        Ok(Ok(rows)) => rows,
        Ok(Err(error)) => {
            log::debug!(target: "crosslock", "a beat failed: {error}");
            return session.ledger.why_ended().is_none();
        }
        Err(_) => {
            session.end(overdue());
            return false;
        }
    };
    session.ledger.answered(sent, session.options.lost_after());
    if let Some(reason) = session.ledger.why_ended() {
        session.end(&reason);
        return false;
    }
    let dead = look(&rows, watched, now(), session.options.takeover);
    for (victim, beats) in dead {
        reap(session, victim, beats).await;
    }
    true
}

/// Which sessions are to be ended.
fn look(rows: &[Row], watched: &mut Watched, now: Instant, takeover: Duration) -> Vec<(i32, i64)> {
    let mut dead = Vec::new();
    let mut seen = Watched::with_capacity(rows.len());
    for row in rows {
        let (id, beats, is_gone): (i32, i64, bool) = (row.get(0), row.get(1), row.get(2));
        let since = match watched.get(&id) {
            Some(&(before, since)) if before == beats => since,
            _ => now,
        };
        seen.insert(id, (beats, since));
        if is_gone || now.duration_since(since) >= takeover {
            dead.push((id, beats));
        }
    }
    *watched = seen;
    dead
}

/// Ends a session. What fails is tried again at the next beat.
async fn reap(session: &Session, victim: i32, beats: i64) {
    loop {
        let arguments = [&victim as &(dyn ToSql + Sync), &beats];
        let call = session.one(&session.statements.reap, &arguments);
        match timeout_at(session.ledger.safe_until().into(), call).await {
            Ok(Ok(row)) if row.get::<_, i64>(0) > 0 => {}
            Ok(Ok(_)) | Err(_) => return,
            Ok(Err(error)) => {
                log::debug!(target: "crosslock", "session {victim} was not ended: {error}");
                return;
            }
        }
    }
}
