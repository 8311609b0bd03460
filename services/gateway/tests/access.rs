//! Getting in: wallets and systems, and everyone who should not.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on says where")]

mod common;

use alloy::{
    primitives::{Address, Bytes, bytes},
    providers::ext::AnvilApi,
    signers::SignerSync,
};
use common::{ALICE, DOCTOR, HOSPITAL, STRANGER, World, now, wallet};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use reqwest::Method;
use serde_json::{Value, json};

fn sign(place: u32, text: &str) -> Bytes {
    Bytes::from(
        wallet(place)
            .sign_message_sync(text.as_bytes())
            .unwrap()
            .as_bytes()
            .to_vec(),
    )
}

async fn enter(world: &World, message: &str, signature: Bytes) -> (u16, String) {
    let body = json!({ "message": message, "signature": signature });
    let (status, answer) = world.call(Method::POST, "/v1/sessions", None, Some(&body)).await;
    (status, answer["code"].as_str().unwrap_or_default().to_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wallet_signs_in_once_per_nonce_and_only_as_itself() {
    let world = World::new().await;
    let address = wallet(ALICE).address();
    let message = world.message(address).await;
    assert_eq!(
        enter(&world, &message, sign(DOCTOR, &message)).await,
        (403, "bad-signature".into())
    );
    assert_eq!(
        enter(&world, &message, Bytes::new()).await,
        (403, "bad-signature".into())
    );
    assert_eq!(
        enter(&world, &message, sign(ALICE, &message)).await.0,
        201,
        "a forged try uses no nonce up"
    );
    assert_eq!(
        enter(&world, &message, sign(ALICE, &message)).await,
        (409, "replayed".into())
    );
    let other = message.replace("Chain ID: 31337", "Chain ID: 1");
    assert_eq!(
        enter(&world, &other, sign(ALICE, &other)).await,
        (403, "bad-signature".into())
    );
    let invented = format!(
        "{}\n",
        message
            .lines()
            .map(|l| if l.starts_with("Nonce") {
                "Nonce: abcdefgh12345678"
            } else {
                l
            })
            .collect::<Vec<_>>()
            .join("\n")
    );
    let invented = invented.trim_end();
    assert_eq!(
        enter(&world, invented, sign(ALICE, invented)).await,
        (409, "replayed".into())
    );
    assert_eq!(world.call(Method::GET, "/v1/grants", None, None).await.0, 401);
    let alice = world.sign_in(ALICE).await;
    let (status, _) = world
        .call(Method::DELETE, "/v1/sessions", Some(&alice.token), None)
        .await;
    assert_eq!(status, 204);
    assert_eq!(alice.get("/v1/requests").await.0, 401, "signed out");
    world.stop.cancel();
}

/// A contract that says yes to every signature: what a node can claim to be at any address.
async fn says_yes(world: &World, address: Address) {
    let code = bytes!("631626ba7e60e01b60005260206000f3");
    world.provider.anvil_set_code(address, code).await.unwrap();
}

async fn forged(world: &World, address: Address) -> (u16, String) {
    let message = world.message(address).await;
    enter(world, &message, sign(DOCTOR, &message)).await
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_signs_in_on_the_word_of_the_node() {
    let world = World::new().await;
    let alice = wallet(ALICE).address();
    says_yes(&world, alice).await;
    assert_eq!(forged(&world, alice).await, (403, "bad-signature".into()));
    world.sign_in(ALICE).await;
    world.stop.cancel();
}

#[tokio::test(flavor = "multi_thread")]
async fn contract_wallets_sign_in_where_they_are_allowed_and_plain_wallets_stay_plain() {
    let world = World::with("contract_wallets = true").await;
    let contract = Address::repeat_byte(0xc0);
    assert_eq!(forged(&world, contract).await.0, 403, "no code");
    says_yes(&world, contract).await;
    assert_eq!(forged(&world, contract).await.0, 201);
    let stranger = wallet(STRANGER).address();
    world.sign_in(STRANGER).await;
    says_yes(&world, stranger).await;
    assert_eq!(forged(&world, stranger).await.0, 403, "it has a key");
    world.stop.cancel();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stranger_lays_out_few_registrations_and_none_with_a_novel_in_it() {
    let world = World::new().await;
    let stranger = world.sign_in(STRANGER).await;
    let mut params = json!({ "role": "patient", "custodian": wallet(HOSPITAL).address(), "custodyMode": "gateway" });
    params["endpoint"] = json!("x".repeat(257));
    let (status, refused) = stranger.ask("register", params.clone()).await;
    assert_eq!((status, refused["code"].as_str()), (422, Some("invalid")));
    params["endpoint"] = json!("x".repeat(256));
    for _ in 0..2 {
        stranger.lay_out("register", params.clone()).await;
    }
    let (status, refused) = stranger.ask("register", params).await;
    assert_eq!((status, refused["code"].as_str()), (429, Some("too-many")));
    world.stop.cancel();
}

struct System {
    client: String,
    audience: String,
}

impl System {
    fn claims(&self) -> Value {
        json!({ "iss": self.client, "sub": self.client, "aud": self.audience, "exp": now() + 240, "jti": uuid::Uuid::new_v4().to_string() })
    }
}

fn jwt(algorithm: Algorithm, kid: &str, claims: &Value) -> String {
    let key = match algorithm {
        Algorithm::ES384 => EncodingKey::from_ec_pem(include_bytes!("data/es384.pem")).unwrap(),
        Algorithm::RS384 => EncodingKey::from_rsa_pem(include_bytes!("data/rs384.pem")).unwrap(),
        _ => EncodingKey::from_secret(b"secret"),
    };
    let mut header = Header::new(algorithm);
    header.kid = Some(kid.into());
    jsonwebtoken::encode(&header, claims, &key).unwrap()
}

async fn token(
    world: &World,
    change: impl FnOnce(&mut Vec<(&'static str, String)>),
    assertion: String,
) -> (u16, Value) {
    let mut form = vec![
        ("grant_type", "client_credentials".to_owned()),
        ("scope", "system/DocumentReference.rs".to_owned()),
        (
            "client_assertion_type",
            "urn:ietf:params:oauth:client-assertion-type:jwt-bearer".to_owned(),
        ),
        ("client_assertion", assertion),
    ];
    change(&mut form);
    let answer = world
        .http
        .post(format!("{}/oauth2/token", world.base))
        .form(&form)
        .send()
        .await
        .unwrap();
    assert_eq!(answer.headers()["cache-control"], "no-store");
    (answer.status().as_u16(), answer.json().await.unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_system_gets_a_token_for_a_fresh_assertion_of_its_own_key() {
    let world = World::new().await;
    let people = world.people().await;
    let jwks: Value = serde_json::from_str(include_str!("data/jwks.json")).unwrap();
    let body = json!({ "name": "records system", "account": people.hospital.address(), "jwks": jwks, "scopes": "system/DocumentReference.crus system/Claim.read" });
    let (status, client) = people.hospital.post("/v1/clients", body.clone()).await;
    assert_eq!(status, 201, "{client}");
    assert_eq!(people.doctor.post("/v1/clients", body).await.0, 403);
    let system = System {
        client: client["clientId"].as_str().unwrap().to_owned(),
        audience: format!("{}/oauth2/token", world.base),
    };

    for (algorithm, kid) in [(Algorithm::ES384, "es"), (Algorithm::RS384, "rs")] {
        let (status, granted) = token(&world, |_| {}, jwt(algorithm, kid, &system.claims())).await;
        assert_eq!(status, 200, "{granted}");
        assert_eq!(granted["token_type"], "bearer");
        assert_eq!(granted["expires_in"], 300);
        assert_eq!(granted["scope"], "system/DocumentReference.rs");
        // A system is no person: it decides nothing.
        let bearer = granted["access_token"].as_str().unwrap();
        let (status, _) = world.call(Method::GET, "/v1/intents", Some(bearer), None).await;
        assert_eq!(status, 403);
    }

    let once = jwt(Algorithm::ES384, "es", &system.claims());
    assert_eq!(token(&world, |_| {}, once.clone()).await.0, 200);
    assert_eq!(
        token(&world, |_| {}, once).await.1["error"],
        "invalid_client",
        "jti is used once"
    );

    let bad = |name: &str, value: Value| {
        let mut claims = system.claims();
        claims[name] = value;
        jwt(Algorithm::ES384, "es", &claims)
    };
    for (what, assertion) in [
        ("another issuer", bad("iss", json!("somebody"))),
        ("another subject", bad("sub", json!("somebody"))),
        ("another audience", bad("aud", json!("https://elsewhere.example/token"))),
        ("expired", bad("exp", json!(now() - 1))),
        ("lives too long", bad("exp", json!(now() + 600))),
        ("not yet", bad("nbf", json!(now() + 120))),
        ("no jti", bad("jti", json!(""))),
        ("another key", jwt(Algorithm::ES384, "rs", &system.claims())),
        ("unknown key", jwt(Algorithm::ES384, "xx", &system.claims())),
        ("symmetric", jwt(Algorithm::HS256, "es", &system.claims())),
        ("no JWT", "abc".into()),
        ("unsigned", {
            let signed = jwt(Algorithm::ES384, "es", &system.claims());
            format!("{}.", signed.rsplit_once('.').unwrap().0)
        }),
    ] {
        let (status, refused) = token(&world, |_| {}, assertion).await;
        assert_eq!(
            (status, refused["error"].as_str()),
            (401, Some("invalid_client")),
            "{what}: {refused}"
        );
    }

    let good = || jwt(Algorithm::ES384, "es", &system.claims());
    let set = |name: &'static str, value: &'static str| {
        move |form: &mut Vec<(&'static str, String)>| {
            form.retain(|(n, _)| *n != name);
            if !value.is_empty() {
                form.push((name, value.into()));
            }
        }
    };
    for (name, value, error) in [
        ("grant_type", "authorization_code", "unsupported_grant_type"),
        ("grant_type", "", "invalid_request"),
        ("client_assertion_type", "urn:other", "invalid_request"),
        ("client_assertion", "", "invalid_request"),
        ("scope", "launch/patient openid", "invalid_scope"),
        ("scope", "system/Patient.rs", "invalid_scope"),
        ("scope", "system/*.rs", "invalid_scope"),
        ("scope", "user/Claim.rs", "invalid_scope"),
    ] {
        let (status, refused) = token(&world, set(name, value), good()).await;
        assert_eq!(
            (status, refused["error"].as_str()),
            (400, Some(error)),
            "{name}={value}: {refused}"
        );
    }
    let (status, twice) = token(
        &world,
        |form| form.push(("grant_type", "client_credentials".into())),
        good(),
    )
    .await;
    assert_eq!((status, twice["error"].as_str()), (400, Some("invalid_request")));

    // Without a scope it gets what it is registered for, and what only people are granted is passed over.
    let registered = "system/DocumentReference.crus system/Claim.read";
    let (status, all) = token(&world, set("scope", ""), good()).await;
    assert_eq!((status, &all["scope"]), (200, &json!(registered)), "{all}");
    let people_too = "launch/patient openid system/Claim.rs";
    let (status, some) = token(&world, set("scope", people_too), good()).await;
    assert_eq!((status, &some["scope"]), (200, &json!("system/Claim.rs")), "{some}");

    // Disabled: no more tokens.
    let (status, _) = world
        .call(
            Method::DELETE,
            &format!("/v1/clients/{}", system.client),
            Some(&people.hospital.token),
            None,
        )
        .await;
    assert_eq!(status, 204);
    assert_eq!(token(&world, |_| {}, good()).await.0, 401);
    world.stop.cancel();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_read_is_refused_as_a_problem() {
    let world = World::new().await;
    let alice = world.sign_in(ALICE).await;
    let post = async |body: Vec<u8>| {
        let request = world
            .http
            .post(format!("{}/v1/intents", world.base))
            .bearer_auth(&alice.token);
        let answer = request
            .header("content-type", "application/json")
            .body(body)
            .send()
            .await
            .unwrap();
        assert_eq!(answer.headers()["content-type"], "application/problem+json");
        assert!(answer.headers().contains_key("x-request-id"));
        (
            answer.status().as_u16(),
            answer.json::<Value>().await.unwrap()["code"]
                .as_str()
                .unwrap()
                .to_owned(),
        )
    };
    for body in [
        "",
        "{",
        "[]",
        "{\"kind\":\"dance\"}",
        "{\"kind\":\"revoke\"}",
        "{\"kind\":\"suspend\",\"who\":\"0x1\"}",
    ] {
        assert_eq!(post(body.into()).await, (400, "malformed".into()), "{body}");
    }
    let deep = format!("{{\"kind\":{}", "[".repeat(100_000));
    assert_eq!(post(deep.into()).await.0, 400);
    assert_eq!(post(vec![b' '; 300 * 1024]).await, (413, "too-large".into()));
    assert_eq!(alice.get("/v1/nothing").await.1["code"], "not-found");
    let (status, _) = world.call(Method::PATCH, "/v1/intents", Some(&alice.token), None).await;
    assert_eq!(status, 405);
    assert_eq!(world.call(Method::GET, "/livez", None, None).await.0, 200);
    assert_eq!(world.call(Method::GET, "/readyz", None, None).await.0, 200);
    world.stop.cancel();
}
