//! Hospital and insurer systems: SMART Backend Services clients with an ES384 key of their own.

use anyhow::{Context, Result, anyhow};
use aws_lc_rs::encoding::AsBigEndian;
use aws_lc_rs::signature::{ECDSA_P384_SHA384_FIXED_SIGNING, EcdsaKeyPair, KeyPair};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as B64;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde_json::{Value, json};

use crate::client::{ClientError, Gateway, text};

/// A registered client as it stands in `stack.json`, private key included: development only.
#[derive(Clone, Debug)]
pub struct Machine {
    pub name: String,
    pub client_id: String,
    pub scope: String,
    /// Private JWK, `kty` EC, `crv` P-384.
    pub jwk: Value,
}

/// A fresh private JWK for ES384.
pub fn new_jwk() -> Result<Value> {
    let unspecified = |_| anyhow!("the operating system gave no randomness for a P-384 key");
    let pair = EcdsaKeyPair::generate(&ECDSA_P384_SHA384_FIXED_SIGNING).map_err(unspecified)?;
    let private: aws_lc_rs::encoding::EcPrivateKeyBin<'_> = pair.private_key().as_be_bytes().map_err(unspecified)?;
    // An uncompressed point: 0x04, then x and y of 48 bytes each.
    let point = pair.public_key().as_ref();
    Ok(json!({
        "kty": "EC",
        "crv": "P-384",
        "alg": "ES384",
        "use": "sig",
        "key_ops": ["sign"],
        "kid": uuid::Uuid::new_v4().to_string(),
        "x": B64.encode(&point[1..49]),
        "y": B64.encode(&point[49..97]),
        "d": B64.encode(private.as_ref()),
    }))
}

/// The public half, as a set, for registration.
pub fn public_jwks(jwk: &Value) -> Value {
    let mut public = jwk.clone();
    if let Some(members) = public.as_object_mut() {
        members.remove("d");
        members.insert("key_ops".into(), json!(["verify"]));
    }
    json!({ "keys": [public] })
}

impl Machine {
    /// A client assertion (RFC 7523) good for `seconds`, counted from `now` in unix seconds.
    pub fn assertion(&self, audience: &str, now: i64, seconds: i64) -> Result<String> {
        let part = |name: &str| -> Result<Vec<u8>> {
            B64.decode(text(&self.jwk, name)?)
                .with_context(|| format!("the JWK's {name} is not base64url"))
        };
        let mut point = vec![4];
        point.extend(part("x")?);
        point.extend(part("y")?);
        let pair = EcdsaKeyPair::from_private_key_and_public_key(&ECDSA_P384_SHA384_FIXED_SIGNING, &part("d")?, &point)
            .map_err(|_| anyhow!("the JWK of {} is not a P-384 key pair", self.name))?;
        let der = pair
            .to_pkcs8v1()
            .map_err(|_| anyhow!("the key of {} has no PKCS#8 form", self.name))?;
        let mut header = Header::new(Algorithm::ES384);
        header.kid = self.jwk["kid"].as_str().map(str::to_owned);
        let claims = json!({
            "iss": self.client_id,
            "sub": self.client_id,
            "aud": audience,
            "iat": now,
            "exp": now + seconds,
            "jti": uuid::Uuid::new_v4().to_string(),
        });
        Ok(jsonwebtoken::encode(
            &header,
            &claims,
            &EncodingKey::from_ec_der(der.as_ref()),
        )?)
    }

    /// Exchanges an assertion for an access token at `/oauth2/token`.
    pub async fn token(&self, gateway: &Gateway) -> Result<Gateway> {
        let now = time::OffsetDateTime::now_utc().unix_timestamp();
        let assertion = self.assertion(&format!("{}/oauth2/token", gateway.base()), now, 240)?;
        let answer = self.redeem(gateway, &assertion).await?.expect(200)?;
        Ok(gateway.with_token(&text(&answer, "access_token")?))
    }

    /// The token request itself, for those who want to see it refused.
    pub async fn redeem(&self, gateway: &Gateway, assertion: &str) -> Result<crate::client::Answer, ClientError> {
        gateway
            .form(
                "/oauth2/token",
                &[
                    ("grant_type", "client_credentials"),
                    ("scope", &self.scope),
                    (
                        "client_assertion_type",
                        "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
                    ),
                    ("client_assertion", assertion),
                ],
            )
            .await
    }
}
