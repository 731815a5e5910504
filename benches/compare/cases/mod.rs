//! What is compared, group by group.

mod asyncio;
mod build;
mod causes;
mod children;
#[cfg(target_os = "linux")]
mod files;
mod glance;
mod http;
mod latency;
mod lookup;
mod memory;
mod net;
#[cfg(target_os = "linux")]
mod proactor;
mod python;
mod scaling;
mod shutdown;
mod tasks;
mod timers;

pub use causes::cause;
pub use glance::glance;

use crate::harness::{Plan, Row};

type Group = (&'static str, fn(&Plan) -> Vec<Row>);

pub const GROUPS: &[Group] = &[
    ("tasks", tasks::rows),
    ("lookup", lookup::rows),
    ("timers", timers::rows),
    ("net", net::rows),
    ("http", http::rows),
    #[cfg(target_os = "linux")]
    ("proactor", proactor::rows),
    #[cfg(target_os = "linux")]
    ("files", files::rows),
    ("latency", latency::rows),
    ("shutdown", shutdown::rows),
    ("asyncio", asyncio::rows),
    ("children", children::rows),
    ("memory", memory::rows),
    ("scaling", scaling::rows),
    ("build", build::rows),
];
