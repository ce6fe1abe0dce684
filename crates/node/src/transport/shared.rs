//! What all parts of one transport share, and how its tasks are kept track of.

use super::event::TransportEvent;
use super::large::LargeBytes;
use super::settings::Settings;
use super::stats::TransportStats;
use super::tls::TlsHandle;
use selvedge_core::ConnectionId;
use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// Shared by everything that belongs to one [`Transport`](super::Transport).
pub(super) struct Shared {
    pub(super) settings: Settings,
    pub(super) tls: Option<TlsHandle>,
    pub(super) events: mpsc::Sender<TransportEvent>,
    pub(super) stats: Arc<TransportStats>,
    pub(super) large: LargeBytes,
    /// The transport's own tasks; a stop lets them end in order.
    pub(super) tasks: TaskTracker,
    /// HTTP/2's tasks; a stop cuts those that the transport's own did not need.
    pub(super) http2_tasks: TaskTracker,
    /// Cancelled when the transport stops: accept no more, drain, close.
    pub(super) stop: CancellationToken,
    /// Cancelled when what still runs must end at once.
    pub(super) kill: CancellationToken,
    accepted_count: AtomicU64,
}

impl Shared {
    pub(super) fn new(
        settings: Settings,
        tls: Option<TlsHandle>,
        events: mpsc::Sender<TransportEvent>,
    ) -> Self {
        let stats = Arc::new(TransportStats::default());
        Self {
            large: LargeBytes::new(Arc::clone(&stats), settings.large_bytes_max),
            settings,
            tls,
            events,
            stats,
            tasks: TaskTracker::new(),
            http2_tasks: TaskTracker::new(),
            stop: CancellationToken::new(),
            kill: CancellationToken::new(),
            accepted_count: AtomicU64::new(0),
        }
    }

    /// An id that no accepted connection had before.
    pub(super) fn next_accepted(&self) -> ConnectionId {
        ConnectionId::accepted(self.accepted_count.fetch_add(1, Ordering::Relaxed))
    }

    /// Permits that frames of one connection share.
    pub(super) fn receive_permits(&self) -> usize {
        self.settings.receive_bytes_max.clamp(1, u32::MAX as usize)
    }

    /// Permits that a frame takes: its bytes, but so many that no more than `receive_count_max` frames fit.
    pub(super) fn receive_permits_for(&self, length: usize) -> u32 {
        let all = self.receive_permits();
        let least = all.div_ceil(self.settings.receive_count_max.max(1));
        u32::try_from(length.max(least).min(all)).unwrap_or(u32::MAX)
    }
}

/// Runs the tasks of one HTTP/2 connection, so that they can be awaited and cut off.
#[derive(Clone)]
pub(super) struct ConnectionTasks {
    all: TaskTracker,
    own: TaskTracker,
    kill: CancellationToken,
}

impl ConnectionTasks {
    pub(super) fn new(shared: &Shared) -> Self {
        Self { all: shared.http2_tasks.clone(), own: TaskTracker::new(), kill: shared.kill.child_token() }
    }

    /// Ends when the connection is to be cut.
    pub(super) fn killed(&self) -> impl Future<Output = ()> + Send + 'static {
        self.kill.clone().cancelled_owned()
    }

    /// Cuts the connection.
    pub(super) fn kill(&self) {
        self.kill.cancel();
    }

    /// Waits until all tasks of the connection have ended.
    pub(super) async fn wait(&self) {
        self.own.close();
        self.own.wait().await;
    }

    /// Runs a task until it ends or the connection is cut.
    pub(super) fn spawn<F>(&self, task: F)
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        let killed = self.killed();
        let task = async move {
            tokio::select! {
                biased;
                () = killed => {}
                _ = task => {}
            }
        };
        tokio::spawn(self.all.track_future(self.own.track_future(task)));
    }
}

impl<F> hyper::rt::Executor<F> for ConnectionTasks
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    fn execute(&self, task: F) {
        self.spawn(task);
    }
}
