//! What is compared, group by group.

mod build;
mod causes;
mod children;
#[cfg(target_os = "linux")]
mod files;
mod http;
mod lookup;
mod memory;
mod net;
#[cfg(target_os = "linux")]
mod proactor;
mod scaling;
mod tasks;
mod timers;

pub use causes::cause;

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
    ("children", children::rows),
    ("memory", memory::rows),
    ("scaling", scaling::rows),
    ("build", build::rows),
];
