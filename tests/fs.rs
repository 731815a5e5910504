//! Files, on every loop.
#![allow(
    clippy::expect_used,
    missing_docs,
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that fails panics"
)]

use std::future::{Future, poll_fn};
use std::io::{ErrorKind, SeekFrom};
use std::pin::Pin;
use std::task::Poll;

use futures_lite::{AsyncRead, AsyncReadExt, AsyncSeekExt, AsyncWriteExt, StreamExt};
use policy::fs::{self, File, OpenOptions};
use tempfile::TempDir;

/// Runs the story once on each loop that is compiled in, in an empty folder.
fn on_every_loop<F: Future<Output = ()>>(story: impl Fn(TempDir) -> F) {
    for name in policy::policy_names() {
        println!("on {name}");
        let policy = policy::from_name(name).unwrap();
        policy::Runner::with_policy(policy).run(story(tempfile::tempdir().unwrap())).unwrap();
    }
}

fn bytes(count: usize) -> Vec<u8> {
    (0..count).map(|n| (n * 7 + n / 251) as u8).collect()
}

#[test]
fn what_is_written_is_read_back_of_any_size() {
    on_every_loop(|folder| async move {
        for size in [0, 1, 4096, 5 * 1024 * 1024 + 3] {
            let path = folder.path().join("file");
            let mut file = File::create(&path).await.unwrap();
            file.write_all(&bytes(size)).await.unwrap();
            file.flush().await.unwrap();
            assert_eq!(fs::read(&path).await.unwrap(), bytes(size));
            let mut read = Vec::new();
            File::open(&path).await.unwrap().read_to_end(&mut read).await.unwrap();
            assert!(read == bytes(size), "{size} bytes");
        }
    });
}

#[test]
fn reading_writing_and_seeking_share_one_position() {
    on_every_loop(|folder| async move {
        let path = folder.path().join("file");
        fs::write(&path, "0123456789").await.unwrap();
        let mut file = OpenOptions::new().read(true).write(true).open(&path).await.unwrap();
        let mut some = [0; 3];
        file.read_exact(&mut some).await.unwrap();
        assert_eq!(&some, b"012");
        file.write_all(b"ab").await.unwrap();
        file.read_exact(&mut some).await.unwrap();
        assert_eq!(&some, b"567");
        assert_eq!(file.seek(SeekFrom::Current(-2)).await.unwrap(), 6);
        file.write_all(b"c").await.unwrap();
        assert_eq!(file.seek(SeekFrom::End(-1)).await.unwrap(), 9);
        file.read_exact(&mut some[..1]).await.unwrap();
        assert_eq!(some[0], b'9');
        assert_eq!(fs::read_to_string(&path).await.unwrap(), "012ab5c789");
        assert_eq!(
            file.seek(SeekFrom::Current(-100)).await.unwrap_err().kind(),
            ErrorKind::InvalidInput
        );
    });
}

/// Begins a read at the start of the file, and gives it up while it is under way.
async fn give_up_a_read(file: &mut File, size: usize) {
    loop {
        file.seek(SeekFrom::Start(0)).await.unwrap();
        let mut read = vec![0; size];
        let polled = poll_fn(|cx| Poll::Ready(Pin::new(&mut *file).poll_read(cx, &mut read))).await;
        // Ready at once if the thread was quick: then nothing was given up.
        if polled.is_pending() {
            return;
        }
    }
}

#[test]
fn a_read_that_is_given_up_loses_nothing() {
    on_every_loop(|folder| async move {
        let path = folder.path().join("file");
        fs::write(&path, "hello world").await.unwrap();
        let mut file = File::open(&path).await.unwrap();
        give_up_a_read(&mut file, 6).await;
        let mut text = String::new();
        file.read_to_string(&mut text).await.unwrap();
        assert_eq!(text, "hello world");
    });
}

#[test]
fn a_write_after_a_read_that_was_given_up_lands_where_the_reader_is() {
    on_every_loop(|folder| async move {
        let path = folder.path().join("file");
        fs::write(&path, "hello world").await.unwrap();
        let mut file = OpenOptions::new().read(true).write(true).open(&path).await.unwrap();
        give_up_a_read(&mut file, 6).await;
        file.write_all(b"J").await.unwrap();
        file.flush().await.unwrap();
        assert_eq!(fs::read_to_string(&path).await.unwrap(), "Jello world");
    });
}

