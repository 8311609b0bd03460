//! A trustless gateway: one that behaves, and one that does everything else.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use crate::suite::{MIB, add, bytes, read};
use axum::{
    Router,
    body::Body,
    extract::{Path, Query, State},
    http::{HeaderMap, Method, StatusCode, header},
    response::{IntoResponse, Redirect, Response},
    routing::get,
};
use chartseal_ipfs::{Bearer, Bytes, Cid, Content, Error, Http, raw_cid};
use futures::StreamExt;
use serde::Deserialize;
use tempfile::TempDir;
use tokio::net::TcpListener;

#[derive(Deserialize)]
struct Asked {
    format: String,
}

/// The trustless gateway of the specification, in front of a folder.
async fn serve_raw(
    State(content): State<Content>,
    Path(cid): Path<String>,
    Query(asked): Query<Asked>,
    headers: HeaderMap,
) -> Response {
    if asked.format != "raw" || headers[header::ACCEPT] != "application/vnd.ipld.raw" {
        return StatusCode::NOT_ACCEPTABLE.into_response();
    }
    match content.get(&cid.parse().unwrap()).await {
        Ok(Some(block)) => ([(header::CONTENT_TYPE, "application/vnd.ipld.raw")], block).into_response(),
        Ok(None) => StatusCode::NOT_FOUND.into_response(),
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

async fn serve(router: Router) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, router).await });
    base
}

async fn gateway(content: &Content) -> String {
    serve(
        Router::new()
            .route("/ipfs/{cid}", get(serve_raw))
            .with_state(content.clone()),
    )
    .await
}

/// A gateway that gives one answer to everything.
async fn gateway_that(answer: impl Fn(Method) -> Response + Clone + Send + Sync + 'static) -> Content {
    let base = serve(Router::new().fallback(move |method: Method| async move { answer(method) })).await;
    Content::open(&base).await.unwrap()
}

#[tokio::test]
async fn files_and_parts_of_files_come_back_verified() {
    let folder = TempDir::new().unwrap();
    let local = Content::open(folder.path().to_str().unwrap()).await.unwrap();
    let data = bytes(3 * MIB + 7);
    let added = add(&local, &data, MIB).await;
    let remote = Content::open(&gateway(&local).await).await.unwrap();
    assert!(remote.ready().await.unwrap().contains("127.0.0.1"));
    assert!(remote.has(&added.cid).await.unwrap());
    assert_eq!(remote.file_size(&added.cid).await.unwrap(), Some(data.len() as u64));
    assert!(read(&remote, &added.cid, ..).await.unwrap() == data);
    assert!(read(&remote, &added.cid, 5..3 * MIB as u64).await.unwrap() == data[5..3 * MIB]);
    let absent = raw_cid(b"absent");
    assert!(!remote.has(&absent).await.unwrap());
    assert_eq!(remote.get(&absent).await.unwrap(), None);
}

#[tokio::test]
async fn a_gateway_cannot_be_written_to() {
    let content = gateway_that(|_| StatusCode::OK.into_response()).await;
    let cid = raw_cid(b"x");
    let imported = content.import(&[cid], vec![(cid, Bytes::from_static(b"x"))]).await;
    assert!(matches!(imported, Err(Error::ReadOnly { .. })));
    assert!(matches!(content.unpin(&cid).await, Err(Error::ReadOnly { .. })));
    assert!(matches!(content.file_writer().await, Err(Error::ReadOnly { .. })));
}

#[tokio::test]
async fn what_is_not_the_block_is_never_handed_on() {
    let cid = raw_cid(b"the block");
    let wrong = gateway_that(|_| "another block".into_response()).await.get(&cid).await;
    assert!(
        matches!(&wrong, Err(Error::Corrupt { cid: named, .. }) if **named == cid),
        "{wrong:?}"
    );
    let short = gateway_that(|_| "the blo".into_response()).await.get(&cid).await;
    assert!(matches!(short, Err(Error::Corrupt { .. })), "{short:?}");
    let endless = || futures::stream::repeat_with(|| Ok::<_, std::io::Error>(Bytes::from(vec![0; 65536])));
    let endless = gateway_that(move |_| Body::from_stream(endless()).into_response())
        .await
        .get(&cid)
        .await;
    assert!(matches!(endless, Err(Error::BlockTooLarge { .. })), "{endless:?}");
    let cut = || futures::stream::iter([Ok(Bytes::from_static(b"the ")), Err(std::io::Error::other("cut"))]);
    let cut = gateway_that(move |_| Body::from_stream(cut()).into_response())
        .await
        .get(&cid)
        .await;
    assert!(
        matches!(&cut, Err(error @ Error::Unreachable { .. }) if error.is_temporary()),
        "{cut:?}"
    );
}

