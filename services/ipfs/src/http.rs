use std::{fmt, time::Duration};

use bytes::{Bytes, BytesMut};
use cid::Cid;
use reqwest::{
    Client, Method, RequestBuilder, Response, StatusCode, Url,
    header::{ACCEPT, HeaderValue},
    redirect::Policy,
};
use zeroize::Zeroizing;

use crate::{
    BLOCK_LIMIT, Error,
    block::{Key, raw_cid, verify},
    content::within,
};

const CONNECT: Duration = Duration::from_secs(5);
const GET: Duration = Duration::from_secs(30);
const READY: Duration = Duration::from_secs(5);

/// A trustless gateway: `GET {base}/ipfs/{cid}?format=raw`. What it sends is hashed, so it need not be trusted for
/// anything but answering; it does learn which CIDs are asked for.
#[derive(Clone)]
pub struct Http {
    client: Client,
    base: Url,
    place: String,
    bearer: Option<Bearer>,
}

/// A token sent as `Authorization: Bearer …`. It wipes itself, and its Debug prints nothing of it.
#[derive(Clone)]
pub struct Bearer(Zeroizing<String>);

impl Bearer {
    pub fn new(token: String) -> Self {
        Self(Zeroizing::new(token))
    }
}

impl fmt::Debug for Bearer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Bearer(…)")
    }
}

impl Http {
    /// A gateway at `base`, an http or https URL without credentials, query or fragment.
    pub fn open(base: &str, bearer: Option<Bearer>) -> Result<Self, Error> {
        let refuse = |reason| Error::Location {
            given: without_credentials(base),
            reason,
        };
        let mut url = Url::parse(base).map_err(|_| refuse("it is not a URL"))?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err(refuse("its scheme is neither http nor https"));
        }
        if !url.username().is_empty() || url.password().is_some() || url.query().is_some() || url.fragment().is_some() {
            return Err(refuse("it carries credentials, a query or a fragment"));
        }
        // So that `join` appends to the path instead of replacing its last part.
        if !url.path().ends_with('/') {
            url.set_path(&format!("{}/", url.path()));
        }
        let client = Client::builder()
            .connect_timeout(CONNECT)
            // Public gateways redirect to a host of the CID's own; reqwest drops the bearer on the way.
            .redirect(Policy::limited(3))
            .build()
            .map_err(|_| refuse("no HTTP client could be made for it"))?;
        let place = url.as_str().trim_end_matches('/').to_owned();
        Ok(Self {
            client,
            base: url,
            place,
            bearer,
        })
    }

    pub(crate) fn place(&self) -> &str {
        &self.place
    }

    pub(crate) fn read_only(&self) -> Error {
        Error::ReadOnly {
            place: self.place.clone(),
        }
    }

    pub(crate) async fn get(&self, cid: &Cid) -> Result<Option<Bytes>, Error> {
        Key::of(cid)?;
        within(&self.place, "GET", GET, async {
            let response = self.send(Method::GET, cid).await?;
            if !self.found(&response)? {
                return Ok(None);
            }
            let bytes = self.body(cid, response).await?;
            verify(cid, &bytes, &self.place)?;
            Ok(Some(bytes))
        })
        .await
    }

    pub(crate) async fn has(&self, cid: &Cid) -> Result<bool, Error> {
        Key::of(cid)?;
        within(&self.place, "HEAD", GET, async {
            self.found(&self.send(Method::HEAD, cid).await?)
        })
        .await
    }

    /// Any answer that is not a server's failure will do: a gateway may keep even the empty block to itself.
    pub(crate) async fn ready(&self) -> Result<String, Error> {
        within(&self.place, "HEAD", READY, async {
            let status = self.send(Method::HEAD, &raw_cid(&[])).await?.status();
            if status.is_server_error() {
                Err(self.refused(status))
            } else {
                Ok(format!("gateway {}", self.place))
            }
        })
        .await
    }

    async fn send(&self, method: Method, cid: &Cid) -> Result<Response, Error> {
        let url = self.base.join(&format!("ipfs/{cid}?format=raw"));
        let url = url.expect("a base of http or https and a path of letters, digits and slashes make a URL");
        let request = self.client.request(method, url);
        let request = request.header(ACCEPT, HeaderValue::from_static("application/vnd.ipld.raw"));
        self.authorised(request)
            .send()
            .await
            .map_err(|error| self.unreachable(error))
    }

    fn authorised(&self, request: RequestBuilder) -> RequestBuilder {
        match &self.bearer {
            Some(Bearer(token)) => request.bearer_auth(token.as_str()),
            None => request,
        }
    }

    fn found(&self, response: &Response) -> Result<bool, Error> {
        match response.status() {
            StatusCode::OK => Ok(true),
            StatusCode::NOT_FOUND | StatusCode::GONE => Ok(false),
            status => Err(self.refused(status)),
        }
    }

    async fn body(&self, cid: &Cid, mut response: Response) -> Result<Bytes, Error> {
        let mut bytes = BytesMut::new();
        while let Some(chunk) = response.chunk().await.map_err(|error| self.unreachable(error))? {
            if bytes.len() + chunk.len() > BLOCK_LIMIT {
                return Err(Error::BlockTooLarge {
                    cid: Box::new(*cid),
                    size: (bytes.len() + chunk.len()) as u64,
                });
            }
            bytes.extend_from_slice(&chunk);
        }
        Ok(bytes.freeze())
    }

    fn refused(&self, status: StatusCode) -> Error {
        let (place, reason) = (self.place.clone(), format!("HTTP status {status}"));
        // A gateway that is overloaded or behind a broken proxy is away, not of another opinion.
        if status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS {
            Error::Unreachable {
                place,
                call: "a block",
                reason,
            }
        } else {
            Error::Refused {
                place,
                call: "a block",
                reason,
            }
        }
    }

    fn unreachable(&self, error: reqwest::Error) -> Error {
        let error = error.without_url();
        // reqwest's own sentence says which step failed; the last cause below it says why.
        let mut reason = error.to_string();
        let mut cause = std::error::Error::source(&error);
        while let Some(inner) = cause {
            cause = inner.source();
            if cause.is_none() {
                reason = format!("{reason}: {inner}");
            }
        }
        Error::Unreachable {
            place: self.place.clone(),
            call: "a block",
            reason,
        }
    }
}

/// For an error that repeats what it was given.
pub(crate) fn without_credentials(url: &str) -> String {
    match (url.find("://"), url.rfind('@')) {
        (Some(scheme), Some(at)) if scheme < at => format!("{}://…{}", &url[..scheme], &url[at..]),
        _ => url.to_owned(),
    }
}