#[test]
fn a_file_that_is_open_for_reading_refuses_a_write_at_once() {
    on_every_loop(|folder| async move {
        let path = folder.path().join("file");
        fs::write(&path, "read only").await.unwrap();
        let mut file = File::open(&path).await.unwrap();
        let refused = match file.write(b"x").await {
            // Where the system can't be asked before.
            Ok(_) => file.flush().await.unwrap_err(),
            Err(refused) => refused,
        };
        assert!(refused.raw_os_error().is_some(), "{refused:?}");
        // A mistake does not cost the file.
        assert_eq!(file.take_unwritten().len(), if cfg!(unix) { 0 } else { 1 });
        file.flush().await.unwrap();
        let mut text = String::new();
        file.read_to_string(&mut text).await.unwrap();
        assert_eq!(text, "read only");
    });
}

#[test]
fn a_seek_that_fails_leaves_the_reader_where_it_was() {
    on_every_loop(|folder| async move {
        let path = folder.path().join("file");
        fs::write(&path, "hello world").await.unwrap();
        let mut file = File::open(&path).await.unwrap();
        give_up_a_read(&mut file, 6).await;
        let refused = file.seek(SeekFrom::Current(-100)).await.unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::InvalidInput);
        let mut text = String::new();
        file.read_to_string(&mut text).await.unwrap();
        assert_eq!(text, "hello world");
    });
}

#[cfg(unix)]
#[test]
fn a_write_to_what_has_no_position_keeps_what_was_read_ahead() {
    use std::os::fd::OwnedFd;
    use std::os::unix::net::UnixStream;

    on_every_loop(|_| async move {
        let (ours, theirs) = UnixStream::pair().unwrap();
        let mut file = File::from_std(OwnedFd::from(ours).into());
        let mut peer = File::from_std(OwnedFd::from(theirs).into());
        peer.write_all(b"hello").await.unwrap();
        peer.flush().await.unwrap();
        {
            let mut read = [0; 5];
            let polled =
                poll_fn(|cx| Poll::Ready(Pin::new(&mut file).poll_read(cx, &mut read))).await;
            if let Poll::Ready(read_at_once) = polled {
                assert_eq!(read_at_once.unwrap(), 5);
                return; // The thread was quick: nothing was read ahead.
            }
        }
        file.write_all(b"world").await.unwrap();
        file.flush().await.unwrap();
        let mut text = [0; 5];
        file.read_exact(&mut text).await.unwrap();
        assert_eq!(&text, b"hello");
        peer.read_exact(&mut text).await.unwrap();
        assert_eq!(&text, b"world");
    });
}

#[test]
fn what_a_loop_that_closes_did_not_write_another_writes() {
    on_every_loop(|folder| async move {
        let path = folder.path().join("file");
        let mut file = File::create(&path).await.unwrap();
        file.write_all(b"hello, ").await.unwrap();
        file.flush().await.unwrap();
        let event_loop = policy::get_running_loop().unwrap();
        // As a loop does that has no time left: the job never begins.
        event_loop.set_default_executor(|_job| Ok(())).unwrap();
        file.write_all(b"world").await.unwrap();
        file.flush().await.unwrap_err();
        let elsewhere = std::thread::spawn(move || {
            policy::run(async {
                file.flush().await.unwrap();
                assert_eq!(fs::read_to_string(&path).await.unwrap(), "hello, world");
            });
        });
        elsewhere.join().unwrap();
    });
}

#[test]
fn a_file_goes_to_std_and_back_with_its_position() {
    on_every_loop(|folder| async move {
        use std::io::Read;

        let path = folder.path().join("file");
        fs::write(&path, "hello world").await.unwrap();
        let mut file = File::open(&path).await.unwrap();
        give_up_a_read(&mut file, 8).await;
        let mut some = [0; 2];
        file.read_exact(&mut some).await.unwrap();
        let mut std_file = file.into_std().await.unwrap();
        let mut text = String::new();
        std_file.read_to_string(&mut text).unwrap();
        assert_eq!(text, "llo world");
        assert_eq!(File::from(std_file).metadata().await.unwrap().len(), 11);
    });
}

#[test]
fn reads_and_writes_at_positions_leave_the_stream_alone() {
    on_every_loop(|folder| async move {
        let path = folder.path().join("file");
        fs::write(&path, "0123456789").await.unwrap();
        let mut file = OpenOptions::new().read(true).write(true).open(&path).await.unwrap();
        let (written, buffer) = file.write_at(4, b"ab".to_vec()).await;
        assert_eq!((written.unwrap(), buffer), (2, b"ab".to_vec()));
        let (read, buffer) = file.read_at(3, vec![0; 4]).await;
        assert_eq!((read.unwrap(), &buffer[..]), (4, &b"3ab6"[..]));
        let (read, buffer) = file.read_at(100, vec![1; 4]).await;
        assert_eq!((read.unwrap(), buffer.len()), (0, 0));
        let mut text = String::new();
        file.read_to_string(&mut text).await.unwrap();
        assert_eq!(text, "0123ab6789");
    });
}

