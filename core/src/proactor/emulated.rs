//! A proactor's operations on a loop that waits for readiness.

use std::sync::Arc;

use crate::{Completed, ErrorKind, EventLoop, Operation, Resource};

/// Tries the operation, and waits for readiness in between.
pub(super) async fn perform(
    _event_loop: &Arc<dyn EventLoop>,
    _resource: &Resource,
    operation: Operation,
) -> Completed {
    (Err(crate::Error::from(ErrorKind::Unsupported).into()), Some(operation))
}
