//! [`LockManager`] for what points to a manager: `Arc<M>`, `Box<M>` and `&M`.
//!
//! Every method is forwarded, also those with a default body: the default
//! [`lock`](LockManager::lock) polls, so a pointer that inherited it would turn a fair queue
//! into a race. The lint below refuses an `impl` in which a method is missing.
//!
//! The methods hand out the future of the manager itself. An `async fn` would put it into a
//! second box, at the cost of an allocation for each lock. Therefore the signatures are
//! written in the form into which `async_trait` turns those of the trait.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use super::{AcquireOptions, LockManager};
use crate::error::LockError;
use crate::guard::{LockGuard, LockMode};
use crate::scope::LockScope;
use crate::snapshot::LockSnapshot;

#[cfg(not(all(target_family = "wasm", target_os = "unknown")))]
type Answer<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;
#[cfg(all(target_family = "wasm", target_os = "unknown"))]
type Answer<'a, T> = Pin<Box<dyn Future<Output = T> + 'a>>;

macro_rules! forward_to_pointee {
    ($($pointer:ty),*) => {$(
        #[deny(clippy::missing_trait_methods)]
        impl<M: LockManager + ?Sized> LockManager for $pointer {
            fn try_lock<'life0, 'life1, 'async_trait>(
                &'life0 self,
                key: &'life1 str,
            ) -> Answer<'async_trait, Option<Box<dyn LockGuard>>>
            where
                Self: 'async_trait,
                'life0: 'async_trait,
                'life1: 'async_trait,
            {
                (**self).try_lock(key)
            }

            fn lock<'life0, 'life1, 'async_trait>(
                &'life0 self,
                key: &'life1 str,
                timeout: Duration,
            ) -> Answer<'async_trait, Result<Box<dyn LockGuard>, LockError>>
            where
                Self: 'async_trait,
                'life0: 'async_trait,
                'life1: 'async_trait,
            {
                (**self).lock(key, timeout)
            }

            fn try_acquire<'life0, 'life1, 'async_trait>(
                &'life0 self,
                key: &'life1 str,
                mode: LockMode,
            ) -> Answer<'async_trait, Result<Option<Box<dyn LockGuard>>, LockError>>
            where
                Self: 'async_trait,
                'life0: 'async_trait,
                'life1: 'async_trait,
            {
                (**self).try_acquire(key, mode)
            }

            fn acquire<'life0, 'life1, 'async_trait>(
                &'life0 self,
                key: &'life1 str,
                options: AcquireOptions,
            ) -> Answer<'async_trait, Result<Box<dyn LockGuard>, LockError>>
            where
                Self: 'async_trait,
                'life0: 'async_trait,
                'life1: 'async_trait,
            {
                (**self).acquire(key, options)
            }

            fn lock_many<'life0, 'life1, 'life2, 'async_trait>(
                &'life0 self,
                keys: &'life1 [&'life2 str],
                timeout: Duration,
            ) -> Answer<'async_trait, Result<Vec<Box<dyn LockGuard>>, LockError>>
            where
                Self: 'async_trait,
                'life0: 'async_trait,
                'life1: 'async_trait,
                'life2: 'async_trait,
            {
                (**self).lock_many(keys, timeout)
            }

            fn steal<'life0, 'life1, 'async_trait>(
                &'life0 self,
                key: &'life1 str,
            ) -> Answer<'async_trait, Result<Box<dyn LockGuard>, LockError>>
            where
                Self: 'async_trait,
                'life0: 'async_trait,
                'life1: 'async_trait,
            {
                (**self).steal(key)
            }

            fn query<'life0, 'async_trait>(
                &'life0 self,
            ) -> Answer<'async_trait, Result<LockSnapshot, LockError>>
            where
                Self: 'async_trait,
                'life0: 'async_trait,
            {
                (**self).query()
            }

            fn scope(&self) -> LockScope {
                (**self).scope()
            }
        }
    )*};
}

forward_to_pointee!(Arc<M>, Box<M>, &M);
