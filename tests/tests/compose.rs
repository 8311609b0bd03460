//! docker-compose.yml without Docker: Compose's own loader reads it, and every service's command line and environment runs
//! here as it stands there, but for the names of hosts, ports and folders.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking; its helper functions too")]

use std::{
    collections::BTreeMap,
    env, fs,
    io::Write,
    net::TcpListener,
    path::PathBuf,
    process::{Child, Command, Output, Stdio},
    time::{Duration, Instant},
};

use chartseal_stack::{
    anvil,
    client::{Gateway, text},
    decide::{self, READ, Role, WRITE, equip, register, registration},
    samples, seed,
    session::Session,
    wallet::{self, Wallet},
};
use chartseal_stage::{Kubo, Postgres};
use chartseal_tests::{program, root};
use serde_json::{Value, json};
use tempfile::TempDir;

/// How long a service may take to be healthy.
const PATIENCE: Duration = Duration::from_secs(120);

#[tokio::test(flavor = "multi_thread")]
async fn every_service_runs_as_the_compose_file_says() {
    let test = "every_service_runs_as_the_compose_file_says";
    let Some(model) = model(test) else { return };
    if !portal().join("index.html").is_file() {
        let said = format!("NOT RUN: {test}: the portal is not built (make portal)\n");
        assert!(env::var_os("REQUIRE_ALL").is_none(), "{said}");
        let _ = std::io::stderr().write_all(said.as_bytes());
        return;
    }
    let script = config(&model, "kubo-private");
    let (Some(server), Some(node)) = (Postgres::alone(test, ""), Kubo::configured_by(test, &script)) else {
        return;
    };
    // As the image of PostgreSQL does with its environment: a superuser and a database of that name.
    let given = &model["services"]["postgres"]["environment"];
    let (user, database) = (
        given["POSTGRES_USER"].as_str().unwrap(),
        given["POSTGRES_DB"].as_str().unwrap(),
    );
    let password = config(&model, "database-password");
    server.psql(
        "postgres",
        &format!("CREATE ROLE {user} SUPERUSER LOGIN PASSWORD '{password}'"),
    );
    server.psql("postgres", &format!("CREATE DATABASE {database} OWNER {user}"));
    server.psql(database, &config(&model, "submitter-role"));

    let mut here = Here::new(model, &server, &node);
    here.is_healthy("kubo").await;
    // Kubo's and PostgreSQL's own images are theirs; everything else runs, in the order in which it depends on the others.
    let order = here.order();
    assert_eq!(order.len(), 6, "{order:?}");
    for name in &order {
        here.start(name).await;
    }
    people_use_it(&here.gateway).await;
    // The portal of the image stands at its doors.
    let door = reqwest::get(format!("{}/patient", here.gateway)).await.unwrap();
    assert_eq!(door.headers()["content-type"], "text/html; charset=utf-8");
    assert_eq!(
        door.text().await.unwrap(),
        fs::read_to_string(portal().join("index.html")).unwrap()
    );
    let metrics = reqwest::get(format!("http://127.0.0.1:{}/metrics", here.ports["9465"]))
        .await
        .unwrap();
    assert!(
        metrics.text().await.unwrap().contains("chartseal_"),
        "the submitter's figures"
    );
    // Run again, what runs once finds its work done.
    let key = fs::read(here.folder.path().join("keys/master.key")).unwrap();
    for name in order
        .iter()
        .filter(|name| here.model["services"][name.as_str()]["restart"] == "no")
    {
        here.once(name);
    }
    assert_eq!(fs::read(here.folder.path().join("keys/master.key")).unwrap(), key);
}

/// What the Dockerfile builds as the portal: here `make portal` did.
fn portal() -> PathBuf {
    root().join("services/portal/dist/production")
}

/// The file as Compose understands it. `None`, and a word about it, where Go is not installed.
fn model(test: &str) -> Option<Value> {
    let output = Command::new("go")
        .args(["run", ".", "../../docker-compose.yml"])
        .current_dir(root().join("tests/compose"))
        .output();
    let Ok(output) = output else {
        let said = format!("NOT RUN: {test}: Compose's loader needs Go\n");
        assert!(env::var_os("REQUIRE_ALL").is_none(), "{said}");
        // Not eprintln!, which the test harness would keep to itself.
        let _ = std::io::stderr().write_all(said.as_bytes());
        return None;
    };
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Some(serde_json::from_slice(&output.stdout).unwrap())
}

