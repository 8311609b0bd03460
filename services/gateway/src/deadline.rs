//! How long a request may take: so many seconds, and longer while its body keeps coming.
//!
//! A document of gigabytes takes as long as the hospital's line is slow, which is no reason to cut it off. Who sends a byte
//! now and then, to hold a place, earns nothing by it: bytes count at a pace, and the place is lost when it is not kept.

use std::{
    num::NonZeroU32,
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use axum::{
    body::{Body, HttpBody},
    extract::Request,
};
use futures::TryStreamExt;
use tokio::time::{Instant, timeout_at};

use crate::config::Limits;

/// One request's.
pub struct Deadline {
    begun: Instant,
    seconds: Duration,
    pace: NonZeroU32,
    received: Arc<AtomicU64>,
}

impl Deadline {
    pub fn of(limits: &Limits) -> Self {
        Self::begin(Duration::from_secs(limits.request_seconds), limits.body_pace)
    }

    fn begin(seconds: Duration, pace: NonZeroU32) -> Self {
        Self {
            begun: Instant::now(),
            seconds,
            pace,
            received: Arc::default(),
        }
    }

    /// The request, with its body counted as it comes.
    pub fn watch(&self, request: Request) -> Request {
        if request.body().is_end_stream() {
            return request;
        }
        let received = self.received.clone();
        let count = move |bytes: &axum::body::Bytes| {
            received.fetch_add(bytes.len() as u64, Ordering::Relaxed);
        };
        request.map(|body| Body::from_stream(body.into_data_stream().inspect_ok(count)))
    }

    /// What is at work on it, to its end; none if that comes too late.
    pub async fn hold<T>(&self, work: impl Future<Output = T>) -> Option<T> {
        let mut work = pin!(work);
        loop {
            let end = self.end();
            if let Ok(done) = timeout_at(end, &mut work).await {
                return Some(done);
            }
            if self.end() == end {
                return None;
            }
        }
    }

    fn end(&self) -> Instant {
        let earned = self.received.load(Ordering::Relaxed) / u64::from(self.pace.get());
        self.begun + self.seconds + Duration::from_secs(earned)
    }
}

#[cfg(test)]
mod tests {
    use axum::body::Bytes;
    use futures::{StreamExt, stream};

    use super::*;

    const SHORT: Duration = Duration::from_millis(50);

    /// A body of so many bytes that then stands still, and a handler that reads it and takes `after` from then on.
    async fn read(bytes: usize, after: Duration) -> Option<()> {
        let deadline = Deadline::begin(SHORT, NonZeroU32::new(1_000).unwrap());
        let come = stream::iter([Ok::<_, std::io::Error>(Bytes::from(vec![0; bytes]))]).chain(stream::pending());
        let request = deadline.watch(Request::new(Body::from_stream(come)));
        let work = async {
            let mut body = request.into_body().into_data_stream();
            body.next().await.unwrap().unwrap();
            tokio::time::sleep(after).await;
        };
        deadline.hold(work).await
    }

    #[tokio::test]
    async fn a_body_that_keeps_coming_earns_time_and_a_drop_of_it_does_not() {
        assert_eq!(read(100_000, 4 * SHORT).await, Some(()), "a hundred seconds");
        assert_eq!(read(999, Duration::from_secs(3_600)).await, None);
    }
}
