//! Kubo's RPC API through `ipfs-api-backend-hyper`, and nothing outside this file knows that crate.
//!
//! What it leaves open is closed here: it has no timeouts, so every call runs within one; it collects whatever the
//! other side sends, so bodies are read as streams and capped; it cannot see an error sent after the first byte, so
//! bytes count only once they hash to their CID and an import only once every root is reported pinned; it lacks
//! `dag/import` and `offline`, which are further [`ApiRequest`]s. It opens a connection per call.

mod call;

use std::{
    collections::{HashSet, VecDeque},
    fs::File,
    sync::Arc,
    time::Duration,
};

use bytes::Bytes;
use cid::Cid;
use futures::TryStreamExt;
use ipfs_api_backend_hyper::{Error as ApiFailure, Form, IpfsApi, IpfsClient, TryFromUri};
use ipfs_api_prelude::{ApiRequest, Backend};
use reqwest::Url;
use tokio_util::compat::TokioAsyncReadCompatExt;

use call::{BlockGet, BlockStat, DagImport, Imported, Parts, PinLs, PinRm, Pinned};

use crate::{
    BLOCK_LIMIT, Error,
    block::{Key, verify},
    car::{self, ROOT_LIMIT},
    content::within,
    http::without_credentials,
};

/// For an answer from the node's own repository.
const QUICK: Duration = Duration::from_secs(5);
/// For a block that a peer may have.
const FETCH: Duration = Duration::from_secs(10);
/// For an import, and a second more for each MiB and each 50 roots.
const IMPORT: Duration = Duration::from_secs(30);

/// An answer of an import: a line of about 130 bytes for each root.
const ANSWER_LIMIT: usize = 256 * (ROOT_LIMIT + 1);

/// A list of pins: a line of about 100 bytes for each.
const PINS_LIMIT: usize = 256 * 1024 * 1024;

/// A Kubo node. Blocks are put there as CARs of our own making and pinned; they are read back block by block.
#[derive(Clone)]
pub struct Kubo {
    client: Arc<IpfsClient>,
    place: String,
}

impl Kubo {
    /// `kubo+http://[user:password@]host:port`; user and password are taken as they stand, without %-decoding, and
    /// sent as basic authorisation. The API is not spoken over TLS: keep it on loopback or a private network.
    pub fn open(place: &str) -> Result<Self, Error> {
        let refuse = |reason| Error::Location {
            given: without_credentials(place),
            reason,
        };
        let address = place
            .strip_prefix("kubo+http://")
            .ok_or_else(|| refuse("Kubo is reached by kubo+http:// only"))?;
        let (credentials, address) = match address.rsplit_once('@') {
            Some((credentials, address)) => (Some(credentials), address),
            None => (None, address),
        };
        let url = Url::parse(&format!("http://{address}")).map_err(|_| refuse("its host or port is malformed"))?;
        if url.path() != "/" || url.query().is_some() || url.fragment().is_some() {
            return Err(refuse("it has a path; /api/v0 is added by itself"));
        }
        let client = IpfsClient::from_str(url.as_str()).map_err(|_| refuse("its host or port is malformed"))?;
        let client = match credentials.map(|credentials| credentials.split_once(':')) {
            Some(Some((user, password))) => client.with_credentials(user, password),
            Some(None) => return Err(refuse("its credentials are not user:password")),
            None => client,
        };
        Ok(Self {
            client: Arc::new(client),
            place: format!("kubo+http://{}", address.trim_end_matches('/')),
        })
    }

    pub(crate) fn place(&self) -> &str {
        &self.place
    }

    /// From the node's repository, else from its peers.
    pub(crate) async fn get(&self, cid: &Cid) -> Result<Option<Bytes>, Error> {
        Key::of(cid)?;
        if let Some(bytes) = within(&self.place, "block/get", QUICK, self.block(cid, true)).await? {
            return Ok(Some(bytes));
        }
        match within(&self.place, "block/get", FETCH, self.block(cid, false)).await {
            // The node has just said that it is well and has not got the block; now its peers were silent.
            Err(Error::Timeout { .. }) => Ok(None),
            result => result,
        }
    }

