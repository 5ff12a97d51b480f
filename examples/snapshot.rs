//! Who holds which lock, for people and for JavaScript, by the feature `serde`.
//!
//! Natively it prints a snapshot as JSON:
//!
//! ```sh
//! cargo run --example snapshot --features serde
//! ```
//!
//! For the web it exports `locksInUse()`, which hands the snapshot to JavaScript as plain
//! objects. Build it with wasm-bindgen, and a page can show it:
//!
//! ```js
//! console.table((await locksInUse()).held); // key, mode, age in milliseconds, client
//! ```

#[cfg(not(target_family = "wasm"))]
mod native {
    use std::time::Duration;

    use crosslock::LockManager;
    use crosslock::memory::MemoryLockManager;

    pub(crate) fn run() -> Result<(), Box<dyn std::error::Error>> {
        let runtime = tokio::runtime::Runtime::new()?;
        runtime.block_on(async {
            let locks = MemoryLockManager::with_label("example");
            let _guard = locks.lock("lightning.send.42", Duration::ZERO).await?;
            println!("{}", serde_json::to_string_pretty(&locks.query().await?)?);
            Ok(())
        })
    }
}

#[cfg(target_family = "wasm")]
#[allow(unreachable_pub, reason = "wasm-bindgen exports only what is pub")]
pub(crate) mod web {
    use crosslock::LockManager;
    use crosslock::web_locks::WebLockManager;
    use wasm_bindgen::prelude::*;

    /// The locks of this origin, as `{ held, pending }`.
    #[wasm_bindgen(js_name = locksInUse)]
    pub async fn locks_in_use() -> Result<JsValue, JsError> {
        let snapshot = WebLockManager::new().query().await?;
        Ok(serde_wasm_bindgen::to_value(&snapshot)?)
    }
}

#[cfg(not(target_family = "wasm"))]
fn main() -> Result<(), Box<dyn std::error::Error>> {
    native::run()
}

/// On the web, JavaScript calls what it needs.
#[cfg(target_family = "wasm")]
fn main() {}
