use std::{
    collections::HashSet,
    ops::{Bound, RangeBounds},
    time::Duration,
};

use bytes::Bytes;
use cid::Cid;
use futures::Stream;

use crate::{
    Bearer, Error, FileWriter, Http, Kubo, Local,
    block::links,
    car::ROOT_LIMIT,
    incoming::Incoming,
    unixfs::{self, Nodes},
};

/// Where content is kept, and read from. Cheap to clone.
#[derive(Clone)]
pub enum Content {
    /// A folder of CAR files on this machine.
    Local(Local),
    /// A Kubo node, through its RPC API: whoever reaches that API owns the node, so it must not be exposed.
    Kubo(Kubo),
    /// A trustless gateway, read only.
    Http(Http),
}

impl Content {
    /// Opens a place for reading and writing: a folder (created if it is missing), `kubo+http://[user:password@]host:port`,
    /// or, read only, `http(s)://host[:port][/path]`. Nothing is contacted yet; see [`Content::ready`].
    pub async fn open(place: &str) -> Result<Self, Error> {
        let folder = match Self::remote(place)? {
            Some(remote) => return Ok(remote),
            None => place.to_owned(),
        };
        blocking(move || Local::open(folder)).await.map(Self::Local)
    }

    /// As [`Content::open`], but a folder must exist and nothing in it is changed.
    pub async fn open_reading(place: &str) -> Result<Self, Error> {
        let folder = match Self::remote(place)? {
            Some(remote) => return Ok(remote),
            None => place.to_owned(),
        };
        blocking(move || Local::open_reading(folder)).await.map(Self::Local)
    }

    fn remote(place: &str) -> Result<Option<Self>, Error> {
        if place.is_empty() {
            return Err(Error::Location {
                given: String::new(),
                reason: "it is empty",
            });
        }
        if place.starts_with("kubo+") {
            return Kubo::open(place).map(Self::Kubo).map(Some);
        }
        if place.starts_with("http://") || place.starts_with("https://") {
            return Http::open(place, None::<Bearer>).map(Self::Http).map(Some);
        }
        if place.contains("://") {
            return Err(Error::Location {
                given: place.to_owned(),
                reason: "its scheme is unknown",
            });
        }
        Ok(None)
    }

    /// The bytes of a block, at most 2 MiB, found equal to its CID. None when the place does not have it: for a
    /// folder that is certain, for Kubo it means that no peer had it within 10 seconds.
    ///
    /// [`Error::Corrupt`] if what is there is not what the CID names.
    pub async fn get(&self, cid: &Cid) -> Result<Option<Bytes>, Error> {
        let (place, found) = match self {
            Self::Local(local) => {
                let (local, cid) = (local.clone(), *cid);
                ("folder", blocking(move || local.get(&cid)).await?)
            }
            Self::Kubo(kubo) => ("kubo", kubo.get(cid).await?),
            Self::Http(http) => ("gateway", http.get(cid).await?),
        };
        let bytes = found.as_ref().map_or(0, Bytes::len);
        metrics::counter!("chartseal_content_read_bytes_total", "place" => place).increment(bytes as u64);
        Ok(found)
    }

    /// Whether the place holds the block itself, without a look at its bytes: it may still prove damaged.
    pub async fn has(&self, cid: &Cid) -> Result<bool, Error> {
        match self {
            Self::Local(local) => {
                let (local, cid) = (local.clone(), *cid);
                blocking(move || local.has(&cid)).await
            }
            Self::Kubo(kubo) => kubo.has(cid).await,
            Self::Http(http) => http.has(cid).await,
        }
    }

    /// Stores blocks, each hashed first, and pins the roots with all that hangs on them. Durable when it returns; on an
    /// error nothing is promised, and the same call may be repeated. Every root's block must be among the blocks, and what
    /// a block links to among them or in the place already.
    /// The first root names the import for [`Content::unpin`].
    pub async fn import(&self, roots: &[Cid], blocks: Vec<(Cid, Bytes)>) -> Result<(), Error> {
        if roots.is_empty() || roots.len() > ROOT_LIMIT {
            return Err(Error::RootCount { got: roots.len() });
        }
        if let Self::Http(http) = self {
            return Err(http.read_only());
        }
        self.check_links(roots, &blocks).await?;
        match self {
            Self::Local(local) => {
                let (local, roots) = (local.clone(), roots.to_vec());
                blocking(move || local.import(&roots, &blocks)).await
            }
            Self::Kubo(kubo) => kubo.import(roots, blocks).await,
            Self::Http(http) => Err(http.read_only()),
        }
    }

    /// A pin keeps what hangs on a root, so that must be among the blocks or in the place already. Kubo would look for
    /// it among its peers, and wait; a folder would not notice.
    async fn check_links(&self, roots: &[Cid], blocks: &[(Cid, Bytes)]) -> Result<(), Error> {
        let given: HashSet<&Cid> = blocks.iter().map(|(cid, _)| cid).collect();
        if let Some(missing) = roots.iter().find(|root| !given.contains(root)) {
            return Err(Error::MissingRoot {
                cid: Box::new(*missing),
            });
        }
        for (cid, bytes) in blocks {
            for link in links(cid, bytes)? {
                if !given.contains(&link) && !self.has(&link).await? {
                    return Err(Error::MissingBlock {
                        root: Box::new(*cid),
                        cid: Box::new(link),
                        place: self.place(),
                    });
                }
            }
        }
        Ok(())
    }

