//! The files of `tests/data` as a hospital's archive holds them.

use std::{fs, io::Read, path::Path};

use chartseal_tests::root;
use flate2::read::GzDecoder;
use serde_json::Value;

/// One patient's file and what FHIR resources it holds.
pub struct Patient {
    pub patient: Value,
    pub notes: Vec<Value>,
    pub claims: Vec<Value>,
    /// The file itself, to be kept as a document.
    pub file: Document,
}

/// A document's bytes and what it says of itself.
#[derive(Clone)]
pub struct Document {
    pub title: String,
    pub media: &'static str,
    /// LOINC.
    pub code: &'static str,
    pub bytes: Vec<u8>,
}

/// All of them, in the order of their files' names.
pub fn patients() -> Vec<Patient> {
    let bundles = files("synthea/bundles").into_iter().map(|(title, bytes)| {
        let bundle: Value = serde_json::from_slice(&bytes).unwrap();
        let entries = bundle["entry"].as_array().unwrap();
        let resources = entries.iter().map(|entry| entry["resource"].clone()).collect();
        (title, "application/fhir+json", bytes, resources)
    });
    let notes = files("synthea/notes").into_iter().map(|(title, bytes)| {
        let lines = bytes.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
        let resources: Vec<Value> = lines.map(|line| serde_json::from_slice(line).unwrap()).collect();
        (title, "application/fhir+ndjson", bytes, resources)
    });
    let all = bundles.chain(notes).map(|(title, media, bytes, resources)| {
        let of = |kind: &str| {
            resources
                .iter()
                .filter(|it| it["resourceType"] == kind)
                .cloned()
                .collect()
        };
        Patient {
            patient: resources
                .iter()
                .find(|it| it["resourceType"] == "Patient")
                .unwrap()
                .clone(),
            notes: of("DocumentReference"),
            claims: of("Claim"),
            // Patient summary.
            file: Document {
                title,
                media,
                code: "60591-5",
                bytes,
            },
        }
    });
    all.collect()
}

/// The C-CDA, PDF and DICOM files.
pub fn documents() -> Vec<Document> {
    let all = files("documents").into_iter().map(|(title, bytes)| {
        let (media, code) = match Path::new(&title).extension().unwrap().to_str().unwrap() {
            "xml" => ("text/xml", "34133-9"),
            "pdf" => ("application/pdf", "34133-9"),
            "dcm" => ("application/dicom", "18748-4"),
            other => panic!("tests/data/documents holds a .{other}"),
        };
        Document {
            title,
            media,
            code,
            bytes,
        }
    });
    all.collect()
}

/// (name, bytes) of the files in a folder, uncompressed.
fn files(folder: &str) -> Vec<(String, Vec<u8>)> {
    let entries = fs::read_dir(root().join("tests/data").join(folder)).unwrap();
    let mut files: Vec<_> = (entries.map(|entry| entry.unwrap().path()))
        .map(|path| {
            let name = path.file_name().unwrap().to_str().unwrap().to_owned();
            let bytes = fs::read(&path).unwrap();
            let Some(inside) = name.strip_suffix(".gz") else {
                return (name, bytes);
            };
            let mut plain = Vec::new();
            GzDecoder::new(bytes.as_slice()).read_to_end(&mut plain).unwrap();
            (inside.to_owned(), plain)
        })
        .collect();
    files.sort();
    files
}
