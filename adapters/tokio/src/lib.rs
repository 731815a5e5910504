//! tokio for event-loop-policy: TokioPolicy, and adoption of runtimes that are already there.
