//! The accept loop: connections are bounded in number, in all and by peer, and in the time they may take to say what
//! they want. `axum::serve` bounds none of these.

use std::{
    net::SocketAddr,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use axum::{Router, http::Request};
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::conn::auto::Builder,
    service::TowerToHyperService,
};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::Semaphore,
};
use tokio_util::sync::CancellationToken;
use tower::Service;

use crate::{
    config::Limits,
    peers::{Peer, Peers},
};

/// How long to wait after the process ran out of open files.
const PAUSE: Duration = Duration::from_millis(200);

/// Accepts until `stop` is cancelled, then waits until every connection has ended.
pub async fn accept(listener: TcpListener, router: Router, limits: Limits, stop: CancellationToken) {
    let most = limits.connections.clamp(1, u32::MAX as usize >> 4) as u32;
    let places = Arc::new(Semaphore::new(most as usize));
    let peers = Peers::default();
    loop {
        // Before accepting: what has no place waits in the kernel's queue, which is bounded, and not in our memory.
        let next = async {
            let place = places.clone().acquire_owned().await.ok()?;
            Some((place, listener.accept().await))
        };
        let (place, accepted) = tokio::select! {
            next = next => match next {
                Some(next) => next,
                None => break,
            },
            () = stop.cancelled() => break,
        };
        let (stream, address) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                tracing::warn!(%error, "a connection could not be accepted");
                tokio::time::sleep(PAUSE).await;
                continue;
            }
        };
        // Dropping the stream closes it.
        let Some(held) = peers.enter(address.ip().into(), limits.connections_per_peer) else {
            continue;
        };
        let (router, stop) = (router.clone(), stop.clone());
        tokio::spawn(async move {
            serve(stream, address, router, limits, stop).await;
            drop((place, held));
        });
    }
    drop(listener);
    let _all_ended = places.acquire_many(most).await;
}

async fn serve(stream: TcpStream, address: SocketAddr, router: Router, limits: Limits, stop: CancellationToken) {
    let _ = stream.set_nodelay(true);
    let service = TowerToHyperService::new(Known {
        router,
        peer: address.ip().into(),
    });
    let mut builder = Builder::new(TokioExecutor::new());
    // Also the time a connection may idle between two requests: the clock starts when the next head is waited for.
    let head = Duration::from_secs(limits.header_seconds);
    builder.http1().timer(TokioTimer::new()).header_read_timeout(head);
    // One request at a time per connection, so that a count of connections says something.
    let builder = builder.http1_only();
    let mut connection = std::pin::pin!(builder.serve_connection(TokioIo::new(stream), service));
    tokio::select! {
        // A client that hangs up or is too slow is nothing to report.
        _ = connection.as_mut() => return,
        () = stop.cancelled() => connection.as_mut().graceful_shutdown(),
    }
    let _ = connection.await;
}

/// The router, told who asks.
#[derive(Clone)]
struct Known {
    router: Router,
    peer: Peer,
}

impl<B> Service<Request<B>> for Known
where
    Router: Service<Request<B>>,
{
    type Response = <Router as Service<Request<B>>>::Response;
    type Error = <Router as Service<Request<B>>>::Error;
    type Future = <Router as Service<Request<B>>>::Future;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Service::<Request<B>>::poll_ready(&mut self.router, cx)
    }

    fn call(&mut self, mut request: Request<B>) -> Self::Future {
        request.extensions_mut().insert(self.peer);
        self.router.call(request)
    }
}