/// The text of an entry in `configs`.
fn config(model: &Value, name: &str) -> String {
    let config = &model["configs"][name];
    match config["content"].as_str() {
        Some(text) => text.replace("$$", "$"),
        None => fs::read_to_string(config["file"].as_str().unwrap()).unwrap(),
    }
}

/// This machine in the place of the containers.
struct Here {
    model: Value,
    /// What the file says, and what is meant here; the longest first.
    names: Vec<(String, String)>,
    ports: BTreeMap<&'static str, u16>,
    path: std::ffi::OsString,
    gateway: String,
    running: Vec<(String, Child)>,
    folder: TempDir,
}

impl Here {
    fn new(model: Value, server: &Postgres, node: &Kubo) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let port = || TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let ports: BTreeMap<_, _> = ["8545", "8080", "9464", "9465"].map(|named| (named, port())).into();
        let host = server.host().to_str().unwrap();
        let mut names: Vec<(String, String)> = vec![
            // Nothing here is reached from other machines.
            ("0.0.0.0".into(), "127.0.0.1".into()),
            ("kubo+http://kubo:5001".into(), node.location()),
            ("//anvil:".into(), "//127.0.0.1:".into()),
            (
                "@postgres/chartseal?sslmode=disable".into(),
                format!("@localhost/chartseal?host={host}"),
            ),
            ("-h postgres".into(), format!("-h {host}")),
            ("/ip4/127.0.0.1/tcp/5001".into(), api(node)),
            ("--port 8545".into(), format!("--port {}", ports["8545"])),
        ];
        names.extend(
            ports
                .iter()
                .map(|(named, port)| (format!(":{named}"), format!(":{port}"))),
        );
        names.push(("/127.0.0.1/8080".into(), format!("/127.0.0.1/{}", ports["8080"])));
        names.push(("/usr/share/chartseal/portal".into(), portal().display().to_string()));
        for root in ["/data", "/keys", "/chain", "/run"] {
            let there = folder.path().join(&root[1..]);
            fs::create_dir(&there).unwrap();
            names.push((format!("{root}/"), format!("{}/", there.display())));
        }
        let programs = program("chartseal-gateway").parent().unwrap().to_owned();
        let ipfs = env::var_os("IPFS_BIN").map_or_else(|| root().join(".kubo/ipfs"), PathBuf::from);
        let mut folders = vec![
            programs,
            server.programs().to_owned(),
            ipfs.parent().unwrap().to_owned(),
        ];
        folders.push(anvil::program().unwrap().parent().unwrap().to_owned());
        folders.extend(env::split_paths(&env::var_os("PATH").unwrap()));
        Self {
            gateway: format!("http://127.0.0.1:{}", ports["8080"]),
            path: env::join_paths(folders).unwrap(),
            running: Vec::new(),
            model,
            names,
            ports,
            folder,
        }
    }

    fn meant(&self, said: &str) -> String {
        let said = said.replace("$$", "$");
        self.names
            .iter()
            .fold(said, |said, (there, here)| said.replace(there, here))
    }

    /// The services of our own images and scripts, each after those it waits for.
    fn order(&self) -> Vec<String> {
        let services = self.model["services"].as_object().unwrap();
        let ours = |name: &str| !["kubo", "postgres"].contains(&name);
        let mut order: Vec<String> = Vec::new();
        while let Some((name, _)) = services.iter().find(|(name, service)| {
            let waits = service["depends_on"].as_object().into_iter().flatten();
            let done = |name: &String| !ours(name) || order.contains(name);
            ours(name) && !order.contains(name) && waits.map(|(name, _)| name).all(done)
        }) {
            order.push(name.clone());
        }
        order
    }

    fn command(&self, name: &str) -> Command {
        let service = &self.model["services"][name];
        for mounted in service["configs"].as_array().into_iter().flatten() {
            let target = self.meant(mounted["target"].as_str().unwrap());
            fs::write(target, config(&self.model, mounted["source"].as_str().unwrap())).unwrap();
        }
        let words = service["command"].as_array().unwrap().iter();
        let mut words: Vec<String> = words.map(|word| word.as_str().unwrap().to_owned()).collect();
        // The image of the chain has its program as entry point.
        if name == "anvil" {
            words = self.meant(&words.join(" ")).split(' ').map(str::to_owned).collect();
            words.insert(0, "anvil".into());
        }
        let mut command = Command::new(&words[0]);
        command.args(words[1..].iter().map(|word| self.meant(word)));
        self.surround(&mut command, service);
        command
    }

    /// Nothing of this process's own environment but where programs are.
    fn surround(&self, command: &mut Command, service: &Value) {
        let folder = self.folder.path();
        command
            .env_clear()
            .env("PATH", &self.path)
            .env("HOME", folder)
            .current_dir(folder);
        for (name, value) in service["environment"].as_object().into_iter().flatten() {
            command.env(name, self.meant(value.as_str().unwrap()));
        }
        command.stdin(Stdio::null());
    }

    async fn start(&mut self, name: &str) {
        if self.model["services"][name]["restart"] == "no" {
            return self.once(name);
        }
        let log = fs::File::create(self.folder.path().join(format!("{name}.log"))).unwrap();
        let mut command = self.command(name);
        command.stdout(log.try_clone().unwrap()).stderr(log);
        self.running.push((name.to_owned(), command.spawn().unwrap()));
        self.is_healthy(name).await;
    }

    /// To its end, which must be a good one.
    fn once(&self, name: &str) {
        let done = self.command(name).output().unwrap();
        assert!(done.status.success(), "{name}: {}", told(&done));
    }

    /// By the file's own check, if it has one.
    async fn is_healthy(&mut self, name: &str) {
        let service = self.model["services"][name].clone();
        let Some(words) = service["healthcheck"]["test"].as_array() else {
            return;
        };
        let words: Vec<String> = words
            .iter()
            .skip(1)
            .map(|word| self.meant(word.as_str().unwrap()))
            .collect();
        let begun = Instant::now();
        loop {
            let mut check = Command::new(&words[0]);
            check.args(&words[1..]);
            self.surround(&mut check, &service);
            let checked = check.output().unwrap();
            if checked.status.success() {
                return;
            }
            if let Some((_, child)) = self.running.iter_mut().find(|(running, _)| running == name) {
                let ended = child.try_wait().unwrap();
                assert!(ended.is_none(), "{name} ended: {}", self.log(name));
            }
            assert!(
                begun.elapsed() < PATIENCE,
                "{name}: {}, {}",
                told(&checked),
                self.log(name)
            );
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    }

    fn log(&self, name: &str) -> String {
        fs::read_to_string(self.folder.path().join(format!("{name}.log"))).unwrap_or_default()
    }
}