#[tokio::test]
async fn refusals_and_failures_are_told_apart() {
    let cid = raw_cid(b"x");
    for (status, temporary) in [
        (401, false),
        (403, false),
        (400, false),
        (429, true),
        (500, true),
        (503, true),
        (504, true),
    ] {
        let status = StatusCode::from_u16(status).unwrap();
        let error = gateway_that(move |_| status.into_response())
            .await
            .get(&cid)
            .await
            .unwrap_err();
        assert_eq!(error.is_temporary(), temporary, "{error}");
        assert!(error.to_string().contains(status.as_str()), "{error}");
    }
    for status in [404, 410] {
        let status = StatusCode::from_u16(status).unwrap();
        assert_eq!(
            gateway_that(move |_| status.into_response())
                .await
                .get(&cid)
                .await
                .unwrap(),
            None
        );
    }
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let closed = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let error = Content::open(&closed).await.unwrap().get(&cid).await.unwrap_err();
    assert!(
        error.is_temporary() && error.to_string().to_lowercase().contains("refused"),
        "{error}"
    );
}

#[tokio::test]
async fn a_redirect_is_followed_a_few_times_only() {
    let asked = Arc::new(AtomicUsize::new(0));
    let counter = asked.clone();
    let content = gateway_that(move |_| {
        counter.fetch_add(1, Ordering::Relaxed);
        Redirect::temporary("/elsewhere").into_response()
    })
    .await;
    assert!(content.get(&raw_cid(b"x")).await.is_err());
    assert!(asked.load(Ordering::Relaxed) <= 4);
}

#[tokio::test]
async fn the_bearer_is_sent_and_never_shown() {
    let answer = |headers: HeaderMap| async move {
        match headers.get(header::AUTHORIZATION).map(|value| value.as_bytes()) {
            Some(b"Bearer a-secret-token") => "x".into_response(),
            _ => StatusCode::UNAUTHORIZED.into_response(),
        }
    };
    let base = serve(Router::new().route("/base/ipfs/{cid}", get(answer))).await + "/base";
    let bearer = Bearer::new("a-secret-token".to_owned());
    assert!(!format!("{bearer:?}").contains("secret"));
    let content = Content::Http(Http::open(&base, Some(bearer)).unwrap());
    assert!(!format!("{content:?}").contains("secret"));
    assert_eq!(content.get(&raw_cid(b"x")).await.unwrap().unwrap(), &b"x"[..]);
    let error = Content::open(&base)
        .await
        .unwrap()
        .get(&raw_cid(b"x"))
        .await
        .unwrap_err();
    assert!(matches!(error, Error::Refused { .. }));
}

#[tokio::test]
async fn a_file_ends_in_an_error_where_a_leaf_is_missing() {
    let folder = TempDir::new().unwrap();
    let local = Content::open(folder.path().to_str().unwrap()).await.unwrap();
    let data = bytes(2 * MIB);
    let added = add(&local, &data, MIB).await;
    let second = raw_cid(&data[MIB..]);
    let hides = |State((content, hidden)): State<(Content, Cid)>, Path(cid): Path<String>| async move {
        let cid: Cid = cid.parse().unwrap();
        match content.get(&cid).await {
            Ok(Some(block)) if cid != hidden => block.into_response(),
            _ => StatusCode::NOT_FOUND.into_response(),
        }
    };
    let base = serve(
        Router::new()
            .route("/ipfs/{cid}", get(hides))
            .with_state((local, second)),
    )
    .await;
    let remote = Content::open(&base).await.unwrap();
    let parts: Vec<_> = remote.read_file(&added.cid, ..).collect().await;
    assert!(parts[0].as_ref().unwrap() == &data[..MIB]);
    assert!(matches!(&parts[1], Err(Error::MissingBlock { cid, .. }) if **cid == second));
    assert_eq!(parts.len(), 2);
}
