//! A fixed pool of OS threads for work that takes the CPU: verifying, signing, checking blocks.
//!
//! The owner hands in closures and takes their results from an async queue; neither ever blocks it. What is handed in and not
//! yet taken out is bounded, so a slow owner cannot pile up results, nor a fast peer work.

use std::collections::VecDeque;
use std::io;
use std::num::NonZero;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use tokio::sync::mpsc;

/// Which work goes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lane {
    /// Signing, and what a handshake waits for. Goes before all else.
    Urgent,
    /// Everything that comes in numbers.
    Bulk,
}

/// As much work as is allowed is under way; this job was not taken, and here is its fallback.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("as much work as is allowed is under way")]
pub struct Full<R>(pub R);

/// The pool. Dropping it lets its threads end after what they are doing, without waiting for them.
pub struct Workers<R> {
    pool: Arc<Pool<R>>,
    outstanding_max: usize,
    threads: Vec<JoinHandle<()>>,
}

/// Where results come out, in the order in which they were done.
pub struct Results<R> {
    receiver: mpsc::UnboundedReceiver<R>,
    pool: Arc<Pool<R>>,
}

struct Pool<R> {
    queue: Mutex<Queue<R>>,
    wake: Condvar,
    outstanding: AtomicUsize,
}

struct Queue<R> {
    urgent: VecDeque<Job<R>>,
    bulk: VecDeque<Job<R>>,
    stopped: bool,
}

struct Job<R> {
    work: Box<dyn FnOnce() -> R + Send>,
    fallback: R,
}

impl<R> Pool<R> {
    fn queue(&self) -> MutexGuard<'_, Queue<R>> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The next job; `None` once the pool has stopped.
    fn next(&self) -> Option<Job<R>> {
        let mut queue = self.queue();
        loop {
            if queue.stopped {
                return None;
            }
            if let Some(job) = queue.urgent.pop_front().or_else(|| queue.bulk.pop_front()) {
                return Some(job);
            }
            queue = self.wake.wait(queue).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Lets the threads end; what waits is discarded.
    fn stop(&self) {
        let mut queue = self.queue();
        queue.stopped = true;
        let discarded = (std::mem::take(&mut queue.urgent), std::mem::take(&mut queue.bulk));
        drop(queue);
        self.wake.notify_all();
        drop(discarded);
    }
}

impl<R: Send + 'static> Workers<R> {
    /// Starts `threads` threads, or as many as there are cores if 0. At most `outstanding_max` jobs may be handed in whose
    /// results have not been taken. Fails if the system has no threads left.
    pub fn new(threads: usize, outstanding_max: usize) -> io::Result<(Self, Results<R>)> {
        let threads = match threads {
            0 => thread::available_parallelism().map_or(1, NonZero::get),
            threads => threads,
        };
        let queue = Queue { urgent: VecDeque::new(), bulk: VecDeque::new(), stopped: false };
        let pool = Arc::new(Pool {
            queue: Mutex::new(queue),
            wake: Condvar::new(),
            outstanding: AtomicUsize::new(0),
        });
        let (sender, receiver) = mpsc::unbounded_channel();
        let mut workers =
            Self { pool: Arc::clone(&pool), outstanding_max, threads: Vec::with_capacity(threads) };
        for number in 0..threads {
            let (pool, sender) = (Arc::clone(&pool), sender.clone());
            let named = thread::Builder::new().name(format!("worker-{number}"));
            workers.threads.push(named.spawn(move || work(&pool, &sender))?);
        }
        Ok((workers, Results { receiver, pool }))
    }

    /// Hands in a job; never blocks. If `work` panics, `fallback` is its result: a refusal, that is.
    pub fn submit(
        &self,
        lane: Lane,
        fallback: R,
        work: impl FnOnce() -> R + Send + 'static,
    ) -> Result<(), Full<R>> {
        let taken = self.pool.outstanding.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |outstanding| {
            (outstanding < self.outstanding_max).then_some(outstanding + 1)
        });
        if taken.is_err() {
            return Err(Full(fallback));
        }
        let job = Job { work: Box::new(work), fallback };
        let mut queue = self.pool.queue();
        match lane {
            Lane::Urgent => queue.urgent.push_back(job),
            Lane::Bulk => queue.bulk.push_back(job),
        }
        drop(queue);
        self.pool.wake.notify_one();
        Ok(())
    }

    /// Jobs handed in whose results have not been taken.
    pub fn outstanding(&self) -> usize {
        self.pool.outstanding.load(Ordering::Relaxed)
    }