#[test]
fn a_file_is_cut_and_synced() {
    on_every_loop(|folder| async move {
        let path = folder.path().join("file");
        let mut file = File::create(&path).await.unwrap();
        file.write_all(b"hello world").await.unwrap();
        file.set_len(5).await.unwrap();
        file.sync_data().await.unwrap();
        file.sync_all().await.unwrap();
        assert_eq!(fs::read(&path).await.unwrap(), b"hello");
        assert_eq!(file.try_clone().await.unwrap().metadata().await.unwrap().len(), 5);
    });
}

#[test]
fn a_folder_lists_all_that_is_in_it() {
    on_every_loop(|folder| async move {
        let inner = folder.path().join("a/b");
        fs::create_dir_all(&inner).await.unwrap();
        for n in 0..200 {
            fs::write(inner.join(n.to_string()), "").await.unwrap();
        }
        let mut entries = fs::read_dir(&inner).await.unwrap();
        let first = entries.next_entry().await.unwrap().unwrap();
        assert!(first.file_type().await.unwrap().is_file());
        assert_eq!(first.metadata().await.unwrap().len(), 0);
        let mut names = vec![first.file_name().into_string().unwrap()];
        while let Some(entry) = entries.next().await {
            names.push(entry.unwrap().file_name().into_string().unwrap());
        }
        names.sort_by_key(|name| name.parse::<u32>().unwrap());
        assert_eq!(names, (0..200).map(|n| n.to_string()).collect::<Vec<_>>());
        assert!(entries.next_entry().await.unwrap().is_none());
    });
}

#[test]
fn names_are_made_moved_and_removed() {
    on_every_loop(|folder| async move {
        let at = |name: &str| folder.path().join(name);
        fs::write(at("one"), "1").await.unwrap();
        assert_eq!(fs::copy(at("one"), at("two")).await.unwrap(), 1);
        fs::rename(at("two"), at("three")).await.unwrap();
        assert!(!fs::try_exists(at("two")).await.unwrap());
        fs::hard_link(at("one"), at("again")).await.unwrap();
        #[cfg(unix)]
        {
            fs::symlink("one", at("link")).await.unwrap();
            assert_eq!(fs::read_link(at("link")).await.unwrap().to_str(), Some("one"));
            assert!(fs::symlink_metadata(at("link")).await.unwrap().is_symlink());
            assert_eq!(
                fs::canonicalize(at("link")).await.unwrap(),
                fs::canonicalize(at("one")).await.unwrap()
            );
        }
        let mut permissions = fs::metadata(at("one")).await.unwrap().permissions();
        permissions.set_readonly(true);
        fs::set_permissions(at("one"), permissions).await.unwrap();
        assert!(fs::metadata(at("one")).await.unwrap().permissions().readonly());
        fs::remove_file(at("three")).await.unwrap();
        fs::create_dir(at("folder")).await.unwrap();
        fs::remove_dir(at("folder")).await.unwrap();
        let missing = fs::read(at("three")).await.unwrap_err();
        assert_eq!(missing.kind(), ErrorKind::NotFound);
        let there = fs::create_dir(folder.path()).await.unwrap_err();
        assert_eq!(there.kind(), ErrorKind::AlreadyExists);
    });
}

#[test]
fn several_buffers_are_read_and_written_by_one_call() {
    use std::io::{IoSlice, IoSliceMut};

    on_every_loop(|folder| async move {
        let path = folder.path().join("file");
        let mut file =
            OpenOptions::new().read(true).write(true).create(true).open(&path).await.unwrap();
        let none = file.write_vectored(&[IoSlice::new(b""), IoSlice::new(b"")]).await;
        assert_eq!(none.unwrap(), 0);
        let slices = [IoSlice::new(b"hel"), IoSlice::new(b""), IoSlice::new(b"lo world")];
        assert_eq!(file.write_vectored(&slices).await.unwrap(), 11);
        file.seek(SeekFrom::Start(0)).await.unwrap();
        assert_eq!(file.read_vectored(&mut []).await.unwrap(), 0);
        let (mut a, mut b) = ([0; 4], [0; 16]);
        let mut slices = [IoSliceMut::new(&mut a), IoSliceMut::new(&mut b)];
        assert_eq!(file.read_vectored(&mut slices).await.unwrap(), 11);
        assert_eq!((&a, &b[..7]), (b"hell", &b"o world"[..]));
    });
}

