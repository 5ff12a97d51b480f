//! Which backends the suite runs against. A new backend is one line here; the last
//! test goes red when one of the crate is missing.

/// Makes a module with one test for each promise. `$scope` is what the manager must say that
/// it reaches, `$test` the attribute of a test in the runtime at hand, and `$manager` an
/// expression for a fresh manager. `without $absent` names what the backend does not have.
macro_rules! conformance {
    ($module:ident, $scope:ident $(without $($absent:ident)*)?, #[$test:meta], $manager:expr) => {
        mod $module {
            use super::*;

            crosslock::conformance! {
                test: #[$test],
                manager: $manager,
                scope: $scope,
                absent: [$($($absent),*)?],
                finally: nothing_went_unhandled(),
            }
        }
    };
}

/// A scope that an application asserts must say in words what it reaches.
#[cfg(not(target_family = "wasm"))]
#[test]
fn scopes_say_what_they_reach() {
    use crosslock::LockScope;

    for (scope, reach) in [
        (LockScope::Process, "this process"),
        (LockScope::Datadir, "this datadir"),
        (LockScope::SharedDatadir, "every process on this datadir"),
        (LockScope::Origin, "same-origin"),
        (LockScope::Database, "this database"),
    ] {
        let words = scope.to_string();
        assert!(words.contains(reach), "{words:?} does not say {reach:?}");
    }
}

#[cfg(not(target_family = "wasm"))]
mod native {
    use std::time::Duration;

