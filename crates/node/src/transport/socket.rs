//! A connected socket, with or without TLS, that remembers what HTTP/2 would swallow.

use super::tls_failure::TlsFailure;
use rustls::pki_types::CertificateDer;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::{TlsStream, rustls};
use tokio_util::sync::CancellationToken;

/// Length of the HTTP/2 client preface.
const PREFACE_BYTES: usize = 24;

/// A TCP connection, with or without TLS.
pub(super) struct Socket {
    stream: Stream,
    read_bytes: usize,
    monitor: Arc<Monitor>,
}

enum Stream {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

/// What is known of a socket from outside its HTTP/2 connection.
#[derive(Default)]
pub(super) struct Monitor {
    preface_read: CancellationToken,
    failure: Mutex<Option<TlsFailure>>,
}

impl Monitor {
    /// Cancelled once as much as a client preface has been read.
    pub(super) fn preface_read(&self) -> &CancellationToken {
        &self.preface_read
    }

    /// The TLS error that ended the session, if one did: with TLS 1.3 a server refuses a client's certificate only after
    /// the client's handshake is complete.
    pub(super) fn tls_failure(&self) -> Option<TlsFailure> {
        self.failure.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Socket {
    pub(super) fn plain(stream: TcpStream) -> Self {
        Self::new(Stream::Plain(stream))
    }

    pub(super) fn tls(stream: impl Into<TlsStream<TcpStream>>) -> Self {
        Self::new(Stream::Tls(Box::new(stream.into())))
    }

    fn new(stream: Stream) -> Self {
        Self { stream, read_bytes: 0, monitor: Arc::default() }
    }

    pub(super) fn monitor(&self) -> Arc<Monitor> {
        Arc::clone(&self.monitor)
    }

    /// The TCP connection, for its options.
    #[cfg(test)]
    pub(super) fn tcp(&self) -> &TcpStream {
        match &self.stream {
            Stream::Plain(stream) => stream,
            Stream::Tls(stream) => stream.get_ref().0,
        }
    }

    /// The certificates the other side presented, leaf first.
    pub(super) fn peer_certificates(&self) -> &[CertificateDer<'static>] {
        match &self.stream {
            Stream::Plain(_) => &[],
            Stream::Tls(stream) => stream.get_ref().1.peer_certificates().unwrap_or_default(),
        }
    }

    /// The TLS session, for its properties.
    pub(super) fn session(&self) -> Option<&rustls::CommonState> {
        match &self.stream {
            Stream::Plain(_) => None,
            Stream::Tls(stream) => Some(stream.get_ref().1),
        }
    }

    fn note<T>(&self, result: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if let Poll::Ready(Err(error)) = &result
            && let Some(failure) = TlsFailure::from_io(error)
        {
            self.monitor.failure.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(failure);
        }
        result
    }
}

impl AsyncRead for Socket {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = buf.filled().len();
        let result = match &mut this.stream {
            Stream::Plain(stream) => Pin::new(stream).poll_read(cx, buf),
            Stream::Tls(stream) => Pin::new(stream).poll_read(cx, buf),
        };
        if this.read_bytes < PREFACE_BYTES {
            this.read_bytes += buf.filled().len() - before;
            if this.read_bytes >= PREFACE_BYTES {
                this.monitor.preface_read.cancel();
            }
        }
        this.note(result)
    }
}

impl AsyncWrite for Socket {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let result = match &mut this.stream {
            Stream::Plain(stream) => Pin::new(stream).poll_write(cx, buf),
            Stream::Tls(stream) => Pin::new(stream).poll_write(cx, buf),
        };
        this.note(result)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let result = match &mut this.stream {
            Stream::Plain(stream) => Pin::new(stream).poll_write_vectored(cx, bufs),
            Stream::Tls(stream) => Pin::new(stream).poll_write_vectored(cx, bufs),
        };
        this.note(result)
    }

    fn is_write_vectored(&self) -> bool {
        match &self.stream {
            Stream::Plain(stream) => stream.is_write_vectored(),
            Stream::Tls(stream) => stream.is_write_vectored(),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let result = match &mut this.stream {
            Stream::Plain(stream) => Pin::new(stream).poll_flush(cx),
            Stream::Tls(stream) => Pin::new(stream).poll_flush(cx),
        };
        this.note(result)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.get_mut().stream {
            Stream::Plain(stream) => Pin::new(stream).poll_shutdown(cx),
            Stream::Tls(stream) => Pin::new(stream).poll_shutdown(cx),
        }
    }
}
