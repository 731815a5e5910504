//! Operations on a buffer as a whole, and on several.

use std::io;

use super::handle::{ProactorHandle, take};
use crate::{Buffer, IoBuf, IoBufMut, Operation, Resource};

impl ProactorHandle {
    /// Writes the whole buffer, in as many writes as it takes.
    ///
    /// # Errors
    /// Returns the errors of [`write`](Self::write), without the number of bytes that were written
    /// before, and `WriteZero` if a write writes nothing.
    ///
    /// # Cancel safety
    /// A part may have been written when the future is dropped.
    ///
    /// ```
    /// # async fn example(event_loop: std::sync::Arc<dyn policy_core::EventLoop>, resource: policy_core::Resource) -> std::io::Result<()> {
    /// let (written, _) = event_loop.proactor()?.write_all(&resource, vec![0; 1 << 20]).await;
    /// assert_eq!(written?, 1 << 20);
    /// # Ok(())
    /// # }
    /// ```
    pub async fn write_all<B: IoBuf>(
        &self,
        resource: &Resource,
        buffer: B,
    ) -> (io::Result<usize>, B) {
        let all = |buffer, _| Operation::Write { buffer, at: None };
        let (result, operation) = self.all(resource, buffer.into_buffer(), all).await;
        (result, operation.map_or_else(B::nothing, take))
    }

    /// Writes the whole buffer at a position of a file, in as many writes as it takes.
    ///
    /// # Errors
    /// Returns the errors of [`write_all`](Self::write_all).
    ///
    /// # Cancel safety
    /// A part may have been written when the future is dropped.
    ///
    /// ```
    /// # async fn example(event_loop: std::sync::Arc<dyn policy_core::EventLoop>, resource: policy_core::Resource) -> std::io::Result<()> {
    /// let (written, _) = event_loop.proactor()?.write_all_at(&resource, 0, vec![0; 1 << 20]).await;
    /// assert_eq!(written?, 1 << 20);
    /// # Ok(())
    /// # }
    /// ```
    pub async fn write_all_at<B: IoBuf>(
        &self,
        resource: &Resource,
        offset: u64,
        buffer: B,
    ) -> (io::Result<usize>, B) {
        let all = |buffer, done| Operation::Write { buffer, at: Some(offset.saturating_add(done)) };
        let (result, operation) = self.all(resource, buffer.into_buffer(), all).await;
        (result, operation.map_or_else(B::nothing, take))
    }

    /// Sends the whole buffer to a socket, in as many calls as it takes (asyncio's `sock_sendall`).
    ///
    /// # Errors
    /// Returns the errors of [`send`](Self::send), without the number of bytes that were sent
    /// before, and `WriteZero` if a call sends nothing.
    ///
    /// # Cancel safety
    /// A part may have been written when the future is dropped.
    ///
    /// ```
    /// # async fn example(event_loop: std::sync::Arc<dyn policy_core::EventLoop>, resource: policy_core::Resource) -> std::io::Result<()> {
    /// let (written, _) = event_loop.proactor()?.send_all(&resource, vec![0; 1 << 20]).await;
    /// assert_eq!(written?, 1 << 20);
    /// # Ok(())
    /// # }
    /// ```
    pub async fn send_all<B: IoBuf>(
        &self,
        resource: &Resource,
        buffer: B,
    ) -> (io::Result<usize>, B) {
        let all = |buffer, _| Operation::Send { buffer };
        let (result, operation) = self.all(resource, buffer.into_buffer(), all).await;
        (result, operation.map_or_else(B::nothing, take))
    }

    /// Reads into several buffers, one after the other (`readv`).
    ///
    /// ```
    /// # async fn example(event_loop: std::sync::Arc<dyn policy_core::EventLoop>, resource: policy_core::Resource) -> std::io::Result<()> {
    /// let (read, buffers) = event_loop.proactor()?.read_vectored(&resource, vec![vec![0; 16], vec![0; 4096]]).await;
    /// println!("{} bytes, in {} buffers", read?, buffers.len());
    /// # Ok(())
    /// # }
    /// ```
    pub async fn read_vectored<B: IoBufMut>(
        &self,
        resource: &Resource,
        buffers: Vec<B>,
    ) -> (io::Result<usize>, Vec<B>) {
        let operation = Operation::ReadVectored { buffers: erase(buffers), at: None };
        match self.perform(resource, operation).await {
            (result, Some(Operation::ReadVectored { buffers, .. })) => (result, take_all(buffers)),
            (result, _) => (result, Vec::new()),
        }
    }