impl Drop for Here {
    fn drop(&mut self) {
        for (_, child) in self.running.iter_mut().rev() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

fn told(output: &Output) -> String {
    let said = |bytes| String::from_utf8_lossy(bytes).into_owned();
    format!("{}: {}{}", output.status, said(&output.stdout), said(&output.stderr))
}

/// `/ip4/127.0.0.1/tcp/PORT` of the node.
fn api(node: &Kubo) -> String {
    let port = node.api.rsplit(':').next().unwrap();
    format!("/ip4/127.0.0.1/tcp/{port}")
}

/// The hospital registers, a patient enrols, a claim is uploaded and anchored.
async fn people_use_it(base: &str) {
    let gateway = Gateway::new(base).unwrap();
    let person = async |name, place| Session::sign_in(&gateway, &Wallet::sample(name, place)).await.unwrap();
    let admin = person("admin", wallet::ADMIN).await;
    let hospital = person("hospital", wallet::HOSPITAL).await;
    let alice = person("alice", wallet::ALICE).await;
    register(&admin, &hospital, registration(Role::Hospital, None).unwrap())
        .await
        .unwrap();
    let publisher = Wallet::sample("hospital publisher", wallet::HOSPITAL_PUBLISHER);
    equip(&hospital, &publisher).await.unwrap();
    let custodian = hospital.account;
    register(&admin, &alice, registration(Role::Patient { custodian }, None).unwrap())
        .await
        .unwrap();
    decide::enrol(&alice, custodian, &seed::HOSPITAL_SCOPES, READ | WRITE)
        .await
        .unwrap();
    let client = seed::connect(&hospital, "hospital system", seed::HOSPITAL_SYSTEM_SCOPE)
        .await
        .unwrap();
    let system = client.machine().token(&gateway).await.unwrap();
    let patient = samples::martina(31337, &alice.account.to_string());
    let id = text(&seed::create(&system, &patient).await.unwrap(), "id").unwrap();
    seed::create(&system, &samples::xray_claim(&id, "C-2020-0001", &[]))
        .await
        .unwrap();
    let records = seed::anchored(&hospital.gateway, alice.account).await.unwrap();
    assert_eq!(records.len(), 2, "{}", json!(records));
    let receipt = format!("/v1/receipts/{}", records[0]["cid"].as_str().unwrap());
    hospital.gateway.get(&receipt).await.unwrap().expect(200).unwrap();
}
