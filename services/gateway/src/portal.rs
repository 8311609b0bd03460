//! The portal: the built web app, read from a folder once at start and served from memory.
//!
//! Only files that were there at start have a path, so no path of a request ever touches the disk. `/assets/*` carry a hash
//! in their name and never change; everything else is asked for again each time, by its ETag.

use std::{
    collections::BTreeMap,
    io,
    path::{Path, PathBuf},
};

use axum::{
    Json, Router,
    body::Bytes,
    extract::State,
    http::{HeaderMap, HeaderName, HeaderValue, StatusCode, Uri, header},
    response::{IntoResponse, Response},
    routing::get,
};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::{app::App, config, page, problem::Problem};

/// Bytes of all files together: what a gateway keeps in memory.
const LARGEST: u64 = 16 << 20;
/// The doors; each is the app itself, whatever follows.
const DOORS: [&str; 8] = [
    "/patient",
    "/patient/{*page}",
    "/doctor",
    "/doctor/{*page}",
    "/insurer",
    "/insurer/{*page}",
    "/administrator",
    "/administrator/{*page}",
];

/// What cannot be served as a portal.
#[derive(Debug, thiserror::Error)]
pub enum PortalError {
    #[error("the portal's folder {0} cannot be read: {1}; build it with `npm run build` in services/portal")]
    Folder(PathBuf, #[source] io::Error),
    #[error("the portal's folder {0} has no index.html; build it with `npm run build` in services/portal")]
    NoIndex(PathBuf),
    #[error("the portal's folder {0} holds more than 16 MiB; name the folder of the build alone")]
    TooLarge(PathBuf),
}

struct File {
    bytes: Bytes,
    media: HeaderValue,
    etag: HeaderValue,
}

/// A built app, by path.
pub struct Portal {
    files: BTreeMap<String, File>,
    policy: HeaderValue,
}

impl Portal {
    /// Reads the folder's files and those of its `assets`.
    pub fn read(config: &config::Portal) -> Result<Self, PortalError> {
        let mut files = BTreeMap::new();
        let mut room = LARGEST;
        add(&mut files, &config.folder, "/", &mut room)?;
        let assets = config.folder.join("assets");
        if assets.is_dir() {
            add(&mut files, &assets, "/assets/", &mut room)?;
        }
        if !files.contains_key("/index.html") {
            return Err(PortalError::NoIndex(config.folder.clone()));
        }
        Ok(Self {
            files,
            policy: policy(config.node.as_ref()),
        })
    }

