//! The event loop, for users of asyncio: each method of `AbstractEventLoop`, and its counterpart
//! here.
//!
//! A loop is an `Arc<dyn EventLoop>`; you call the methods of `dyn EventLoop` (see
//! [`EventLoop`](crate::EventLoop)). The methods that start children belong to `EventLoopExt`, in
//! the [`prelude`](crate::prelude), and its `on()` has a twin of each ambient function:
//! `policy::time`, `policy::net`, `policy::process`.
//!
//! ```
//! use std::time::Duration;
//!
//! let event_loop = policy::new_event_loop()?;
//! let stopper = event_loop.clone();
//! event_loop.call_soon(|| println!("first"));
//! event_loop.call_later(Duration::from_millis(2), move || stopper.stop());
//! event_loop.run_forever()?;
//! event_loop.close()?;
//! # Ok::<(), policy::Error>(())
//! ```
//!
//! # Running
//!
//! | asyncio | here | differs in |
//! |---|---|---|
//! | `run_forever` | `run_forever()` | a wrong state is a typed error |
//! | `run_until_complete` | `run_until_complete(future)` | a stop is `StoppedBeforeComplete`, and the future is dropped: spawn what should survive |
//! | `stop` | `stop()` | from any thread |
//! | `is_running` | `is_running()` | false in a child of `fork` |
//! | `is_closed` | `is_closed()` | |
//! | `close` | `close()` | `close_within(limit)` waits for blocking jobs, too |
//! | `run_coroutine_threadsafe(…).result()` | `block_on(future)`, on another thread | typed errors where it would deadlock |
//! | `shutdown_asyncgens` | | a stream is dropped like any value |
//! | `shutdown_default_executor` | `close_within(limit)` | returns the number of jobs that are left |
//!
//! # Callbacks and time
//!
//! | asyncio | here | differs in |
//! |---|---|---|
//! | `call_soon` | `call_soon(callback)` → [`Handle`](crate::callback::Handle) | from any thread; debug mode logs calls from the wrong one |
//! | `call_soon_threadsafe` | `call_soon_threadsafe(callback)` | |
//! | `call_later` | `call_later(delay, callback)` → [`TimerHandle`](crate::callback::TimerHandle) | equal times in the order of the calls |
//! | `call_at` | `call_at(when, callback)` | as above |
//! | `time` | `time()` | an `Instant`; `pause()` and `advance(…)` for tests |
//!
//! `try_call_soon` and the like return an error where these drop the callback, on a closed loop.
//! Callbacks are closures, so they capture their arguments, and also the values that asyncio keeps
//! in context variables: `context=` has no counterpart.
//!
//! # Tasks and threads
//!
//! | asyncio | here | differs in |
//! |---|---|---|
//! | `create_task` | `spawn(future)`, `spawn_local(future)` → [`JoinHandle`](crate::task::JoinHandle) | runs on although its handle is dropped |
//! | `create_future` | | a channel of any crate; wakers need no loop |
//! | `set_task_factory`, `get_task_factory` | | wrap the future before it is spawned |
//! | `run_in_executor` | `spawn_blocking(f)` | on the loop's own threads, or those that were set |
//! | `set_default_executor` | `set_default_executor(executor)` | any [`BlockingExecutor`](crate::BlockingExecutor) |
//!
//! # Descriptors, sockets, signals, children
//!
//! | asyncio | here | differs in |
//! |---|---|---|
//! | `add_reader`, `remove_reader`, `add_writer`, `remove_writer` | the same, of `selector()?` | also `readable(fd).await` |
//! | `sock_recv`, `sock_recv_into`, `sock_recvfrom`, `sock_recvfrom_into`, `sock_sendall`, `sock_sendto`, `sock_connect`, `sock_accept` | `recv`, `recv_from`, `send_all`, `send_to`, `connect`, `accept` of `proactor()?` | buffers are lent, and come back with the result |
//! | `sock_sendfile`, `sendfile` | [`io::copy`](crate::io::copy()) | |
//! | `getaddrinfo` | [`net::lookup_host`](crate::net::lookup_host()) | |
//! | `getnameinfo` | | a name server's crate, in `spawn_blocking` |
//! | `create_connection`, `create_unix_connection` | `net::TcpStream::connect`, `net::UnixStream::connect` | streams, below |
//! | `create_server`, `create_unix_server` | `net::TcpListener::bind`, `net::UnixListener::bind` | streams, below |
//! | `create_datagram_endpoint` | `net::UdpSocket::bind` | |
//! | `connect_accepted_socket` | `net::TcpStream::from_std` | |
//! | `start_tls` | | a TLS crate, around any stream |
//! | `connect_read_pipe`, `connect_write_pipe` | `selector()?.register(fd)`; pipes of children are streams | |
//! | `add_signal_handler`, `remove_signal_handler` | the same; [`signal`](crate::signal) to await one | on any thread, any number of loops |
//! | `subprocess_exec`, `subprocess_shell` | the same → `process::Child` | streams, below |
//!
//! # When something goes wrong
//!
//! | asyncio | here | differs in |
//! |---|---|---|
//! | `set_exception_handler`, `get_exception_handler` | the same: an [`ExceptionHandler`](crate::ExceptionHandler) | |
//! | `default_exception_handler` | the same | writes to the crate `log` |
//! | `call_exception_handler` | the same: an [`ExceptionContext`](crate::ExceptionContext) | a type, where asyncio has a dictionary |
//! | `get_debug`, `set_debug` | the same | `EVENT_LOOP_DEBUG=1` for `PYTHONASYNCIODEBUG=1` |
//! | `slow_callback_duration` | the same, and `set_slow_callback_duration` | polls of tasks, too |
//!
//! The exceptions `KeyboardInterrupt` and `SystemExit`, which end asyncio's loop, have no
//! counterpart: a panic goes to the handler, or is found in the task's handle.
//!
//! # Transports and protocols
//!
//! are not copied. In asyncio a transport calls the methods of a protocol, because callbacks came
//! first and coroutines later. Here you can await everything: instead of `data_received` you read
//! from a stream; `connection_lost` is the end of the stream or its error; `pause_writing` is a
//! write that waits; and a task per connection is the object that keeps the state. The streams
//! implement the traits of [futures-io](futures_io), so codecs of any crate work with them.

pub use policy_core::context::EnterGuard;
