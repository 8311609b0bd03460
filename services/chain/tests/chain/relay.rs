//! A node with limits: passes JSON-RPC on to anvil, but refuses log queries over too many blocks, as public nodes do.

use alloy::transports::http::reqwest;
use serde_json::{Value, json};
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::{TcpListener, TcpStream},
};

/// Starts one before `target`; its URL. It answers log queries over at most `blocks` blocks.
pub async fn before(target: String, blocks: u64) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(serve(stream, target.clone(), blocks));
        }
    });
    url
}

async fn serve(stream: TcpStream, target: String, blocks: u64) {
    let mut stream = BufReader::new(stream);
    while let Some(question) = question(&mut stream).await {
        let answer = if range(&question).is_some_and(|range| range > blocks) {
            json!({ "jsonrpc": "2.0", "id": question["id"], "error": { "code": -32005, "message": "too far" } })
        } else {
            let http = reqwest::Client::new();
            let sent = http
                .post(&target)
                .header("content-type", "application/json")
                .body(question.to_string());
            serde_json::from_slice(&sent.send().await.unwrap().bytes().await.unwrap()).unwrap()
        };
        let body = answer.to_string();
        let head = format!(
            "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
            body.len()
        );
        stream.write_all(format!("{head}{body}").as_bytes()).await.unwrap();
    }
}

async fn question(stream: &mut BufReader<TcpStream>) -> Option<Value> {
    let mut length = 0;
    loop {
        let mut line = String::new();
        if stream.read_line(&mut line).await.ok()? == 0 {
            return None;
        }
        if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
            length = value.trim().parse().ok()?;
        }
        if line == "\r\n" {
            break;
        }
    }
    let mut body = vec![0; length];
    stream.read_exact(&mut body).await.ok()?;
    serde_json::from_slice(&body).ok()
}

fn range(question: &Value) -> Option<u64> {
    let filter = (question["method"] == "eth_getLogs").then(|| &question["params"][0])?;
    let number = |name: &str| u64::from_str_radix(filter[name].as_str()?.trim_start_matches("0x"), 16).ok();
    Some(number("toBlock")? - number("fromBlock")? + 1)
}