    use async_trait::async_trait;
    use crosslock::conformance::{self, ManagerUnderTest, Optional};
    use crosslock::memory::MemoryLockManager;
    #[cfg(unix)]
    use crosslock::pid_fcntl::FcntlPidLockManager;
    #[cfg(not(target_os = "ios"))]
    use crosslock::pid_flock::FlockPidLockManager;
    #[cfg(any(
        target_os = "linux",
        target_os = "android",
        target_vendor = "apple",
        windows
    ))]
    use crosslock::shared_datadir::SharedDatadirLockManager;
    use crosslock::{AcquireOptions, LockError, LockGuard, LockManager, LockMode, LockScope};
    use tempfile::TempDir;

    thread_local! {
        /// A test has a thread of its own, so this is removed at its end.
        static FOLDER: TempDir = crate::folder::new();
    }

    fn datadir() -> std::path::PathBuf {
        FOLDER.with(|folder| folder.path().join("datadir"))
    }

    /// Natively, a panic in a task ends its test anyway.
    async fn nothing_went_unhandled() {}

    /// A backend without what is optional, as one of a third party may be.
    #[derive(Debug)]
    struct Plain(MemoryLockManager);

    #[async_trait]
    impl LockManager for Plain {
        async fn try_lock(&self, key: &str) -> Option<Box<dyn LockGuard>> {
            self.0.try_lock(key).await
        }

        async fn lock(&self, key: &str, timeout: Duration) -> Locked {
            self.0.lock(key, timeout).await
        }

        async fn try_acquire(
            &self,
            key: &str,
            mode: LockMode,
        ) -> Result<Option<Box<dyn LockGuard>>, LockError> {
            self.0.try_acquire(key, mode).await
        }

        async fn acquire(&self, key: &str, options: AcquireOptions) -> Locked {
            self.0.acquire(key, options).await
        }

        fn scope(&self) -> LockScope {
            self.0.scope()
        }
    }

    type Locked = Result<Box<dyn LockGuard>, LockError>;

    /// A backend cannot have itself excused from a promise by declaring the operation absent.
    #[tokio::test]
    #[should_panic(expected = "Query was declared absent")]
    async fn what_is_declared_absent_must_be_unsupported() {
        let manager = ManagerUnderTest::new(MemoryLockManager::new(), &[Optional::Query]);
        conformance::query_shows_held_and_pending(manager).await;
    }

    conformance!(plain, Process without Query Steal, #[tokio::test], Plain(MemoryLockManager::new()));
    conformance!(memory_on_one_thread, Process, #[tokio::test], MemoryLockManager::new());
    conformance!(memory_on_many_threads, Process, #[tokio::test(flavor = "multi_thread")], MemoryLockManager::new());
    #[cfg(not(target_os = "ios"))]
    conformance!(flock, Datadir, #[tokio::test], FlockPidLockManager::new(datadir()).unwrap());
    #[cfg(all(feature = "postgres", unix))]
    use crosslock::postgres::PostgresLockManager;

    #[cfg(all(feature = "postgres", unix))]
    conformance!(postgres, Database, #[tokio::test], PostgresLockManager::connect(crate::cluster::shared().await.options()).await.unwrap());
    #[cfg(feature = "tracing")]
    use crosslock::traced::TracedLockManager;

    #[cfg(feature = "tracing")]
    conformance!(traced, Process, #[tokio::test], TracedLockManager::new(MemoryLockManager::new()).warn_of_deadlocks());
    #[cfg(unix)]
    conformance!(fcntl, Datadir, #[tokio::test], FcntlPidLockManager::new(datadir()).unwrap());
    #[cfg(any(
        target_os = "linux",
        target_os = "android",
        target_vendor = "apple",
        windows
    ))]
    conformance!(shared_datadir, SharedDatadir without Steal, #[tokio::test], SharedDatadirLockManager::new(datadir()).unwrap());
}

#[cfg(target_family = "wasm")]
mod browser {
    use crosslock::memory::MemoryLockManager;
    use crosslock::web_locks::WebLockManager;
    use wasm_bindgen::JsValue;
    use wasm_bindgen_futures::JsFuture;
    use wasm_bindgen_test::{wasm_bindgen_test, wasm_bindgen_test_configure};

    wasm_bindgen_test_configure!(run_in_browser);

    /// Fails if the browser has reported an unhandled rejection in any test so far.
    /// It reports after the microtasks, so a task has to go by first.
    async fn nothing_went_unhandled() {
        let look = js_sys::Function::new_no_args(
            "globalThis.unhandled ??= (addEventListener('unhandledrejection',
                 (event) => unhandled.push(String(event.reason))), []);
             return new Promise((resolve) => setTimeout(() => resolve(unhandled.join()), 0));",
        );
        let promise = look.call0(&JsValue::NULL).expect("it does not throw");
        let unhandled = JsFuture::from(js_sys::Promise::from(promise)).await;
        assert_eq!(unhandled.expect("it is not rejected"), "");
    }

    conformance!(memory, Process, #[wasm_bindgen_test], MemoryLockManager::new());
    conformance!(web_locks, Origin without Downgrade, #[wasm_bindgen_test], WebLockManager::new());
    conformance!(web_locks_in_a_namespace, Origin without Downgrade, #[wasm_bindgen_test], WebLockManager::with_namespace("wallet.1"));
}

/// Reads the sources, not the compiled crate, so that a backend for another
/// platform cannot be forgotten either.
#[cfg(not(target_family = "wasm"))]
#[test]
fn no_backend_is_left_out() {
    let lines: Vec<&str> = include_str!("backends.rs").lines().collect();
    let tested = |backend: &str| {
        let mut lines = lines.iter().map(|line| line.trim());
        lines
            .any(|line| line.starts_with("conformance!(") && line.contains(&format!("{backend}::")))
    };
    let backends = backends_in(std::path::Path::new("src"));
    for one_of_ours in ["MemoryLockManager", "FlockPidLockManager", "WebLockManager"] {
        let found = backends.iter().any(|backend| backend == one_of_ours);
        assert!(found, "{one_of_ours} is not among {backends:?}");
    }
    for backend in &backends {
        assert!(
            tested(backend),
            "the conformance suite does not run against {backend}"
        );
    }
}

/// A promise that the macro does not list would be checked for nobody.
#[cfg(not(target_family = "wasm"))]
#[test]
fn no_promise_is_left_out() {
    let list = include_str!("../../src/conformance.rs");
    let mut promises = 0;
    for file in std::fs::read_dir("src/conformance").expect("the suite's folder") {
        let source = std::fs::read_to_string(file.expect("a readable folder").path());
        let source = source.expect("a source file");
        for line in source.lines() {
            let Some(rest) = line.strip_prefix("pub async fn ") else {
                continue;
            };
            let (name, _) = rest.split_once('(').expect("the arguments");
            let listed = list.lines().any(|line| line.trim() == name);
            assert!(listed, "the macro does not list {name}");
            promises += 1;
        }
    }
    assert!(promises > 20, "only {promises} were found");
}

/// The types that implement `LockManager` in the sources under `folder`.
#[cfg(not(target_family = "wasm"))]
fn backends_in(folder: &std::path::Path) -> Vec<String> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).expect("the tests run in the crate's folder") {
        let path = entry.expect("a readable folder").path();
        if path.is_dir() {
            found.extend(backends_in(&path));
            continue;
        }
        let source = std::fs::read_to_string(&path).expect("a source file");
        for line in source.lines() {
            let rest = line.strip_prefix("impl LockManager for ");
            let name = rest.and_then(|rest| rest.split(|c: char| !c.is_alphanumeric()).next());
            found.extend(name.map(str::to_owned));
        }
    }
    found
}
