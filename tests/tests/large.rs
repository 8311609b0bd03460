//! A large document goes in, comes out whole and in part, and the gateway neither holds it in memory nor reads more of it
//! than was asked for. Memory is what the kernel says of the process, stored bytes are what the gateway's metrics say.
//!
//! `LARGE_MIB` says how large (64).
#![expect(clippy::unwrap_used, reason = "a test fails by panicking; its helper functions too")]

use std::{
    fs,
    sync::LazyLock,
    time::{Duration, Instant},
};

use chartseal_envelope::age::{CHUNK, sealed_size};
use chartseal_ipfs::unixfs;
use chartseal_stack::{
    client::Gateway,
    configuration::Served,
    samples::{self, Kind},
    supervise::Process,
    up::{Options, Stack},
};
use chartseal_stage::Kubo;
use chartseal_tests::program;
use futures::{StreamExt, stream};
use reqwest::{Body, RequestBuilder, Response, header};
use serde_json::json;
use sha2::{Digest, Sha256};

const MIB: u64 = 1 << 20;
/// What the gateway may hold above what it holds when it is idle.
const MEMORY: u64 = 64 * MIB;
/// What 1 MiB may take to read: a leaf for the file's beginning, three that the range touches, and the tree above them.
const COLD: u64 = 5 * MIB;
/// The same with beginning and tree in memory: 3.2 MiB.
const WARM: u64 = 16 * MIB / 5;

