//! Buffers that an operation owns until it ends.
#![allow(unsafe_code, reason = "memory that is not yet filled is lent to the system")]

use std::fmt;
use std::mem::MaybeUninit;
use std::sync::Arc;

/// Bytes that can be written: [`Vec<u8>`], `Box<[u8]>`, `&'static [u8]`, `Arc<[u8]>`.
///
/// Sealed: while the system reads the buffer, it must stay where it is, whatever its owner does,
/// and these types do.
///
/// ```
/// use policy_core::{EventLoop, IoBuf, Resource};
/// use std::sync::Arc;
///
/// async fn greet(event_loop: &Arc<dyn EventLoop>, to: &Resource) -> std::io::Result<()> {
///     let (written, _) = event_loop.proactor()?.write(to, &b"hello\n"[..]).await;
///     written.map(drop)
/// }
/// # let _greet = greet;
/// fn len(buffer: impl IoBuf) -> usize {
///     buffer.into_buffer().as_slice().len()
/// }
/// assert_eq!(len(vec![1, 2, 3]), 3);
/// ```
pub trait IoBuf: sealed::Sealed + Send + Sized + 'static {
    /// Erases the type.
    fn into_buffer(self) -> Buffer;

    /// Restores the type: returns what [`into_buffer`](Self::into_buffer) took.
    ///
    /// For a buffer of another type, which only a faulty adapter can pass, it returns a copy of the
    /// bytes.
    fn from_buffer(buffer: Buffer) -> Self;

    /// Makes the buffer that is returned if a loop broke down and kept the original.
    #[doc(hidden)]
    fn nothing() -> Self;
}

/// Bytes that can be filled: [`Vec<u8>`], from the start up to its capacity, and `Box<[u8]>`.
///
/// ```
/// use policy_core::IoBufMut;
///
/// fn room(buffer: impl IoBufMut) -> usize {
///     buffer.into_buffer().capacity()
/// }
/// assert_eq!(room(Vec::with_capacity(0)), 0);
/// assert_eq!(room(vec![0; 512].into_boxed_slice()), 512);
/// ```
pub trait IoBufMut: IoBuf {}

/// A buffer of any [`IoBuf`] type, as an adapter sees it.
///
/// The bytes do not move when the buffer moves: they are on the heap, or static.
///
/// ```
/// use policy_core::Buffer;
///
/// let buffer = Buffer::from(vec![1, 2, 3]);
/// assert_eq!(buffer.as_slice(), [1, 2, 3]);
/// ```
pub struct Buffer {
    inner: Inner,
    /// How much of it was written by former operations.
    written: usize,
}

enum Inner {
    Vec(Vec<u8>),
    Boxed(Box<[u8]>),
    Static(&'static [u8]),
    Shared(Arc<[u8]>),
}

impl Buffer {
    /// Returns the initialised bytes: a write writes these, unless it writes the rest of a longer
    /// one.
    ///
    /// ```
    /// # use policy_core::Buffer;
    /// assert_eq!(Buffer::from(vec![7; 2]).as_slice(), [7, 7]);
    /// ```
    pub fn as_slice(&self) -> &[u8] {
        let all: &[u8] = match &self.inner {
            Inner::Vec(bytes) => bytes,
            Inner::Boxed(bytes) => bytes,
            Inner::Static(bytes) => bytes,
            Inner::Shared(bytes) => bytes,
        };
        all.get(self.written..).unwrap_or_default()
    }

    /// Returns how many bytes a read can put into it: 0 for a buffer that is only for writing.
    ///
    /// ```
    /// # use policy_core::{Buffer, IoBuf};
    /// assert!(Buffer::from(Vec::with_capacity(64)).capacity() >= 64);
    /// assert_eq!((&b"static"[..]).into_buffer().capacity(), 0);
    /// ```
    pub fn capacity(&self) -> usize {
        match &self.inner {
            Inner::Vec(bytes) => bytes.capacity(),
            Inner::Boxed(bytes) => bytes.len(),
            Inner::Static(_) | Inner::Shared(_) => 0,
        }
    }

    /// Lends the whole [capacity](Self::capacity), initialised or not, for a read.
    ///
    /// # Safety
    /// The caller must write only initialised bytes through it: a part of it is initialised, and
    /// [`as_slice`](Self::as_slice) still exposes that part.
    ///
    /// ```
    /// use policy_core::Buffer;
    ///
    /// let mut buffer = Buffer::from(Vec::with_capacity(8));
    /// // SAFETY: initialised bytes are written, and as many are said to be there.
    /// unsafe {
    ///     buffer.as_uninit()[0].write(7);
    ///     buffer.set_filled(1);
    /// }
    /// assert_eq!(buffer.as_slice(), [7]);
    /// ```
    pub unsafe fn as_uninit(&mut self) -> &mut [MaybeUninit<u8>] {
        let (start, room) = match &mut self.inner {
            Inner::Vec(bytes) => (bytes.as_mut_ptr(), bytes.capacity()),
            Inner::Boxed(bytes) => (bytes.as_mut_ptr(), bytes.len()),
            Inner::Static(_) | Inner::Shared(_) => return &mut [],
        };
        // SAFETY: that much is allocated there, borrowed as long as `self` is, and any
        // byte may be seen as one that may be uninitialised. The caller promises not to
        // make it so.
        unsafe { std::slice::from_raw_parts_mut(start.cast(), room) }
    }