    /// Begins a file. Nothing is visible before [`FileWriter::finish`].
    pub async fn file_writer(&self) -> Result<FileWriter, Error> {
        FileWriter::new(self.clone()).await
    }

    /// Begins a CAR on its way here; `roots` may be placeholders, as many as there will be.
    pub(crate) async fn incoming(&self, roots: &[Cid]) -> Result<Incoming, Error> {
        let roots = roots.to_vec();
        match self {
            Self::Local(local) => {
                let local = local.clone();
                blocking(move || local.incoming(&roots)).await
            }
            Self::Kubo(_) => blocking(move || Incoming::unnamed(&roots)).await,
            Self::Http(http) => Err(http.read_only()),
        }
    }

    /// Makes a written CAR durable and pins its roots.
    pub(crate) async fn commit(&self, car: Incoming, roots: &[Cid]) -> Result<(), Error> {
        let named = roots.to_vec();
        match self {
            Self::Local(local) => {
                let local = local.clone();
                blocking(move || local.commit(car, &named)).await
            }
            Self::Kubo(kubo) => {
                let (file, length) = blocking(move || car.into_file(&named)).await?;
                kubo.import_file(roots, file, length).await
            }
            Self::Http(http) => Err(http.read_only()),
        }
    }

    /// The bytes of a file within `range`, at most 1 MiB at a time, each found equal to its CID, reading no leaf
    /// outside the range. A range that ends beyond the file is [`Error::OutOfRange`]; an open end is the file's end.
    /// A stream that ends without an error has delivered every byte asked for.
    pub fn read_file(
        &self,
        cid: &Cid,
        range: impl RangeBounds<u64>,
    ) -> impl Stream<Item = Result<Bytes, Error>> + Send + Unpin + 'static {
        self.read(None, cid, range)
    }

    /// The same for who reads here and there in the same files: their inner nodes are read once.
    pub fn read_again(
        &self,
        nodes: &Nodes,
        cid: &Cid,
        range: impl RangeBounds<u64>,
    ) -> impl Stream<Item = Result<Bytes, Error>> + Send + Unpin + 'static {
        self.read(Some(nodes.clone()), cid, range)
    }

    fn read(
        &self,
        nodes: Option<Nodes>,
        cid: &Cid,
        range: impl RangeBounds<u64>,
    ) -> impl Stream<Item = Result<Bytes, Error>> + Send + Unpin + 'static {
        let start = match range.start_bound() {
            Bound::Included(start) => *start,
            Bound::Excluded(before) => before.saturating_add(1),
            Bound::Unbounded => 0,
        };
        let end = match range.end_bound() {
            Bound::Included(last) => Some(last.saturating_add(1)),
            Bound::Excluded(end) => Some(*end),
            Bound::Unbounded => None,
        };
        Box::pin(unixfs::read_file(self.clone(), nodes, *cid, start, end))
    }

    /// Bytes in a file, from its root block alone; None when the place does not have it.
    pub async fn file_size(&self, cid: &Cid) -> Result<Option<u64>, Error> {
        unixfs::size(self, cid).await
    }

    /// Gives up a file, or an import by its first root; false if there was none. A folder deletes the CAR, save what
    /// other CARs hold too; Kubo drops the pin of that root alone and deletes when it next collects garbage.
    pub async fn unpin(&self, root: &Cid) -> Result<bool, Error> {
        match self {
            Self::Local(local) => {
                let (local, root) = (local.clone(), *root);
                blocking(move || local.unpin(&root)).await
            }
            Self::Kubo(kubo) => kubo.unpin(root).await,
            Self::Http(http) => Err(http.read_only()),
        }
    }

    /// Whether the place answers, within 5 seconds; the string says what answered.
    pub async fn ready(&self) -> Result<String, Error> {
        match self {
            Self::Local(local) => {
                let local = local.clone();
                blocking(move || local.ready()).await
            }
            Self::Kubo(kubo) => kubo.ready().await,
            Self::Http(http) => http.ready().await,
        }
    }

    /// The place, for logs: a folder or URL, without credentials.
    pub fn place(&self) -> String {
        match self {
            Self::Local(local) => local.place(),
            Self::Kubo(kubo) => kubo.place().to_owned(),
            Self::Http(http) => http.place().to_owned(),
        }
    }
}

impl std::fmt::Debug for Content {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Content({})", self.place())
    }
}

/// Runs disk work where it may wait.
pub(crate) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Error> + Send + 'static,
) -> Result<T, Error> {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result,
        // The work itself does not panic, so the runtime is shutting down: report it as what it is to the caller.
        Err(stopped) => Err(Error::Disk {
            doing: "finish the work on",
            path: "the store".into(),
            source: stopped.into(),
        }),
    }
}

/// Bounds a call on a place that may never answer.
pub(crate) async fn within<T>(
    place: &str,
    call: &'static str,
    limit: Duration,
    work: impl Future<Output = Result<T, Error>>,
) -> Result<T, Error> {
    match tokio::time::timeout(limit, work).await {
        Ok(result) => result,
        Err(_) => Err(Error::Timeout {
            place: place.to_owned(),
            call,
            limit,
        }),
    }
}