    async fn block(&self, cid: &Cid, offline: bool) -> Result<Option<Bytes>, Error> {
        let arg = cid.to_string();
        match self
            .call("block/get", BlockGet { arg: &arg, offline }, None, BLOCK_LIMIT)
            .await?
        {
            Answer::Body(bytes) => {
                verify(cid, &bytes, &self.place)?;
                Ok(Some(Bytes::from(bytes)))
            }
            Answer::TooLong => Err(Error::BlockTooLarge {
                cid: Box::new(*cid),
                size: BLOCK_LIMIT as u64 + 1,
            }),
            Answer::Refused(reason) if is_not_found(&reason) => Ok(None),
            Answer::Refused(reason) => Err(self.refused("block/get", reason)),
        }
    }

    /// In the node's repository: what a peer has may be gone with the peer.
    pub(crate) async fn has(&self, cid: &Cid) -> Result<bool, Error> {
        Key::of(cid)?;
        let arg = cid.to_string();
        let call = self.call(
            "block/stat",
            BlockStat {
                arg: &arg,
                offline: true,
            },
            None,
            4096,
        );
        match within(&self.place, "block/stat", QUICK, call).await? {
            Answer::Body(_) | Answer::TooLong => Ok(true),
            Answer::Refused(reason) if is_not_found(&reason) => Ok(false),
            Answer::Refused(reason) => Err(self.refused("block/stat", reason)),
        }
    }

    pub(crate) async fn import(&self, roots: &[Cid], blocks: Vec<(Cid, Bytes)>) -> Result<(), Error> {
        let mut parts = VecDeque::with_capacity(2 * blocks.len() + 1);
        parts.push_back(Bytes::from(car::head(roots)?));
        for (cid, bytes) in blocks {
            verify(&cid, &bytes, "the import")?;
            parts.push_back(Bytes::from(car::section(&cid, bytes.len())?));
            parts.push_back(bytes);
        }
        let length = parts.iter().map(|part| part.len() as u64).sum();
        let mut form = Form::default();
        form.add_reader_file("file", Parts(parts), "import.car");
        self.import_form(roots, form, length).await
    }

    /// A finished CAR with these roots, positioned at its start.
    pub(crate) async fn import_file(&self, roots: &[Cid], car: File, length: u64) -> Result<(), Error> {
        let mut form = Form::default();
        form.add_async_reader_file("file", tokio::fs::File::from_std(car).compat(), "file.car");
        self.import_form(roots, form, length).await
    }

    async fn import_form(&self, roots: &[Cid], form: Form<'static>, length: u64) -> Result<(), Error> {
        let limit = IMPORT + Duration::from_secs(length / (1024 * 1024) + roots.len() as u64 / 50);
        let request = DagImport {
            pin_roots: true,
            silent: false,
            stats: false,
        };
        let call = self.call("dag/import", request, Some(form), ANSWER_LIMIT);
        let answer = match within(&self.place, "dag/import", limit, call).await? {
            Answer::Body(answer) => answer,
            Answer::TooLong => return Err(self.refused("dag/import", "its answer is too long".to_owned())),
            Answer::Refused(reason) => return Err(self.refused("dag/import", reason)),
        };
        let mut waiting: HashSet<String> = roots.iter().map(Cid::to_string).collect();
        for line in serde_json::Deserializer::from_slice(&answer).into_iter::<Imported>() {
            let Imported { root } =
                line.map_err(|error| self.refused("dag/import", format!("unreadable answer: {error}")))?;
            if !root.pin_error.is_empty() {
                return Err(self.refused(
                    "dag/import",
                    format!("{} is not pinned: {}", root.cid.link, root.pin_error),
                ));
            }
            waiting.remove(&root.cid.link);
        }
        // An error after the first byte ends the answer early and shows in no other way.
        match waiting.into_iter().next() {
            None => Ok(()),
            Some(root) => Err(self.refused("dag/import", format!("it ended before {root} was reported as pinned"))),
        }
    }

