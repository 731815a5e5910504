//! Where there is no kqueue: children are waited for in other ways.

use std::sync::Arc;

use policy_core::{Error, ErrorKind};

use crate::process::identity::Record;

#[derive(Debug, Default)]
pub(super) struct Queue;

impl Queue {
    pub(super) fn attend(&self, _: &Arc<Record>) -> Result<(), Error> {
        Err(ErrorKind::Unsupported.into())
    }
}
