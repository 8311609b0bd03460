//! `GET /fhir/R4/Binary/<cid>`: a document, decrypted; its own bytes unless the FHIR resource is asked for.

use axum::{
    body::Body,
    extract::{Path, RawQuery, State},
    http::{HeaderMap, HeaderValue, header},
    response::{IntoResponse, Response},
};
use base64::{Engine, engine::general_purpose::STANDARD};
use cid::Cid;
use uuid::Uuid;

use super::{
    json::Json,
    media::{self, BinaryFormat},
    outcome::Outcome,
    request::Who,
    search::read_form,
};
use crate::{
    app::App,
    auth::{caller::Caller, scopes::Interaction},
    problem::{Code, Problem},
    read::{self, document},
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
    match media::answer_binary(&headers, format, &found.content_type)? {
        BinaryFormat::Raw => {
            let size = found.reference.size;
            let pieces = document::pieces(&app, found.reference).await?;
            Ok(raw(
                &id,
                &found.content_type,
                size,
                Body::from_stream(document::body(pieces)),
            ))
        }
        BinaryFormat::Resource(format) => {
            check_size(found.reference.size)?;
            let bytes = document::all(&app, &found.reference).await?;
            Ok(resource(&id, &found.content_type, &bytes, format))
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
    check_size(staged.sums().size)?;
    let bytes = staged.open(app).await?.all().await?;
    Ok(match format {
        BinaryFormat::Raw => raw(
            id,
            staged.content_type(),
            bytes.len() as u64,
            Body::from(bytes.to_vec()),
        ),
        BinaryFormat::Resource(format) => resource(id, staged.content_type(), &bytes, format),
    })
}

fn check_size(size: u64) -> Result<(), Outcome> {
    if size <= MOST_IN_JSON {
        return Ok(());
    }
    let text = format!("documents of more than {MOST_IN_JSON} bytes are served as they are only; send Accept: */*");
    Err(Outcome::new(Code::NotAcceptable, text))
}

/// The document's own bytes. They are somebody else's words on this origin, so a browser must neither guess their
/// type nor run them.
fn raw(id: &str, content_type: &str, size: u64, body: Body) -> Response {
    let mut response = body.into_response();
    let headers = response.headers_mut();
    let fallback = HeaderValue::from_static("application/octet-stream");
    headers.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_str(content_type).unwrap_or(fallback),
    );
    headers.insert(header::CONTENT_LENGTH, HeaderValue::from(size));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(
        header::CONTENT_SECURITY_POLICY,
        HeaderValue::from_static("sandbox; default-src 'none'"),
    );
    if let Ok(value) = HeaderValue::from_str(&format!("attachment; filename=\"{id}\"")) {
        headers.insert(header::CONTENT_DISPOSITION, value);
    }
    response
}

fn resource(id: &str, content_type: &str, bytes: &[u8], format: media::Format) -> Response {
    let binary = Json::from([
        ("resourceType", "Binary".into()),
        ("id", id.into()),
        ("contentType", content_type.into()),
        ("data", STANDARD.encode(bytes).into()),
    ]);
    ([(header::CONTENT_TYPE, format.content_type())], binary.to_bytes()).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_document_is_never_run_by_a_browser() {
        let response = raw("bafy", "text/html", 2, Body::from("hi"));
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
}