    /// The recursive pins of our kind, each an import of its own.
    pub(crate) async fn pins(&self) -> Result<Vec<Vec<Cid>>, Error> {
        let request = PinLs {
            kind: "recursive",
            stream: true,
        };
        let call = self.call("pin/ls", request, None, PINS_LIMIT);
        let answer = match within(&self.place, "pin/ls", IMPORT, call).await? {
            Answer::Body(answer) => answer,
            Answer::TooLong => return Err(self.refused("pin/ls", "it has more than two million pins".to_owned())),
            Answer::Refused(reason) => return Err(self.refused("pin/ls", reason)),
        };
        let mut pins = Vec::new();
        for line in serde_json::Deserializer::from_slice(&answer).into_iter::<Pinned>() {
            let unreadable = |why: String| self.refused("pin/ls", format!("unreadable answer: {why}"));
            let line = line.map_err(|error| unreadable(error.to_string()))?;
            let cid: Cid = line
                .cid
                .parse()
                .map_err(|_| unreadable(format!("{} is no CID", line.cid)))?;
            if Key::of(&cid).is_ok() {
                pins.push(vec![cid]);
            }
        }
        Ok(pins)
    }

    pub(crate) async fn unpin(&self, root: &Cid) -> Result<bool, Error> {
        Key::of(root)?;
        let arg = root.to_string();
        let call = self.call(
            "pin/rm",
            PinRm {
                arg: &arg,
                recursive: true,
            },
            None,
            4096,
        );
        match within(&self.place, "pin/rm", QUICK, call).await? {
            Answer::Body(_) | Answer::TooLong => Ok(true),
            Answer::Refused(reason) if reason.contains("not pinned") => Ok(false),
            Answer::Refused(reason) => Err(self.refused("pin/rm", reason)),
        }
    }

    pub(crate) async fn ready(&self) -> Result<String, Error> {
        within(&self.place, "version", QUICK, async {
            let version = self
                .client
                .version()
                .await
                .map_err(|error| self.failed("version", error))?;
            Ok(format!("Kubo {} at {}", version.version, self.place))
        })
        .await
    }

    /// One call, its body read up to `cap` bytes.
    async fn call<R: ApiRequest>(
        &self,
        call: &'static str,
        request: R,
        form: Option<Form<'static>>,
        cap: usize,
    ) -> Result<Answer, Error> {
        let request = self
            .client
            .build_base_request(request, form)
            .map_err(|error| self.failed(call, error))?;
        let mut stream = self.client.request_stream_bytes(request);
        let mut body = Vec::new();
        loop {
            match stream.try_next().await {
                Ok(Some(chunk)) if body.len() + chunk.len() > cap => return Ok(Answer::TooLong),
                Ok(Some(chunk)) => body.extend_from_slice(&chunk),
                Ok(None) => return Ok(Answer::Body(body)),
                Err(ApiFailure::Api(error)) => return Ok(Answer::Refused(error.message)),
                Err(error) => return Err(self.failed(call, error)),
            }
        }
    }

    fn failed(&self, call: &'static str, error: ApiFailure) -> Error {
        let (place, reason) = (self.place.clone(), error.to_string());
        match error {
            ApiFailure::Client(_) => Error::Unreachable { place, call, reason },
            _ => Error::Refused { place, call, reason },
        }
    }

    fn refused(&self, call: &'static str, reason: String) -> Error {
        Error::Refused {
            place: self.place.clone(),
            call,
            reason,
        }
    }
}

enum Answer {
    Body(Vec<u8>),
    TooLong,
    /// The node understood and refused, in words.
    Refused(String),
}

/// Kubo tells "I have not got it" from any other failure by a sentence alone: same status, same code.
fn is_not_found(reason: &str) -> bool {
    reason.contains("could not find") || reason.contains("not found")
}