    /// Discards what waits, lets what is under way finish, and waits for the threads to end. Blocks for as long as one job
    /// takes.
    pub fn stop(mut self) {
        self.pool.stop();
        for thread in self.threads.drain(..) {
            // a worker's thread does not panic: its jobs' panics are caught
            let _joined = thread.join();
        }
    }
}

impl<R> Drop for Workers<R> {
    fn drop(&mut self) {
        self.pool.stop();
    }
}

fn work<R>(pool: &Pool<R>, results: &mpsc::UnboundedSender<R>) {
    while let Some(Job { work, fallback }) = pool.next() {
        let result = catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|_panic| {
            tracing::error!("a worker's job panicked; it counts as refused");
            fallback
        });
        if results.send(result).is_err() {
            return;
        }
    }
}

impl<R> Results<R> {
    fn taken(&self, result: R) -> R {
        self.pool.outstanding.fetch_sub(1, Ordering::Relaxed);
        result
    }

    /// The next result; `None` once the pool has stopped and all its results have been taken.
    pub async fn recv(&mut self) -> Option<R> {
        let result = self.receiver.recv().await?;
        Some(self.taken(result))
    }

    /// The next result if there is one at present.
    pub fn try_recv(&mut self) -> Option<R> {
        let result = self.receiver.try_recv().ok()?;
        Some(self.taken(result))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc as blocking;

    #[tokio::test]
    async fn results_come_back() {
        let (workers, mut results) = Workers::new(0, 1000).unwrap();
        for number in 0..1000_u64 {
            workers.submit(Lane::Bulk, 0, move || number * number).unwrap();
        }
        let mut sum = 0;
        for _ in 0..1000 {
            sum += results.recv().await.unwrap();
        }
        assert_eq!(sum, (0..1000).map(|number| number * number).sum::<u64>());
        assert_eq!(workers.outstanding(), 0);
        workers.stop();
        assert_eq!(results.recv().await, None);
    }

    #[tokio::test]
    async fn urgent_work_goes_first() {
        let (workers, mut results) = Workers::new(1, 10).unwrap();
        let (release, held) = blocking::channel::<()>();
        let (begun, at_work) = blocking::channel();
        workers
            .submit(Lane::Bulk, "", move || {
                begun.send(()).unwrap();
                held.recv().unwrap();
                "first"
            })
            .unwrap();
        at_work.recv().unwrap();
        workers.submit(Lane::Bulk, "", || "bulk").unwrap();
        workers.submit(Lane::Urgent, "", || "urgent").unwrap();
        release.send(()).unwrap();
        let mut order = Vec::new();
        for _ in 0..3 {
            order.push(results.recv().await.unwrap());
        }
        assert_eq!(order, ["first", "urgent", "bulk"]);
    }

    #[tokio::test]
    async fn what_is_under_way_is_bounded_until_it_is_taken() {
        let (workers, mut results) = Workers::new(1, 2).unwrap();
        workers.submit(Lane::Bulk, 0, || 1).unwrap();
        workers.submit(Lane::Bulk, 0, || 2).unwrap();
        assert_eq!(workers.submit(Lane::Urgent, 0, || 3), Err(Full(0)));
        assert_eq!(results.recv().await, Some(1));
        workers.submit(Lane::Urgent, 0, || 3).unwrap();
        assert_eq!(workers.submit(Lane::Urgent, 0, || 4), Err(Full(0)));
    }

    #[tokio::test]
    async fn a_panic_counts_as_refused_and_the_thread_lives_on() {
        let (workers, mut results) = Workers::new(1, 10).unwrap();
        workers.submit(Lane::Bulk, "refused", || panic!("a job of the test panics")).unwrap();
        workers.submit(Lane::Bulk, "refused", || "done").unwrap();
        assert_eq!(results.recv().await, Some("refused"));
        assert_eq!(results.recv().await, Some("done"));
        workers.stop();
    }

    #[tokio::test]
    async fn stopping_discards_what_waits_and_ends_the_threads() {
        let (workers, mut results) = Workers::new(1, 10).unwrap();
        let (release, held) = blocking::channel::<()>();
        let (begun, at_work) = blocking::channel();
        let alive = Arc::new(());
        let kept = Arc::clone(&alive);
        workers
            .submit(Lane::Bulk, "", move || {
                begun.send(()).unwrap();
                held.recv().unwrap();
                "under way"
            })
            .unwrap();
        at_work.recv().unwrap();
        workers
            .submit(Lane::Bulk, "", move || {
                drop(kept);
                "never"
            })
            .unwrap();
        workers.pool.stop();
        assert_eq!(Arc::strong_count(&alive), 1, "what waited is gone");
        release.send(()).unwrap();
        workers.stop();
        assert_eq!(results.recv().await, Some("under way"));
        assert_eq!(results.recv().await, None);
    }
}