#[test]
fn a_file_is_given_back_at_once_when_nothing_is_under_way() {
    use std::io::Read;

    on_every_loop(|folder| async move {
        let path = folder.path().join("file");
        fs::write(&path, "hello").await.unwrap();
        let mut file = OpenOptions::new().read(true).write(true).open(&path).await.unwrap();
        give_up_a_read(&mut file, 5).await;
        let mut file = file.try_into_std().expect_err("a read is under way");
        // Handed back as it was: what the read brings is there.
        let mut text = String::new();
        file.read_to_string(&mut text).await.unwrap();
        assert_eq!(text, "hello");
        file.write_all(b", world").await.unwrap();
        file.flush().await.unwrap();
        file.seek(SeekFrom::Start(0)).await.unwrap();
        let mut text = String::new();
        file.try_into_std().unwrap().read_to_string(&mut text).unwrap();
        assert_eq!(text, "hello, world");
    });
}

#[cfg(unix)]
#[test]
fn a_pipe_that_nobody_reads_refuses_each_time_until_the_bytes_are_taken_out() {
    on_every_loop(|_| async move {
        let (reader, writer) = rustix::pipe::pipe().unwrap();
        drop(reader);
        let mut file = File::from_std(writer.into());
        file.write_all(b"hello").await.unwrap();
        for _ in 0..2 {
            assert_eq!(file.flush().await.unwrap_err().kind(), ErrorKind::BrokenPipe);
        }
        assert_eq!(file.write(b"more").await.unwrap_err().kind(), ErrorKind::BrokenPipe);
        assert_eq!(file.take_unwritten(), b"hello");
        file.flush().await.unwrap();
    });
}

#[cfg(unix)]
#[test]
fn folders_are_made_as_they_are_built() {
    use std::os::unix::fs::PermissionsExt;

    use policy::fs::DirBuilder;

    on_every_loop(|folder| async move {
        let path = folder.path().join("a/b");
        let missing = DirBuilder::new().create(&path).await.unwrap_err();
        assert_eq!(missing.kind(), ErrorKind::NotFound);
        DirBuilder::new().recursive(true).mode(0o700).create(&path).await.unwrap();
        DirBuilder::new().recursive(true).create(&path).await.unwrap();
        let there = DirBuilder::new().create(&path).await.unwrap_err();
        assert_eq!(there.kind(), ErrorKind::AlreadyExists);
        assert_eq!(fs::metadata(&path).await.unwrap().permissions().mode() & 0o777, 0o700);
        let nul = DirBuilder::new().create("a\0b").await.unwrap_err();
        assert_eq!(nul.kind(), ErrorKind::InvalidInput);
    });
}

#[cfg(unix)]
#[test]
fn flags_of_the_system_are_kept_when_a_file_is_opened() {
    use std::os::fd::{AsFd, AsRawFd};

    on_every_loop(|folder| async move {
        fs::write(folder.path().join("file"), "").await.unwrap();
        fs::symlink("file", folder.path().join("link")).await.unwrap();
        let mut options = OpenOptions::new();
        options.read(true).custom_flags(libc::O_NOFOLLOW);
        let refused = options.open(folder.path().join("link")).await.unwrap_err();
        assert_eq!(refused.raw_os_error(), Some(libc::ELOOP));
        let file = options.open(folder.path().join("file")).await.unwrap();
        assert_eq!(file.as_fd().as_raw_fd(), file.as_raw_fd());
    });
}

#[test]
fn a_folder_that_is_opened_as_a_file_says_so_when_it_is_read() {
    on_every_loop(|folder| async move {
        // Windows refuses already to open it.
        let Ok(mut file) = File::open(folder.path()).await else { return };
        assert_eq!(file.read(&mut [0; 8]).await.unwrap_err().kind(), ErrorKind::IsADirectory);
        assert_eq!(file.read(&mut []).await.unwrap(), 0);
    });
}

#[test]
fn without_a_loop_there_is_an_error_that_says_so() {
    let error = futures_lite::future::block_on(fs::read("/")).unwrap_err();
    let source = error.get_ref().unwrap().downcast_ref::<policy::Error>().unwrap();
    assert_eq!(source.kind(), policy::ErrorKind::NoRunningLoop);
}
