//! `POST /fhir/R4/Binary`: bytes before they hang on a record.

use alloy::primitives::B256;
use axum::{
    body::{Body, Bytes},
    extract::State,
    http::{HeaderMap, StatusCode, header},
    response::Response,
};
use futures::stream;

use super::{
    attachment, date,
    json::Json,
    media,
    outcome::Outcome,
    request::{self, Who, too_large},
    respond,
};
use crate::{
    app::App,
    auth::{caller::Caller, scopes::Interaction},
    idempotency::{self, Created},
    problem::{Code, Problem},
    staging::{self, Staged},
    write,
};

/// The handler. A body that is JSON and a Binary resource is one; everything else is the bytes themselves.
pub async fn create(
    State(app): State<App>,
    Who(caller): Who,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Outcome> {
    caller.may("Binary", Interaction::Create)?;
    write::may_author(&app, &caller)?;
    check_context(&headers)?;
    let content_type = content_type(&headers)?;
    let key = idempotency::key(&headers)?;
    let staged = if media::is_json(&content_type) {
        json(&app, &caller, &content_type, headers.clone(), body).await?
    } else {
        raw(&app, &caller, &content_type, &headers, body).await?
    };
    let (id, created_at) = once(&app, &caller, key, &staged).await?;
    let location = app.config.url(&format!("/fhir/R4/Binary/staged-{id}/_history/1"));
    let mut binary = resource(&id, created_at, staged.content_type());
    if headers.contains_key("x-medplum") {
        // R4 has no such element. Medplum's client reads the place of the bytes from nowhere else when it puts them into
        // a DocumentReference.
        binary.set("url", app.config.url(&format!("/fhir/R4/Binary/staged-{id}")));
    }
    Ok(respond::written(&headers, StatusCode::CREATED, &location, &binary))
}

/// Id and time of the upload. The same bytes under the same Idempotency-Key are one upload; whether they are the same is
/// known only when they are here.
async fn once(app: &App, caller: &Caller, key: Option<B256>, staged: &Staged) -> Result<(String, u64), Problem> {
    let own = staged.id.to_string();
    let request = format!("Binary {} {}", staged.sums().sha256, staged.content_type());
    let create = async { Ok(Created::at(own.clone(), staged.created_at)) };
    let told = idempotency::once(app, caller, key, request.as_bytes(), create).await;
    // Nobody was told of these bytes: they go now, and their row when it expires.
    if !told.as_ref().is_ok_and(|told| told.location.as_ref() == Some(&own)) {
        staging::delete_file(app, staged.id).await;
    }
    let told = told?;
    let created_at = told.body.as_u64().unwrap_or(staged.created_at);
    Ok((told.location.unwrap_or(own), created_at))
}

/// `X-Security-Context` names the resource whose readers a Binary shall have. Here that is the record it comes to hang on,
/// and until then nobody but its uploader; what the header says is therefore only looked at for its form.
fn check_context(headers: &HeaderMap) -> Result<(), Outcome> {
    let Some(context) = headers.get("x-security-context") else {
        return Ok(());
    };
    let named = context.to_str().ok().and_then(|text| text.rsplit_once('/'));
    let id = |text: &str| {
        (1..=64).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-.".contains(&b))
    };
    if named.is_some_and(|(kind, last)| !kind.is_empty() && id(last)) {
        return Ok(());
    }
    Err(Outcome::new(
        Code::Malformed,
        "X-Security-Context must be a reference like DocumentReference/<id>",
    ))
}

async fn raw(
    app: &App,
    caller: &Caller,
    content_type: &str,
    headers: &HeaderMap,
    body: Body,
) -> Result<Staged, Outcome> {
    let limit = app.config.limits.document_bytes;
    let announced = headers
        .get(header::CONTENT_LENGTH)
        .and_then(|v| v.to_str().ok()?.parse::<u64>().ok());
    if announced.is_some_and(|size| size > limit) {
        return Err(too_large(limit).into());
    }
    Ok(staging::put(app, caller, content_type, limit, body.into_data_stream()).await?)
}

async fn json(
    app: &App,
    caller: &Caller,
    content_type: &str,
    headers: HeaderMap,
    body: Body,
) -> Result<Staged, Outcome> {
    let _room = request::room(app, &headers, app.config.limits.fhir_json_bytes)?;
    let bytes = request::read(headers, body, app.config.limits.fhir_json_bytes).await?;
    let (content_type, bytes) = match Json::parse(&bytes) {
        Ok(binary) if binary.text("resourceType") == Some("Binary") => content(&binary)?,
        // JSON that is not a Binary resource is a document like any other (R4 binary.html, REST).
        _ => (content_type.to_owned(), bytes),
    };
    let bytes = stream::iter([Ok::<_, std::convert::Infallible>(bytes)]);
    Ok(staging::put(app, caller, &content_type, app.config.limits.document_bytes, bytes).await?)
}

/// Content type and bytes of a Binary resource.
pub fn content(binary: &Json) -> Result<(String, Bytes), Outcome> {
    let refuse = |name: &str, wanted: &str| {
        let path = format!("Binary.{name}");
        Outcome::new(Code::InvalidElement, format!("{path} must be {wanted}")).at(path)
    };
    let content_type = binary.text("contentType").filter(|t| is_media_type(t));
    let content_type = content_type.ok_or_else(|| refuse("contentType", "a media type like application/pdf"))?;
    let data = match binary.get("data") {
        None => Some(vec![]),
        Some(data) => data.as_str().and_then(attachment::decode),
    };
    let data = data.ok_or_else(|| refuse("data", "base64"))?;
    Ok((content_type.to_owned(), data.into()))
}

fn content_type(headers: &HeaderMap) -> Result<String, Outcome> {
    let given = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    given
        .filter(|text| is_media_type(text))
        .map(str::to_owned)
        .ok_or_else(|| {
            let text = "say what the bytes are: send Content-Type: application/pdf, or whatever they are";
            Outcome::new(Code::UnsupportedMediaType, text)
        })
}

/// `type/subtype` of printable ASCII, short enough to be served as a header again.
fn is_media_type(text: &str) -> bool {
    let printable = text.len() <= 200 && text.bytes().all(|b| (0x20..0x7f).contains(&b));
    let essence = media::essence(text);
    printable
        && essence
            .split_once('/')
            .is_some_and(|(kind, subtype)| !kind.is_empty() && !subtype.is_empty())
}

/// The answer: what was uploaded, without its bytes.
fn resource(id: &str, created_at: u64, content_type: &str) -> Json {
    let meta = Json::from([
        ("versionId", "1".into()),
        ("lastUpdated", date::instant(created_at).into()),
    ]);
    Json::from([
        ("resourceType", "Binary".into()),
        ("id", format!("staged-{id}").into()),
        ("meta", meta),
        ("contentType", content_type.into()),
    ])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_binary_resource_gives_its_bytes() {
        let binary = Json::parse(br#"{"resourceType":"Binary","contentType":"text/plain","data":"aGk="}"#).unwrap();
        assert_eq!(
            content(&binary).unwrap(),
            ("text/plain".to_owned(), Bytes::from_static(b"hi"))
        );
        for bad in [
            r#"{"resourceType":"Binary","data":"aGk="}"#,
            r#"{"resourceType":"Binary","contentType":"text","data":"aGk="}"#,
            r#"{"resourceType":"Binary","contentType":"text/plain","data":"*"}"#,
        ] {
            assert_eq!(
                content(&Json::parse(bad.as_bytes()).unwrap()).unwrap_err().problem.code,
                Code::InvalidElement
            );
        }
    }

    #[test]
    fn a_content_type_that_could_not_be_served_again_is_refused() {
        for bad in [
            "",
            "pdf",
            "/pdf",
            "text/",
            "text/plain\u{e9}",
            &format!("text/{}", "x".repeat(300)),
        ] {
            assert!(!is_media_type(bad), "{bad}");
        }
        assert!(is_media_type("text/plain; charset=utf-8"));
    }
}