    /// Writes from several buffers, in order (`writev`).
    ///
    /// ```
    /// # async fn example(event_loop: std::sync::Arc<dyn policy_core::EventLoop>, resource: policy_core::Resource) -> std::io::Result<()> {
    /// let (written, buffers) = event_loop.proactor()?.write_vectored(&resource, vec![vec![0; 16], vec![0; 4096]]).await;
    /// println!("{} bytes, in {} buffers", written?, buffers.len());
    /// # Ok(())
    /// # }
    /// ```
    pub async fn write_vectored<B: IoBuf>(
        &self,
        resource: &Resource,
        buffers: Vec<B>,
    ) -> (io::Result<usize>, Vec<B>) {
        let operation = Operation::WriteVectored { buffers: erase(buffers), at: None };
        match self.perform(resource, operation).await {
            (result, Some(Operation::WriteVectored { buffers, .. })) => (result, take_all(buffers)),
            (result, _) => (result, Vec::new()),
        }
    }

    /// Receives from a socket into several buffers, one after the other.
    ///
    /// ```
    /// # async fn example(event_loop: std::sync::Arc<dyn policy_core::EventLoop>, resource: policy_core::Resource) -> std::io::Result<()> {
    /// let (read, buffers) = event_loop.proactor()?.recv_vectored(&resource, vec![vec![0; 16], vec![0; 4096]]).await;
    /// println!("{} bytes, in {} buffers", read?, buffers.len());
    /// # Ok(())
    /// # }
    /// ```
    pub async fn recv_vectored<B: IoBufMut>(
        &self,
        resource: &Resource,
        buffers: Vec<B>,
    ) -> (io::Result<usize>, Vec<B>) {
        let operation = Operation::RecvVectored { buffers: erase(buffers) };
        match self.perform(resource, operation).await {
            (result, Some(Operation::RecvVectored { buffers })) => (result, take_all(buffers)),
            (result, _) => (result, Vec::new()),
        }
    }

    /// Sends from several buffers to a socket, in order.
    ///
    /// ```
    /// # async fn example(event_loop: std::sync::Arc<dyn policy_core::EventLoop>, resource: policy_core::Resource) -> std::io::Result<()> {
    /// let (sent, buffers) = event_loop.proactor()?.send_vectored(&resource, vec![vec![0; 16], vec![0; 4096]]).await;
    /// println!("{} bytes, in {} buffers", sent?, buffers.len());
    /// # Ok(())
    /// # }
    /// ```
    pub async fn send_vectored<B: IoBuf>(
        &self,
        resource: &Resource,
        buffers: Vec<B>,
    ) -> (io::Result<usize>, Vec<B>) {
        let operation = Operation::SendVectored { buffers: erase(buffers) };
        match self.perform(resource, operation).await {
            (result, Some(Operation::SendVectored { buffers })) => (result, take_all(buffers)),
            (result, _) => (result, Vec::new()),
        }
    }

    async fn all(
        &self,
        resource: &Resource,
        mut buffer: Buffer,
        write: impl Fn(Buffer, u64) -> Operation,
    ) -> (io::Result<usize>, Option<Buffer>) {
        let (total, mut done) = (buffer.as_slice().len(), 0);
        while !buffer.as_slice().is_empty() {
            let (result, operation) = self.perform(resource, write(buffer, done)).await;
            buffer = match operation {
                Some(Operation::Write { buffer, .. } | Operation::Send { buffer }) => buffer,
                _ => return (result, None),
            };
            match result {
                Ok(0) => return (Err(io::ErrorKind::WriteZero.into()), Some(buffer)),
                Ok(written) => {
                    buffer.advance(written);
                    // The loop's word, which may be any number.
                    done = done.saturating_add(written as u64);
                }
                Err(error) => return (Err(error), Some(buffer)),
            }
        }
        (Ok(total), Some(buffer))
    }
}

fn erase<B: IoBuf>(buffers: Vec<B>) -> Vec<Buffer> {
    buffers.into_iter().map(IoBuf::into_buffer).collect()
}

fn take_all<B: IoBuf>(buffers: Vec<Buffer>) -> Vec<B> {
    buffers.into_iter().map(B::from_buffer).collect()
}