    /// Records that a read has filled the first `len` bytes: a vector now has that length; a boxed
    /// slice keeps its own.
    ///
    /// # Safety
    /// The first `len` bytes must be initialised. A `len` above the capacity counts as the
    /// capacity.
    ///
    /// ```
    /// use policy_core::Buffer;
    ///
    /// let mut buffer = Buffer::from(vec![1, 2, 3]);
    /// // SAFETY: they are initialised.
    /// unsafe { buffer.set_filled(2) };
    /// assert_eq!(buffer.as_slice(), [1, 2]);
    /// ```
    pub unsafe fn set_filled(&mut self, len: usize) {
        if let Inner::Vec(bytes) = &mut self.inner {
            // SAFETY: within the capacity, and initialised as the caller promises.
            unsafe { bytes.set_len(len.min(bytes.capacity())) };
        }
    }

    /// Records that a vectored read has filled the first `len` bytes of `buffers`, taken one after
    /// the other.
    ///
    /// # Safety
    /// These bytes must be initialised.
    ///
    /// ```
    /// use policy_core::Buffer;
    ///
    /// let mut buffers = [Buffer::from(vec![0_u8; 2]), Buffer::from(vec![0_u8; 2])];
    /// let room: usize = buffers.iter().map(Buffer::capacity).sum();
    /// // SAFETY: they are initialised.
    /// unsafe { Buffer::set_all_filled(&mut buffers, 3.min(room)) };
    /// assert_eq!(buffers[1].as_slice().len(), 1);
    /// ```
    pub unsafe fn set_all_filled(buffers: &mut [Self], mut len: usize) {
        for buffer in buffers {
            let filled = len.min(buffer.capacity());
            // SAFETY: the caller's promise, cut into pieces.
            unsafe { buffer.set_filled(filled) };
            len -= filled;
        }
    }

    /// Leaves out what was written: the next write goes on from there.
    pub(crate) fn advance(&mut self, written: usize) {
        self.written += written.min(self.as_slice().len());
    }

    fn new(inner: Inner) -> Self {
        Self { inner, written: 0 }
    }
}

impl Inner {
    fn into_vec(self) -> Vec<u8> {
        match self {
            Self::Vec(bytes) => bytes,
            Self::Boxed(bytes) => bytes.into_vec(),
            Self::Static(bytes) => bytes.to_vec(),
            Self::Shared(bytes) => bytes.to_vec(),
        }
    }
}

impl fmt::Debug for Buffer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Not the bytes: they may be secret, and are many.
        f.debug_struct("Buffer")
            .field("len", &self.as_slice().len())
            .field("capacity", &self.capacity())
            .finish()
    }
}

impl<B: IoBuf> From<B> for Buffer {
    fn from(buffer: B) -> Self {
        buffer.into_buffer()
    }
}

impl IoBuf for Vec<u8> {
    fn into_buffer(self) -> Buffer {
        Buffer::new(Inner::Vec(self))
    }

    fn from_buffer(buffer: Buffer) -> Self {
        buffer.inner.into_vec()
    }

    fn nothing() -> Self {
        Self::new()
    }
}

impl IoBufMut for Vec<u8> {}

impl IoBuf for Box<[u8]> {
    fn into_buffer(self) -> Buffer {
        Buffer::new(Inner::Boxed(self))
    }

    fn from_buffer(buffer: Buffer) -> Self {
        match buffer.inner {
            Inner::Boxed(bytes) => bytes,
            other => other.into_vec().into_boxed_slice(),
        }
    }

    fn nothing() -> Self {
        Self::default()
    }
}

impl IoBufMut for Box<[u8]> {}

impl IoBuf for &'static [u8] {
    fn into_buffer(self) -> Buffer {
        Buffer::new(Inner::Static(self))
    }

    fn from_buffer(buffer: Buffer) -> Self {
        match buffer.inner {
            Inner::Static(bytes) => bytes,
            // A copy would have to be leaked.
            _ => &[],
        }
    }

    fn nothing() -> Self {
        &[]
    }
}

impl IoBuf for Arc<[u8]> {
    fn into_buffer(self) -> Buffer {
        Buffer::new(Inner::Shared(self))
    }

    fn from_buffer(buffer: Buffer) -> Self {
        match buffer.inner {
            Inner::Shared(bytes) => bytes,
            other => other.into_vec().into(),
        }
    }

    fn nothing() -> Self {
        Arc::from([])
    }
}

mod sealed {
    use std::sync::Arc;

    pub trait Sealed {}
    impl Sealed for Vec<u8> {}
    impl Sealed for Box<[u8]> {}
    impl Sealed for &'static [u8] {}
    impl Sealed for Arc<[u8]> {}
}
