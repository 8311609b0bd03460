//! POST /v1/drafts and PUT /v1/drafts/{id}/signature: a version whose author signs with a wallet.
//!
//! The draft holds everything but the signature, sealed, for a day. What is signed is what is stored: the resource's
//! bytes are fixed when the draft is made. Grant and epoch are looked at again when the signature comes.

mod create;
mod file;
mod sign;

use axum::extract::DefaultBodyLimit;
use utoipa_axum::{
    router::{OpenApiRouter, UtoipaMethodRouterExt},
    routes,
};

pub use self::file::give_up;
use crate::app::App;

pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(create::create).layer(DefaultBodyLimit::disable()))
        .routes(routes!(sign::sign))
}