#[tokio::test(flavor = "multi_thread")]
async fn a_large_document_is_kept_in_a_folder() {
    kept_in(None).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_large_document_is_kept_in_kubo() {
    let Some(kubo) = Kubo::start("a_large_document_is_kept_in_kubo") else {
        return;
    };
    kept_in(Some(kubo.location())).await;
}

async fn kept_in(content: Option<String>) {
    let mib = std::env::var("LARGE_MIB").map_or(64, |n| n.parse().expect("LARGE_MIB is a number"));
    let _built = program("chartseal-gateway");
    let folder = tempfile::tempdir().unwrap();
    let options = Options {
        served: Served {
            content: content.clone(),
            limits: vec![("document_bytes", mib * MIB)],
            ..Served::default()
        },
        ..Options::in_folder(folder.path())
    };
    let mut stack = Stack::start(options, &|_| {}).await.unwrap();
    let place = content.as_deref().unwrap_or("a folder");
    let hospital = Hospital::of(&stack).await;

    // What is taken once and never given back (threads, pools, buffers) is taken before it counts.
    let small = Document { mib: 3 };
    let url = hospital.upload(&stack, &small).await;
    hospital.download(&url, &small).await;
    let document = Document { mib };
    let (idle, begun) = (Memory::idle(&stack), Instant::now());
    let url = hospital.upload(&stack, &document).await;
    let (up, took) = (idle.above(&stack), begun.elapsed());
    println!("{place}: {mib} MiB in {took:.1?}, {} KiB above idle", up / 1024);
    let (idle, begun) = (Memory::idle(&stack), Instant::now());
    hospital.download(&url, &document).await;
    let (down, took) = (idle.above(&stack), begun.elapsed());
    println!("{place}: {mib} MiB out {took:.1?}, {} KiB above idle", down / 1024);
    assert!(up <= MEMORY, "{up} bytes of memory above idle while it came in");
    assert!(down <= MEMORY, "{down} bytes of memory above idle while it went out");

    // Nothing of it is known to a process that has just begun.
    stack.kill(Process::Gateway).await.unwrap();
    stack.ready(Process::Gateway).await.unwrap();
    let hospital = Hospital::of(&stack).await;
    let start = worst(document.mib * MIB);
    let mut read = Vec::new();
    for _ in 0..2 {
        let before = stored_bytes_read(&stack).await;
        hospital.range(&url, &document, start).await;
        read.push(stored_bytes_read(&stack).await - before);
    }
    println!(
        "{place}: 1 MiB of {mib} takes {} stored bytes cold, {} then",
        read[0], read[1]
    );
    assert!(read[0] > 3 * MIB, "the range lies across three leaves: {read:?}");
    assert!(read[0] <= COLD && read[1] <= WARM, "{read:?}");
    stack.stop().await;
}

/// A document of so many MiB, each unlike the others.
struct Document {
    mib: u64,
}

impl Document {
    fn piece(number: u64) -> Vec<u8> {
        static PATTERN: LazyLock<Vec<u8>> = LazyLock::new(|| (0..MIB).map(|i| ((i * i) >> 7) as u8).collect());
        let mut piece = PATTERN.clone();
        piece[..8].copy_from_slice(&number.to_le_bytes());
        piece[MIB as usize / 2..][..8].copy_from_slice(&number.to_be_bytes());
        piece
    }

    fn sha256(&self) -> [u8; 32] {
        let mut sha256 = Sha256::new();
        (0..self.mib).for_each(|number| sha256.update(Self::piece(number)));
        sha256.finalize().into()
    }
}

/// The hospital's system, with a client that waits as long as it takes.
struct Hospital {
    http: reqwest::Client,
    gateway: Gateway,
}

impl Hospital {
    async fn of(stack: &Stack) -> Self {
        let json = stack.json();
        let client = json.client("hospital").unwrap().machine();
        let gateway = client.token(&Gateway::new(&json.gateway).unwrap()).await.unwrap();
        let http = reqwest::Client::builder().read_timeout(Duration::from_secs(1800));
        Self {
            http: http.build().unwrap(),
            gateway,
        }
    }

    async fn send(&self, request: RequestBuilder, status: u16) -> Response {
        let token = self.gateway.bearer().unwrap();
        let answer = request.bearer_auth(token).send().await.unwrap();
        let told = answer.status().as_u16();
        assert_eq!(told, status, "{}", answer.text().await.unwrap());
        answer
    }

    /// Uploads it as a Binary, hangs it on a record, and gives its URL.
    async fn upload(&self, stack: &Stack, document: &Document) -> String {
        let base = format!("{}/fhir/R4", self.gateway.base());
        let pieces = stream::iter(0..document.mib).map(|number| Ok::<_, std::io::Error>(Document::piece(number)));
        let request = self.http.post(format!("{base}/Binary"));
        let request = request.header(header::CONTENT_TYPE, "application/dicom");
        let staged = self.send(request.body(Body::wrap_stream(pieces)), 201).await;
        let staged: serde_json::Value = staged.json().await.unwrap();
        let attachment = json!({
            "contentType": "application/dicom",
            "url": format!("Binary/{}", staged["id"].as_str().unwrap()),
        });
        let patient = &stack.json().samples.patients[0].fhir_id;
        let resource = samples::document(patient, Kind::Scan, attachment);
        let request = self.http.post(format!("{base}/DocumentReference"));
        let request = request.header(header::CONTENT_TYPE, "application/fhir+json");
        let record = self.send(request.body(resource.to_string()), 201).await;
        let record: serde_json::Value = record.json().await.unwrap();
        record["content"][0]["attachment"]["url"].as_str().unwrap().to_owned()
    }

    async fn download(&self, url: &str, document: &Document) {
        let answer = self.send(self.http.get(url).header(header::ACCEPT, "*/*"), 200).await;
        let (mut sha256, mut pieces) = (Sha256::new(), answer.bytes_stream());
        while let Some(piece) = pieces.next().await {
            sha256.update(piece.unwrap());
        }
        assert_eq!(<[u8; 32]>::from(sha256.finalize()), document.sha256());
    }

    /// 1 MiB from `start` on.
    async fn range(&self, url: &str, document: &Document, start: u64) {
        let request = self.http.get(url).header(header::ACCEPT, "*/*");
        let request = request.header(header::RANGE, format!("bytes={start}-{}", start + MIB - 1));
        let got = self.send(request, 206).await.bytes().await.unwrap();
        let (first, within) = (start / MIB, (start % MIB) as usize);
        assert!(first + 1 < document.mib);
        let both = [Document::piece(first), Document::piece(first + 1)].concat();
        assert!(got == both[within..within + MIB as usize], "the range from {start} on");
    }
}

/// Where 1 MiB begins, not far behind the middle, whose sealed chunks lie in three leaves: the first leaf's last bytes, a
/// whole one, and the beginning of a third.
fn worst(size: u64) -> u64 {
    let (chunk, leaf) = (CHUNK as u64, unixfs::CHUNK as u64);
    let leaves = |start: u64| {
        let (first, behind) = (start / chunk, (start + MIB).div_ceil(chunk));
        // `sealed_size` of whole chunks is where the next one begins.
        (sealed_size(behind * chunk) - 1) / leaf - sealed_size(first * chunk) / leaf + 1
    };
    let mut starts = (size / 2 / chunk..).map(|number| number * chunk + chunk / 2);
    let found = starts.find(|start| leaves(*start) == 3).unwrap();
    assert!(found + 2 * MIB < size);
    found
}

/// What the kernel says of the gateway, in bytes.
struct Memory {
    idle: u64,
}

impl Memory {
    /// From here on the peak counts anew.
    fn idle(stack: &Stack) -> Self {
        let process = stack.pid(Process::Gateway).unwrap();
        fs::write(format!("/proc/{process}/clear_refs"), "5").unwrap();
        Self {
            idle: status(process, "VmRSS:"),
        }
    }

    fn above(&self, stack: &Stack) -> u64 {
        let peak = status(stack.pid(Process::Gateway).unwrap(), "VmHWM:");
        peak.saturating_sub(self.idle)
    }
}

fn status(process: u32, name: &str) -> u64 {
    let status = fs::read_to_string(format!("/proc/{process}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap();
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() * 1024
}

async fn stored_bytes_read(stack: &Stack) -> u64 {
    let text = reqwest::get(stack.json().metrics).await.unwrap().text().await.unwrap();
    let lines = text
        .lines()
        .filter_map(|line| line.strip_prefix("chartseal_content_read_bytes_total{"));
    lines
        .map(|line| line.rsplit_once(' ').unwrap().1.parse::<u64>().unwrap())
        .sum()
}
