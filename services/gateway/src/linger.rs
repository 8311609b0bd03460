//! A refusal that the client gets to read.
//!
//! A handler that refuses before it has read the body leaves bytes on the connection. Closing it then resets it, and a
//! client that is still sending sees a broken pipe instead of its 413. So the rest is read on and thrown away for a
//! while, as web servers do, and the connection closes only on who does not stop.

use std::{
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use axum::{
    body::{Body, BodyDataStream, Bytes, HttpBody},
    extract::Request,
    http::header,
};
use futures::{Stream, StreamExt};

/// How long a client may take to notice that it was answered.
const LINGER: Duration = Duration::from_secs(10);

/// Layer: what the handler does not read of a body is read after it.
pub async fn read_on(request: Request) -> Request {
    if request.body().is_end_stream() {
        return request;
    }
    // Who asks before it sends (Expect: 100-continue) is told not to by the answer; to read would tell it to go on.
    let asks_first = request.headers().contains_key(header::EXPECT);
    request.map(|body| {
        Body::from_stream(Lingering {
            rest: Some(body.into_data_stream()),
            begun: !asks_first,
        })
    })
}

struct Lingering {
    /// None once it has ended.
    rest: Option<BodyDataStream>,
    /// The client sends, or was told to.
    begun: bool,
}

impl Stream for Lingering {
    type Item = Result<Bytes, axum::Error>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let Some(rest) = &mut self.rest else {
            return Poll::Ready(None);
        };
        let next = rest.poll_next_unpin(context);
        self.begun = true;
        if matches!(next, Poll::Ready(None | Some(Err(_)))) {
            self.rest = None;
        }
        next
    }
}

impl Drop for Lingering {
    fn drop(&mut self) {
        let Some(mut rest) = self.rest.take().filter(|_| self.begun) else {
            return;
        };
        // Outside a runtime there is no connection either.
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(tokio::time::timeout(LINGER, async move {
                while let Some(Ok(_)) = rest.next().await {}
            }));
        }
    }
}
