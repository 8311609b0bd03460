//! `GET /fhir/R4/Binary/<cid>`: a document, decrypted; its own bytes unless the FHIR resource is asked for.

use std::ops::Range;

use axum::{
    body::Body,
    extract::{Path, RawQuery, State},
    http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use base64::{Engine, engine::general_purpose::STANDARD};
use cid::Cid;
use uuid::Uuid;

use super::{
    json::Json,
    media::{self, BinaryFormat},
    outcome::Outcome,
    range::{self, Wanted},
    request::Who,
    search::read_form,
};
use crate::{
    app::App,
    auth::{caller::Caller, scopes::Interaction},
    problem::{Code, Problem},
    read::{self, document, stretch::stretch},
    staging,
};

/// Bytes up to which a document is served inside JSON, which takes several times its size in memory: 32 MiB.
const MOST_IN_JSON: u64 = 32 << 20;

/// The handler.
pub async fn read_binary(
    State(app): State<App>,
    Who(caller): Who,
    Path(id): Path<String>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Result<Response, Outcome> {
    caller.may("Binary", Interaction::Read)?;
    let pairs = read_form(&query.unwrap_or_default());
    let format = pairs
        .iter()
        .find(|(name, _)| name == "_format")
        .map(|(_, value)| value.as_str());
    if let Some(staged) = id.strip_prefix("staged-") {
        return read_staged(&app, &caller, staged, &id, &headers, format).await;
    }
    let cid = Cid::try_from(id.as_str()).map_err(|_| Problem::not_found())?;
    let found = document::find(&app, &caller, &cid, read::purpose(&caller)).await?;
    let size = found.reference.size;
    match media::answer_binary(&headers, format, &found.content_type)? {
        BinaryFormat::Raw => {
            let open = async |range| {
                let plain = stretch(&app, found.reference, range).await?;
                Ok(Body::from_stream(document::body(plain)))
            };
            raw(&headers, &id, &found.content_type, size, open).await
        }
        BinaryFormat::Resource(format) => {
            check_size(size)?;
            let bytes = document::all(&app, &found.reference).await?;
            Ok(resource(&id, &found.content_type, Some(&found.record), &bytes, format))
        }
    }
}

/// An upload that waits for its record is readable by who uploaded it, and by nobody else.
async fn read_staged(
    app: &App,
    caller: &Caller,
    uuid: &str,
    id: &str,
    headers: &HeaderMap,
    format: Option<&str>,
) -> Result<Response, Outcome> {
    let uuid = Uuid::try_parse(uuid).map_err(|_| Problem::not_found())?;
    let staged = staging::find(app, caller, uuid).await?.ok_or_else(Problem::not_found)?;
    let format = media::answer_binary(headers, format, staged.content_type())?;
    let size = staged.sums().size;
    check_size(size)?;
    let bytes = staged.open(app).await?.all().await?;
    match format {
        BinaryFormat::Raw => {
            let open =
                async |range: Range<u64>| Ok(Body::from(bytes[range.start as usize..range.end as usize].to_vec()));
            raw(headers, id, staged.content_type(), size, open).await
        }
        BinaryFormat::Resource(format) => Ok(resource(id, staged.content_type(), None, &bytes, format)),
    }
}

fn check_size(size: u64) -> Result<(), Outcome> {
    if size <= MOST_IN_JSON {
        return Ok(());
    }
    let text = format!("documents of more than {MOST_IN_JSON} bytes are served as they are only; send Accept: */*");
    Err(Outcome::new(Code::NotAcceptable, text))
}

/// The document's own bytes, or the range of them that is asked for. What a CID names does not change, so its name is
/// its strong ETag. The bytes are somebody else's words on this origin: a browser must neither guess their type nor run
/// them.
async fn raw(
    headers: &HeaderMap,
    id: &str,
    content_type: &str,
    size: u64,
    open: impl AsyncFnOnce(Range<u64>) -> Result<Body, Problem>,
) -> Result<Response, Outcome> {
    let tag = format!("\"{id}\"");
    let wanted = range::wanted(headers, size, &tag);
    let mut response = if knows(headers, &tag) {
        StatusCode::NOT_MODIFIED.into_response()
    } else {
        match wanted {
            Wanted::Whole => with_length(open(0..size).await?, size),
            Wanted::Part(range) => {
                let content_range = format!("bytes {}-{}/{size}", range.start, range.end - 1);
                let mut part = with_length(open(range.clone()).await?, range.end - range.start);
                *part.status_mut() = StatusCode::PARTIAL_CONTENT;
                set(&mut part, header::CONTENT_RANGE, &content_range);
                part
            }
            Wanted::Nothing => {
                let text = format!("the document has {size} bytes, and the range lies behind them");
                let mut refused = Outcome::new(Code::OutOfRange, text).into_response();
                set(&mut refused, header::CONTENT_RANGE, &format!("bytes */{size}"));
                return Ok(refused);
            }
        }
    };
    if HeaderValue::from_str(content_type).is_ok() {
        set(&mut response, header::CONTENT_TYPE, content_type);
    } else {
        set(&mut response, header::CONTENT_TYPE, "application/octet-stream");
    }
    set(&mut response, header::ETAG, &tag);
    set(&mut response, header::ACCEPT_RANGES, "bytes");
    set(&mut response, header::X_CONTENT_TYPE_OPTIONS, "nosniff");
    set(
        &mut response,
        header::CONTENT_SECURITY_POLICY,
        "sandbox; default-src 'none'",
    );
    set(
        &mut response,
        header::CONTENT_DISPOSITION,
        &format!("attachment; filename=\"{id}\""),
    );
    Ok(response)
}

fn with_length(body: Body, length: u64) -> Response {
    let mut response = body.into_response();
    response
        .headers_mut()
        .insert(header::CONTENT_LENGTH, HeaderValue::from(length));
    response
}

fn set(response: &mut Response, name: HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        response.headers_mut().insert(name, value);
    }
}

/// Whether `If-None-Match` names the document.
fn knows(headers: &HeaderMap, tag: &str) -> bool {
    let tags = headers.get_all(header::IF_NONE_MATCH).iter();
    tags.filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .map(|one| one.trim().trim_start_matches("W/"))
        .any(|one| one == "*" || one == tag)
}

fn resource(id: &str, content_type: &str, record: Option<&str>, bytes: &[u8], format: media::Format) -> Response {
    let mut binary = Json::from([
        ("resourceType", "Binary".into()),
        ("id", id.into()),
        ("contentType", content_type.into()),
    ]);
    if let Some(record) = record {
        binary.set("securityContext", Json::from([("reference", record.into())]));
    }
    binary.set("data", STANDARD.encode(bytes));
    ([(header::CONTENT_TYPE, format.content_type())], binary.to_bytes()).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn hi(headers: &[(HeaderName, &str)]) -> Response {
        let headers = headers
            .iter()
            .map(|(name, value)| (name.clone(), value.parse().unwrap()));
        let open = async |range: Range<u64>| Ok(Body::from(b"hi"[range.start as usize..range.end as usize].to_vec()));
        raw(&headers.collect(), "bafy", "text/html", 2, open).await.unwrap()
    }

    #[tokio::test]
    async fn a_document_is_never_run_by_a_browser() {
        let response = hi(&[]).await;
        let headers = response.headers();
        assert_eq!(headers["content-type"], "text/html");
        assert_eq!(headers["content-length"], "2");
        assert_eq!(headers["x-content-type-options"], "nosniff");
        assert!(
            headers["content-security-policy"]
                .to_str()
                .unwrap()
                .starts_with("sandbox")
        );
        assert_eq!(headers["content-disposition"], "attachment; filename=\"bafy\"");
    }

    #[tokio::test]
    async fn who_has_it_gets_no_bytes_and_who_asks_for_some_gets_those() {
        assert_eq!(hi(&[(header::IF_NONE_MATCH, "\"bafy\"")]).await.status(), 304);
        let part = hi(&[(header::RANGE, "bytes=1-")]).await;
        assert_eq!(
            (
                part.status().as_u16(),
                part.headers()["content-range"].to_str().unwrap()
            ),
            (206, "bytes 1-1/2")
        );
        let beyond = hi(&[(header::RANGE, "bytes=2-")]).await;
        assert_eq!(
            (
                beyond.status().as_u16(),
                beyond.headers()["content-range"].to_str().unwrap()
            ),
            (416, "bytes */2")
        );
    }
}
