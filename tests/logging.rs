//! What is written to the `log` facade, for those who only ask `try_lock`: it cannot
//! tell them more than "not granted".

#[cfg(not(target_family = "wasm"))]
#[path = "support/folder.rs"]
mod folder;

use std::sync::{Mutex, Once};

use crosslock::LockManager;
use crosslock::memory::MemoryLockManager;
use log::{Level, LevelFilter, Log, Metadata, Record};

/// Keeps what was logged, as an application's logger would write it to a file.
#[derive(Debug)]
struct Kept(Mutex<Vec<(Level, String)>>);

static LOG: Kept = Kept(Mutex::new(Vec::new()));

impl Log for Kept {
    fn enabled(&self, _metadata: &Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &Record<'_>) {
        if record.target() == "crosslock" {
            let entry = (record.level(), record.args().to_string());
            self.0.lock().unwrap().push(entry);
        }
    }

    fn flush(&self) {}
}

/// What was logged about `subject`, which only one test names.
fn logged(subject: &str) -> Vec<(Level, String)> {
    let entries = LOG.0.lock().unwrap();
    let about = entries.iter().filter(|(_, text)| text.contains(subject));
    about.cloned().collect()
}

fn listen() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        log::set_logger(&LOG).unwrap();
        log::set_max_level(LevelFilter::Trace);
    });
}

async fn a_refused_key_is_written_down(locks: &dyn LockManager, key: &str) {
    listen();
    assert!(locks.try_lock(key).await.is_none());
    let entries = logged(&format!("\"{key}\""));
    assert_eq!(entries.len(), 1, "{entries:?}");
    assert_eq!(entries[0].0, Level::Debug);
    assert!(entries[0].1.contains("not allowed"), "{entries:?}");
    // What is held is an answer, and no news.
    let free = key.replace('/', ".");
    let _held = locks.try_lock(&free).await.unwrap();
    assert!(locks.try_lock(&free).await.is_none());
    assert!(logged(&free).is_empty());
}

#[cfg(all(target_family = "wasm", target_os = "unknown"))]
mod web {
    use crosslock::web_locks::WebLockManager;
    use wasm_bindgen_test::{wasm_bindgen_test, wasm_bindgen_test_configure};

    use super::*;

    wasm_bindgen_test_configure!(run_in_browser);

    #[wasm_bindgen_test]
    async fn refused_keys_are_written_down() {
        a_refused_key_is_written_down(&MemoryLockManager::new(), "memory/log").await;
        a_refused_key_is_written_down(&WebLockManager::new(), "web/log").await;
    }

    #[wasm_bindgen_test]
    async fn the_loss_of_a_pages_locks_is_written_down_once() {
        listen();
        let locks = WebLockManager::new();
        let one = locks.try_lock("web.lost.1").await.unwrap();
        let two = locks.try_lock("web.lost.2").await.unwrap();
        let hide = "dispatchEvent(new PageTransitionEvent('pagehide', { persisted: true }))";
        js_sys::Function::new_no_args(hide)
            .call0(&wasm_bindgen::JsValue::NULL)
            .unwrap();
        assert!(one.is_lost() && two.is_lost());
        assert_eq!(
            logged("back/forward cache"),
            [(
                Level::Warn,
                "the page went into the back/forward cache: 2 locks are lost".into()
            )]
        );
    }

    #[wasm_bindgen_test]
    async fn what_makes_a_none_of_a_failure_is_written_down() {
        listen();
        let locks = WebLockManager::with_namespace("no/namespace");
        assert!(locks.try_lock("web.failing").await.is_none());
        let entries = logged("web.failing");
        assert_eq!(entries.len(), 1, "{entries:?}");
        assert!(entries[0].1.contains("namespace"), "{entries:?}");
    }
}

#[cfg(not(target_family = "wasm"))]
mod native {
    use super::*;

    #[tokio::test]
    async fn refused_keys_are_written_down() {
        a_refused_key_is_written_down(&MemoryLockManager::new(), "memory/log").await;
        let folder = folder::new();
        let locks = crosslock::platform_default(folder.path()).unwrap();
        a_refused_key_is_written_down(&*locks, "datadir/log").await;
    }

    /// A datadir is lost by a file that was replaced, which Windows does not let happen.
    #[cfg(unix)]
    #[tokio::test]
    async fn the_loss_of_a_datadir_is_written_down_once() {
        listen();
        let folder = folder::new();
        let datadir = folder.path().display().to_string();
        let locks = crosslock::platform_default(folder.path()).unwrap();
        let guard = locks.try_lock("k").await.unwrap();
        assert!(logged(&datadir).is_empty());

        std::fs::remove_file(folder.path().join("LOCK")).unwrap();
        assert!(guard.is_lost());
        for _ in 0..3 {
            assert!(locks.try_lock("other").await.is_none());
        }
        assert!(guard.is_lost());
        let entries = logged(&datadir);
        let warnings = entries.iter().filter(|(level, _)| *level == Level::Warn);
        assert_eq!(warnings.count(), 1, "{entries:?}");
    }
}