    fn serve(&self, path: &str, headers: &HeaderMap) -> Result<Response, Problem> {
        let file = self.files.get(path).ok_or_else(Problem::not_found)?;
        let caching = match path.starts_with("/assets/") {
            true => "public, max-age=31536000, immutable",
            false => "no-cache",
        };
        let fixed = [
            (header::CACHE_CONTROL, HeaderValue::from_static(caching)),
            (header::ETAG, file.etag.clone()),
            (header::CONTENT_SECURITY_POLICY, self.policy.clone()),
            (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
            (header::REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
            (
                HeaderName::from_static("cross-origin-opener-policy"),
                HeaderValue::from_static("same-origin"),
            ),
        ];
        let known = headers.get(header::IF_NONE_MATCH).and_then(|v| v.to_str().ok());
        let etag = file.etag.to_str().unwrap_or_default();
        let same = known.is_some_and(|list| list.split(',').any(|one| one.trim().trim_start_matches("W/") == etag));
        if same {
            return Ok((StatusCode::NOT_MODIFIED, fixed).into_response());
        }
        let media = [(header::CONTENT_TYPE, file.media.clone())];
        Ok((fixed, media, file.bytes.clone()).into_response())
    }
}

fn add(files: &mut BTreeMap<String, File>, folder: &Path, under: &str, room: &mut u64) -> Result<(), PortalError> {
    let failed = |error| PortalError::Folder(folder.to_owned(), error);
    for entry in std::fs::read_dir(folder).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let name = entry.file_name();
        let meta = entry.metadata().map_err(failed)?;
        // Media types are ours: a file of another kind is none of the build's.
        let (Some(name), true) = (name.to_str(), meta.is_file()) else {
            continue;
        };
        let Some(media) = media(name) else { continue };
        let left = room.checked_sub(meta.len());
        *room = left.ok_or_else(|| PortalError::TooLarge(folder.to_owned()))?;
        let bytes = std::fs::read(entry.path()).map_err(failed)?;
        let etag = format!("\"{}\"", hex::encode(&Sha256::digest(&bytes)[..16]));
        let etag = HeaderValue::from_str(&etag).expect("hex digits in quotes are a header value");
        let file = File {
            bytes: bytes.into(),
            media: HeaderValue::from_static(media),
            etag,
        };
        files.insert(format!("{under}{name}"), file);
    }
    Ok(())
}

fn media(name: &str) -> Option<&'static str> {
    Some(match name.rsplit_once('.')?.1 {
        "html" => "text/html; charset=utf-8",
        "js" => "text/javascript; charset=utf-8",
        "css" => "text/css; charset=utf-8",
        "svg" => "image/svg+xml",
        _ => return None,
    })
}

/// Nothing from elsewhere, no inline script or style. Documents are shown from blob: URLs that the app itself makes; the
/// one other place it may connect to is the node the operator names.
fn policy(node: Option<&reqwest::Url>) -> HeaderValue {
    let node = node.map_or(String::new(), |url| format!(" {}", url.origin().ascii_serialization()));
    let policy = format!(
        "default-src 'self'; connect-src 'self'{node}; img-src 'self' blob:; frame-src blob:; object-src 'none'; \
         base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    );
    HeaderValue::from_str(&policy).expect("an origin in ASCII is a header value")
}

pub fn routes() -> Router<App> {
    let mut routes = Router::new()
        .route("/", get(index))
        .route("/assets/{file}", get(file))
        .route("/icon.svg", get(file))
        .route("/portal.json", get(settings));
    for door in DOORS {
        routes = routes.route(door, get(index));
    }
    routes
}

/// Whether a route's pattern is the portal's: its pages are for strangers.
pub fn is_ours(route: &str) -> bool {
    DOORS.contains(&route) || matches!(route, "/" | "/assets/{file}" | "/icon.svg" | "/portal.json")
}

/// The app, or the status page where there is none.
async fn index(State(app): State<App>, uri: Uri, headers: HeaderMap) -> Result<Response, Problem> {
    match &app.portal {
        Some(portal) => portal.serve("/index.html", &headers),
        None if uri.path() == "/" => Ok(page::show(&app)),
        None => Err(Problem::not_found()),
    }
}

async fn file(State(app): State<App>, uri: Uri, headers: HeaderMap) -> Result<Response, Problem> {
    let portal = app.portal.as_ref().ok_or_else(Problem::not_found)?;
    portal.serve(uri.path(), &headers)
}

/// `{"node": URL or null}`: which node browsers may ask.
async fn settings(State(app): State<App>) -> Result<Json<Value>, Problem> {
    let portal = app.config.portal.as_ref().ok_or_else(Problem::not_found)?;
    Ok(Json(json!({ "node": portal.node })))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn built() -> (tempfile::TempDir, config::Portal) {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("assets")).unwrap();
        std::fs::write(folder.path().join("index.html"), "<!doctype html>").unwrap();
        std::fs::write(folder.path().join("assets/app-1a2b.js"), "1").unwrap();
        std::fs::write(folder.path().join("private.key"), "secret").unwrap();
        let config = config::Portal {
            folder: folder.path().to_owned(),
            node: Some("http://127.0.0.1:8545/path".parse().unwrap()),
        };
        (folder, config)
    }

    #[test]
    fn pages_are_asked_for_again_and_assets_never() {
        let (_folder, config) = built();
        let portal = Portal::read(&config).unwrap();
        let page = portal.serve("/index.html", &HeaderMap::new()).unwrap();
        assert_eq!(page.headers()["cache-control"], "no-cache");
        let policy = page.headers()["content-security-policy"].to_str().unwrap();
        assert!(policy.contains("connect-src 'self' http://127.0.0.1:8545;") && !policy.contains("unsafe"));
        let asset = portal.serve("/assets/app-1a2b.js", &HeaderMap::new()).unwrap();
        assert!(
            asset.headers()["cache-control"]
                .to_str()
                .unwrap()
                .ends_with("immutable")
        );

        let mut headers = HeaderMap::new();
        headers.insert(header::IF_NONE_MATCH, page.headers()["etag"].clone());
        assert_eq!(portal.serve("/index.html", &headers).unwrap().status(), 304);
        assert_eq!(portal.serve("/assets/app-1a2b.js", &headers).unwrap().status(), 200);
    }

    #[test]
    fn only_files_of_a_build_are_served() {
        let (_folder, config) = built();
        let portal = Portal::read(&config).unwrap();
        for path in ["/private.key", "/assets/../private.key", "/assets/", "/other.js"] {
            assert!(portal.serve(path, &HeaderMap::new()).is_err(), "{path}");
        }
    }

    #[test]
    fn a_folder_without_a_build_is_refused() {
        let (folder, config) = built();
        std::fs::remove_file(folder.path().join("index.html")).unwrap();
        assert!(matches!(Portal::read(&config), Err(PortalError::NoIndex(_))));
    }
}
