use bytes::{Bytes, BytesMut};
use cid::Cid;
use tokio::task::JoinHandle;

use crate::{
    Content, Error,
    block::raw_cid,
    content::blocking,
    incoming::Incoming,
    unixfs::{CHUNK, FileBuilder},
};

/// Adds one file of any size to a store as its bytes come.
///
/// Memory: 3 MiB whatever the size. While one chunk is hashed and written on another thread, the caller may prepare
/// the next. [`FileWriter::finish`] MUST be called; a writer dropped before leaves nothing behind.
pub struct FileWriter {
    pending: BytesMut,
    state: State,
    target: Content,
}

/// A file that is in the store, durable and pinned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Added {
    pub cid: Cid,
    /// Bytes in the file.
    pub size: u64,
}

enum State {
    Idle(Box<Spool>),
    Busy(JoinHandle<Result<Box<Spool>, Error>>),
    Failed,
}

/// The tree as far as it is known, and the CAR its blocks go to.
struct Spool {
    builder: FileBuilder,
    car: Incoming,
}

impl FileWriter {
    pub(crate) async fn new(target: Content) -> Result<Self, Error> {
        let car = target.incoming(&[placeholder()]).await?;
        let spool = Box::new(Spool {
            builder: FileBuilder::new(),
            car,
        });
        Ok(Self {
            pending: BytesMut::new(),
            state: State::Idle(spool),
            target,
        })
    }

    /// Takes the next bytes, any number. After an error, or after the future was dropped while it waited, the
    /// writer is of no further use and says so.
    pub async fn push(&mut self, mut data: &[u8]) -> Result<(), Error> {
        while !data.is_empty() {
            self.pending.reserve(CHUNK - self.pending.len());
            let (part, rest) = data.split_at(data.len().min(CHUNK - self.pending.len()));
            self.pending.extend_from_slice(part);
            data = rest;
            if self.pending.len() == CHUNK {
                let mut spool = self.spool().await?;
                let chunk = std::mem::take(&mut self.pending).freeze();
                self.state = State::Busy(tokio::task::spawn_blocking(move || {
                    spool.push(&chunk)?;
                    Ok(spool)
                }));
            }
        }
        Ok(())
    }

    /// Ends the file and makes it durable and pinned.
    pub async fn finish(mut self) -> Result<Added, Error> {
        let mut spool = self.spool().await?;
        let last = std::mem::take(&mut self.pending).freeze();
        let (car, cid, size) = blocking(move || {
            spool.push(&last)?;
            spool.finish()
        })
        .await?;
        self.target.commit(car, &[cid]).await?;
        Ok(Added { cid, size })
    }

    /// The spool, once the chunk before has been written. Until the caller puts it back the state is `Failed`.
    async fn spool(&mut self) -> Result<Box<Spool>, Error> {
        match std::mem::replace(&mut self.state, State::Failed) {
            State::Idle(spool) => Ok(spool),
            State::Busy(task) => task.await.map_err(|_| Error::WriterFailed)?,
            State::Failed => Err(Error::WriterFailed),
        }
    }
}

impl Spool {
    fn push(&mut self, chunk: &Bytes) -> Result<(), Error> {
        let Self { builder, car } = self;
        builder.push_into(chunk, &mut |cid, bytes| car.append(cid, bytes))
    }

    fn finish(self) -> Result<(Incoming, Cid, u64), Error> {
        let Self { builder, mut car } = self;
        let (root, size) = builder.finish_into(&mut |cid, bytes| car.append(cid, bytes))?;
        Ok((car, root, size))
    }
}

/// As long as every root, so that the header can be written again in place.
fn placeholder() -> Cid {
    raw_cid(&[])
}
