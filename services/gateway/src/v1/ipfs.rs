//! GET /ipfs/{cid}: ciphertext for who may open it, in the shape of a trustless gateway.
//!
//! `format=raw` is one block. Without it a document of many blocks comes as the one age file it is; a reader whose key
//! is on its own device opens it there. Nothing is decrypted here.

use axum::{
    body::Body,
    extract::State,
    http::{HeaderMap, HeaderValue, header},
    response::{IntoResponse, Response},
};
use chartseal_record::ContentHash;
use cid::Cid;
use serde::Deserialize;
use utoipa::IntoParams;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{Asked, At};
use crate::{
    app::App,
    auth::{caller::Caller, scopes::Interaction},
    openapi::words::Octets,
    problem::{Code, Problem},
    read::{self, document},
};

const RAW: &str = "application/vnd.ipld.raw";

pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(show))
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct Input {
    /// `raw`: one block, as a trustless gateway gives it. Absent: the whole sealed file.
    #[param(pattern = "^raw$")]
    format: Option<String>,
}

/// Ciphertext for who may open it. Nothing is decrypted here.
#[utoipa::path(
    get,
    path = "/ipfs/{cid}",
    operation_id = "fetchSealed",
    tag = "content",
    params(("cid" = String, Path, description = "Of a record, of a document, or of a block of one."), Input),
    responses((
        status = 200,
        description = "The sealed bytes.",
        content((Octets = "application/octet-stream"), (Octets = "application/vnd.ipld.raw")),
        headers(("ETag" = String, description = "Names the bytes, which never change.")),
    )),
    security(("session" = []), ("smart" = [])),
    extensions(("x-refusals" = json!(["not-registered", "forbidden", "not-acceptable", "content-corrupt"]))),
)]
async fn show(
    State(app): State<App>,
    caller: Caller,
    At(text): At<String>,
    Asked(input): Asked<Input>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let cid = Cid::try_from(text.as_str()).map_err(|_| Problem::not_found())?;
    let raw = match input.format.as_deref() {
        Some("raw") => true,
        None => headers.get(header::ACCEPT).is_some_and(|accept| accept == RAW),
        Some(_) => {
            let text = "only format=raw is offered, or no format for the whole sealed file";
            return Err(Problem::new(Code::NotAcceptable, text));
        }
    };
    if !may(&app, &caller, &cid).await? {
        return Err(Problem::not_found());
    }
    if raw {
        let bytes = read::block(&app, &cid).await?;
        return Ok(answer(&cid, RAW, "bin", Body::from(bytes)));
    }
    let sealed = document::sealed(&app, &cid).await?;
    Ok(answer(
        &cid,
        "application/octet-stream",
        "age",
        Body::from_stream(document::body(sealed)),
    ))
}

/// Whether the CID is a record or a document of one that the caller may open. A system's token must allow it too; that
/// it does not is said only to who is let in otherwise.
async fn may(app: &App, caller: &Caller, cid: &Cid) -> Result<bool, Problem> {
    if let Ok(content) = ContentHash::from_cid(cid)
        && let Some(row) = app.store.record(content).await?
    {
        if !read::may(app, caller, &row).await? {
            return Ok(false);
        }
        caller.may(&row.resource_type, Interaction::Read)?;
        return Ok(true);
    }
    if document::row(app, caller, cid).await?.is_none() {
        return Ok(false);
    }
    caller.may("Binary", Interaction::Read)?;
    Ok(true)
}

fn answer(cid: &Cid, content_type: &'static str, extension: &str, body: Body) -> Response {
    let mut response = body.into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    // The bytes under a CID never change, but whether this caller may have them does.
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("private, no-cache"));
    for (name, value) in [
        (header::ETAG, format!("\"{cid}.{extension}\"")),
        (
            header::CONTENT_DISPOSITION,
            format!("attachment; filename=\"{cid}.{extension}\""),
        ),
    ] {
        if let Ok(value) = HeaderValue::from_str(&value) {
            headers.insert(name, value);
        }
    }
    response
}
