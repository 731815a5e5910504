//! Storage for a policy's child watcher.

use std::fmt::Debug;
use std::sync::Arc;

use crate::sync::Mutex;
use crate::{ChildWatcher, Error};

/// The argument of `policy::set_child_watcher`: a watcher, a shared watcher, or `None` for the
/// default.
///
/// ```
/// # use policy_core::{ChildCallback, ChildId, ChildWatcher, Error, ErrorKind, EventLoop, ExitFuture};
/// # use std::sync::Arc;
/// #
/// # /// Watches nothing.
/// # #[derive(Debug)]
/// # struct Blind;
/// #
/// # impl ChildWatcher for Blind {
/// #     fn watch(&self, _child: &ChildId) -> Result<ExitFuture, Error> {
/// #         Err(ErrorKind::Unsupported.into())
/// #     }
/// #     fn add_child_handler(&self, _pid: u32, _callback: ChildCallback) -> Result<(), Error> {
/// #         Err(ErrorKind::Unsupported.into())
/// #     }
/// #     fn remove_child_handler(&self, _pid: u32) -> bool {
/// #         false
/// #     }
/// #     fn attach_loop(&self, _event_loop: Option<Arc<dyn EventLoop>>) -> Result<(), Error> {
/// #         Ok(())
/// #     }
/// #     fn is_active(&self) -> bool {
/// #         false
/// #     }
/// #     fn close(&self) {}
/// # }
/// # use policy_core::IntoWatcher;
/// assert!(Blind.into_watcher().is_some());
/// assert!(None.into_watcher().is_none());
/// ```
pub trait IntoWatcher {
    /// Converts; `None` stands for the default watcher.
    fn into_watcher(self) -> Option<Arc<dyn ChildWatcher>>;
}

impl<W: ChildWatcher> IntoWatcher for W {
    fn into_watcher(self) -> Option<Arc<dyn ChildWatcher>> {
        Some(Arc::new(self))
    }
}

impl IntoWatcher for Arc<dyn ChildWatcher> {
    fn into_watcher(self) -> Option<Arc<dyn ChildWatcher>> {
        Some(self)
    }
}

impl IntoWatcher for Option<Arc<dyn ChildWatcher>> {
    fn into_watcher(self) -> Option<Arc<dyn ChildWatcher>> {
        self
    }
}

/// Holds the child watcher of a policy.
///
/// ```
/// # use policy_core::{ChildCallback, ChildId, ChildWatcher, Error, ErrorKind, EventLoop, ExitFuture};
/// # use std::sync::Arc;
/// #
/// # /// Watches nothing.
/// # #[derive(Debug)]
/// # struct Blind;
/// #
/// # impl ChildWatcher for Blind {
/// #     fn watch(&self, _child: &ChildId) -> Result<ExitFuture, Error> {
/// #         Err(ErrorKind::Unsupported.into())
/// #     }
/// #     fn add_child_handler(&self, _pid: u32, _callback: ChildCallback) -> Result<(), Error> {
/// #         Err(ErrorKind::Unsupported.into())
/// #     }
/// #     fn remove_child_handler(&self, _pid: u32) -> bool {
/// #         false
/// #     }
/// #     fn attach_loop(&self, _event_loop: Option<Arc<dyn EventLoop>>) -> Result<(), Error> {
/// #         Ok(())
/// #     }
/// #     fn is_active(&self) -> bool {
/// #         false
/// #     }
/// #     fn close(&self) {}
/// # }
/// # use policy_core::WatcherSlot;
/// let slot = WatcherSlot::default();
/// slot.set(Some(Arc::new(Blind)));
/// assert!(slot.peek().is_some());
/// ```
#[derive(Debug, Default)]
pub struct WatcherSlot {
    watcher: Mutex<Option<Arc<dyn ChildWatcher>>>,
}

impl WatcherSlot {
    /// Returns the watcher, if there is one.
    ///
    /// ```
    /// assert!(policy_core::WatcherSlot::default().peek().is_none());
    /// ```
    pub fn peek(&self) -> Option<Arc<dyn ChildWatcher>> {
        self.watcher.lock().clone()
    }

