//! Every place where something of a patient could lie in the open, and that a word lying there would be found.

use std::{
    fs,
    io::Write,
    path::{Path, PathBuf},
};

use chartseal_stack::{rpc::Node, stack_json::StackJson, thief};
use chartseal_stage::{Kubo, Postgres};
use serde_json::json;
use sqlx::{ConnectOptions, Executor, sqlite::SqliteConnectOptions};

/// The data folder (SQLite with its write-ahead log, CAR files, every process's log, the chain's own state), the chain as
/// anyone sees it, and where they are used PostgreSQL and Kubo.
pub struct Places<'a> {
    data: PathBuf,
    node: Node,
    postgres: Option<(&'a Postgres, &'a str)>,
    kubo: Option<&'a Kubo>,
}

impl<'a> Places<'a> {
    pub fn of(json: &StackJson) -> Self {
        Self {
            data: json.data.clone(),
            node: Node::new(&json.rpc),
            postgres: None,
            kubo: None,
        }
    }

    pub fn and_postgres(mut self, server: &'a Postgres, database: &'a str) -> Self {
        self.postgres = Some((server, database));
        self
    }

    pub fn and_kubo(mut self, kubo: &'a Kubo) -> Self {
        self.kubo = Some(kubo);
        self
    }

    /// Fails if one of the words can be read anywhere, in any shape.
    pub async fn hold_none_of(&self, words: &[String]) {
        assert_eq!(self.read(words).await, None);
    }

    async fn read(&self, words: &[String]) -> Option<String> {
        let mut files = thief::files(&self.data).unwrap();
        for (folder, what) in [("logs", "log"), ("chain", "chain")] {
            let there = files.iter().any(|(path, _)| path.starts_with(self.data.join(folder)));
            assert!(there, "there is no {what} in {}", self.data.display());
        }
        if let Some((server, database)) = self.postgres {
            files.push(("PostgreSQL's dump".into(), server.dump(database)));
            files.extend(thief::files(&server.data()).unwrap());
        }
        if let Some(kubo) = self.kubo {
            files.extend(thief::files(&kubo.repository()).unwrap());
        }
        let chain = self.node.everything().await.unwrap();
        thief::readable(words, &files, &chain).unwrap()
    }

    /// The control: a word is put into each place, by that place's own means, and found there. Spoils the system.
    pub async fn show_what_is_planted_in(&self, data: &Path) {
        let planted = |place: &str| format!("Planted Canary of the {place}");
        let mut places = vec!["log", "chain"];
        let mut log = fs::OpenOptions::new()
            .append(true)
            .open(data.join("logs/gateway.log"))
            .unwrap();
        writeln!(log, r#"{{"message":"{}"}}"#, planted("log")).unwrap();
        self.send(planted("chain").as_bytes()).await;
        let table = |place| {
            let word = planted(place);
            format!("CREATE TABLE planted (word TEXT); INSERT INTO planted VALUES ('{word}')")
        };
        if let Some((server, database)) = self.postgres {
            places.push("PostgreSQL");
            server.psql(database, &table("PostgreSQL"));
        } else {
            places.push("SQLite");
            let options = SqliteConnectOptions::new().filename(data.join("chartseal.db"));
            let mut connection = options.connect().await.unwrap();
            connection.execute(sqlx::AssertSqlSafe(table("SQLite"))).await.unwrap();
        }
        if let Some(kubo) = self.kubo {
            places.push("Kubo");
            let block = tempfile::NamedTempFile::new().unwrap();
            fs::write(block.path(), planted("Kubo")).unwrap();
            kubo.ipfs(&["block", "put", block.path().to_str().unwrap()]);
        } else {
            places.push("CAR");
            let files = thief::files(&data.join("content")).unwrap();
            let (car, _) = files
                .iter()
                .find(|(path, _)| path.extension().is_some_and(|it| it == "car"))
                .unwrap();
            let mut car = fs::OpenOptions::new().append(true).open(car).unwrap();
            car.write_all(planted("CAR").as_bytes()).unwrap();
        }
        for place in places {
            let word = planted(place);
            let found = self.read(std::slice::from_ref(&word)).await;
            assert!(
                found.is_some_and(|found| found.contains(&word)),
                "'{word}' was not found"
            );
        }
    }

    /// A transaction with these bytes, by an account of anvil's that nobody else uses.
    async fn send(&self, bytes: &[u8]) {
        let from = "0x00000000000000000000000000000000000c0de1";
        let call = async |method, parameters| self.node.call(method, parameters).await.unwrap();
        call("anvil_setBalance", json!([from, "0xde0b6b3a7640000"])).await;
        call("anvil_impersonateAccount", json!([from])).await;
        let before = self.node.head().await.unwrap();
        let data = format!("0x{}", hex::encode(bytes));
        call(
            "eth_sendTransaction",
            json!([{ "from": from, "to": from, "data": data }]),
        )
        .await;
        call("evm_mine", json!([])).await;
        assert!(self.node.head().await.unwrap() > before);
    }
}
