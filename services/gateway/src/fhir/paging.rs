//! The link to the next page: the search itself, sealed for its caller.
//!
//! A page is fetched by GET. Written out, its URL would carry the identifiers of a person through every log between
//! here and there, also where the search was posted to avoid just that.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};

use super::search::read_form;
use crate::{
    app::App,
    auth::caller::Caller,
    problem::{Code, Failure, Problem},
    vault::Kind,
};

/// The only parameter of a paging link.
const PAGE: &str = "_page";

/// The absolute URL that continues a search.
pub fn next(app: &App, caller: &Caller, url: &str, form: &str) -> Result<String, Failure> {
    let sealed = app
        .vault
        .seal(caller.org, Kind::Page, &caller.name(), form.as_bytes())?;
    Ok(format!("{url}?{PAGE}={}", URL_SAFE_NO_PAD.encode(sealed)))
}

/// The search in a paging link, or the parameters as they are.
pub fn unfold(app: &App, caller: &Caller, pairs: Vec<(String, String)>) -> Result<Vec<(String, String)>, Problem> {
    let Some((_, text)) = pairs.iter().find(|(name, _)| name == PAGE) else {
        return Ok(pairs);
    };
    let refused = || {
        Problem::new(
            Code::InvalidSearch,
            "this paging link is not one of this caller's; search again",
        )
    };
    let sealed = URL_SAFE_NO_PAD.decode(text).map_err(|_| refused())?;
    let form = app
        .vault
        .open(caller.org, Kind::Page, &caller.name(), &sealed)
        .map_err(|_| refused())?;
    Ok(read_form(std::str::from_utf8(&form).map_err(|_| refused())?))
}