    /// Returns the watcher; calls `make` if there is none, once, however many threads call this.
    /// `make` must not use the slot.
    ///
    /// # Errors
    /// Returns the error of `make`.
    ///
    /// ```
    /// # use policy_core::{ChildCallback, ChildId, ChildWatcher, Error, ErrorKind, EventLoop, ExitFuture};
    /// # use std::sync::Arc;
    /// #
    /// # /// Watches nothing.
    /// # #[derive(Debug)]
    /// # struct Blind;
    /// #
    /// # impl ChildWatcher for Blind {
    /// #     fn watch(&self, _child: &ChildId) -> Result<ExitFuture, Error> {
    /// #         Err(ErrorKind::Unsupported.into())
    /// #     }
    /// #     fn add_child_handler(&self, _pid: u32, _callback: ChildCallback) -> Result<(), Error> {
    /// #         Err(ErrorKind::Unsupported.into())
    /// #     }
    /// #     fn remove_child_handler(&self, _pid: u32) -> bool {
    /// #         false
    /// #     }
    /// #     fn attach_loop(&self, _event_loop: Option<Arc<dyn EventLoop>>) -> Result<(), Error> {
    /// #         Ok(())
    /// #     }
    /// #     fn is_active(&self) -> bool {
    /// #         false
    /// #     }
    /// #     fn close(&self) {}
    /// # }
    /// # use policy_core::WatcherSlot;
    /// let slot = WatcherSlot::default();
    /// assert!(slot.get_or_try_init(&mut || Err(ErrorKind::LimitReached.into())).is_err());
    /// assert!(slot.get_or_try_init(&mut || Ok(Arc::new(Blind))).is_ok());
    /// ```
    pub fn get_or_try_init(
        &self,
        make: &mut dyn FnMut() -> Result<Arc<dyn ChildWatcher>, Error>,
    ) -> Result<Arc<dyn ChildWatcher>, Error> {
        let mut slot = self.watcher.lock();
        if let Some(watcher) = &*slot {
            return Ok(watcher.clone());
        }
        let watcher = make()?;
        *slot = Some(watcher.clone());
        Ok(watcher)
    }

    /// Sets the watcher and closes the previous one, unless it is the same.
    ///
    /// ```
    /// # use policy_core::{ChildCallback, ChildId, ChildWatcher, Error, ErrorKind, EventLoop, ExitFuture};
    /// # use std::sync::Arc;
    /// #
    /// # /// Watches nothing.
    /// # #[derive(Debug)]
    /// # struct Blind;
    /// #
    /// # impl ChildWatcher for Blind {
    /// #     fn watch(&self, _child: &ChildId) -> Result<ExitFuture, Error> {
    /// #         Err(ErrorKind::Unsupported.into())
    /// #     }
    /// #     fn add_child_handler(&self, _pid: u32, _callback: ChildCallback) -> Result<(), Error> {
    /// #         Err(ErrorKind::Unsupported.into())
    /// #     }
    /// #     fn remove_child_handler(&self, _pid: u32) -> bool {
    /// #         false
    /// #     }
    /// #     fn attach_loop(&self, _event_loop: Option<Arc<dyn EventLoop>>) -> Result<(), Error> {
    /// #         Ok(())
    /// #     }
    /// #     fn is_active(&self) -> bool {
    /// #         false
    /// #     }
    /// #     fn close(&self) {}
    /// # }
    /// # use policy_core::WatcherSlot;
    /// let slot = WatcherSlot::default();
    /// slot.set(Some(Arc::new(Blind)));
    /// slot.set(None); // closes it
    /// assert!(slot.peek().is_none());
    /// ```
    pub fn set(&self, watcher: Option<Arc<dyn ChildWatcher>>) {
        let former = {
            let mut slot = self.watcher.lock();
            match (&*slot, &watcher) {
                // asyncio closes it and installs it closed (B22).
                (Some(old), Some(new)) if Arc::ptr_eq(old, new) => return,
                _ => std::mem::replace(&mut *slot, watcher),
            }
        };
        // Outside the lock: futures that wait are woken.
        if let Some(former) = former {
            former.close();
        }
    }
}
