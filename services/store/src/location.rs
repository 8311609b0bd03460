//! Where a database is, as an operator writes it.

use std::{fmt, net::IpAddr, path::PathBuf, str::FromStr};

use serde::Deserialize;
use sqlx::postgres::{PgConnectOptions, PgSslMode};
use zeroize::Zeroizing;

use crate::{Error, Store};

/// `sqlite:PATH`, a file of one gateway and one submitter; or `postgres://USER@HOST:PORT/NAME`, a server of several. No
/// password stands in it: it is read from a file of its own and given to [`crate::Store::connect`].
///
/// A PostgreSQL server on another machine is spoken to by verified TLS only, unless the URL says otherwise:
/// `?sslmode=verify-full` (the default; `&sslrootcert=FILE` names a private authority), `verify-ca`, `require` (encrypted,
/// but to whoever answers) or `disable`. `?host=/FOLDER` speaks through the socket in that folder.
#[derive(Clone, Deserialize)]
#[serde(try_from = "String")]
pub enum Location {
    /// The file.
    Sqlite(PathBuf),
    /// The server, the role and the database, without a password.
    Postgres(Box<PgConnectOptions>),
}

/// Where a process finds its database: the part of a configuration that gateway and submitter share.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Database {
    /// The file, or the server.
    pub url: Location,
    /// Holds the role's password, on PostgreSQL. Without it the role has none, or `PGPASSWORD` has it.
    pub password_file: Option<PathBuf>,
}

impl Database {
    /// Opens it: see [`Store::connect`].
    pub async fn open(&self) -> Result<Store, Error> {
        let password = self.password()?;
        Store::connect(
            &self.url,
            password.as_ref().map(|word| word.trim_end_matches(['\n', '\r'])),
        )
        .await
    }

    /// What the file holds, if there is one to read.
    pub fn password(&self) -> Result<Option<Zeroizing<String>>, Error> {
        let Some(path) = &self.password_file else {
            return Ok(None);
        };
        match std::fs::read_to_string(path) {
            Ok(word) => Ok(Some(Zeroizing::new(word))),
            Err(source) => Err(Error::Password {
                path: path.clone(),
                source,
            }),
        }
    }
}

/// Why a text is not a location.
#[derive(Debug, thiserror::Error)]
pub enum LocationError {
    /// Neither of the two engines.
    #[error("a database is sqlite:PATH or postgres://USER@HOST:PORT/NAME, not '{0}'")]
    Engine(String),
    /// PostgreSQL's URL does not read.
    #[error("the database URL cannot be read: {0}; expected postgres://USER@HOST:PORT/NAME")]
    Unreadable(String),
    /// The URL would be logged and shown with the password in it.
    #[error("the database URL holds a password; put it into a file and name it as database.password_file")]
    Password,
    /// No database named: PostgreSQL would take the one called like the role.
    #[error("the database URL names no database; expected postgres://USER@HOST:PORT/NAME")]
    Name,
    /// An sslmode that falls back to plain text.
    #[error(
        "sslmode=allow and sslmode=prefer fall back to plain text for whoever asks; expected verify-full, verify-ca, require or disable"
    )]
    Fallback,
}

impl FromStr for Location {
    type Err = LocationError;

    fn from_str(text: &str) -> Result<Self, LocationError> {
        if let Some(path) = text.strip_prefix("sqlite:").filter(|path| !path.is_empty()) {
            return Ok(Self::Sqlite(path.into()));
        }
        let rest = text.strip_prefix("postgres://").or(text.strip_prefix("postgresql://"));
        let Some((authority, options)) = rest.map(|rest| rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len())))
        else {
            // What stands before the first colon is no secret; what follows may be.
            let engine = text.split_once(':').map_or("…", |(engine, _)| engine);
            return Err(LocationError::Engine(format!("{engine}:…")));
        };
        let user = authority.rsplit_once('@').map_or("", |(user, _)| user);
        if user.contains(':') || options.contains("password=") {
            return Err(LocationError::Password);
        }
        let server = PgConnectOptions::from_str(text).map_err(|e| LocationError::Unreadable(e.to_string()))?;
        if server.get_database().is_none_or(str::is_empty) {
            return Err(LocationError::Name);
        }
        let named = options.contains("sslmode=") || options.contains("ssl-mode=");
        let server = match server.get_ssl_mode() {
            _ if is_local(&server) => server,
            _ if !named => server.ssl_mode(PgSslMode::VerifyFull),
            PgSslMode::Allow | PgSslMode::Prefer => return Err(LocationError::Fallback),
            _ => server,
        };
        Ok(Self::Postgres(Box::new(server)))
    }
}

/// Whether nothing leaves this machine.
fn is_local(server: &PgConnectOptions) -> bool {
    let host = server.get_host();
    let loopback = host
        .trim_matches(['[', ']'])
        .parse()
        .is_ok_and(|ip: IpAddr| ip.is_loopback());
    server.get_socket().is_some() || host.starts_with('/') || host == "localhost" || loopback
}

impl TryFrom<String> for Location {
    type Error = LocationError;

    fn try_from(text: String) -> Result<Self, LocationError> {
        text.parse()
    }
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sqlite(path) => write!(f, "sqlite:{}", path.display()),
            Self::Postgres(server) => {
                let place = match server.get_socket() {
                    Some(socket) => socket.display().to_string(),
                    None => format!("{}:{}", server.get_host(), server.get_port()),
                };
                let name = server.get_database().unwrap_or_default();
                write!(f, "postgres://{}@{place}/{name}", server.get_username())
            }
        }
    }
}

impl fmt::Debug for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ssl(url: &str) -> String {
        match url.parse().unwrap() {
            Location::Postgres(server) => format!("{:?}", server.get_ssl_mode()),
            Location::Sqlite(_) => panic!("{url} is a server"),
        }
    }

    #[test]
    fn a_server_elsewhere_is_reached_by_verified_tls_unless_the_url_says_otherwise() {
        assert_eq!(ssl("postgres://gateway@db.example/chartseal"), "VerifyFull");
        assert_eq!(ssl("postgresql://gateway@10.0.0.7:5433/chartseal"), "VerifyFull");
        assert_eq!(
            ssl("postgres://gateway@db.example/chartseal?sslmode=require"),
            "Require"
        );
        assert_eq!(
            ssl("postgres://gateway@db.example/chartseal?sslmode=disable"),
            "Disable"
        );
        assert_eq!(ssl("postgres://gateway@127.0.0.1/chartseal"), "Prefer");
        assert_eq!(
            ssl("postgres://gateway@localhost/chartseal?host=/run/postgresql"),
            "Prefer"
        );
        let fallback = "postgres://gateway@db.example/chartseal?sslmode=prefer".parse::<Location>();
        assert!(matches!(fallback, Err(LocationError::Fallback)));
    }

    #[test]
    fn what_is_no_location_is_refused_and_no_password_is_shown() {
        for (text, expected) in [
            ("/var/lib/chartseal.db", "a database is sqlite:PATH"),
            ("sqlite:", "a database is sqlite:PATH"),
            ("mysql://me:secret@host/name", "not 'mysql:…'"),
            ("postgres://me:secret@host/name", "holds a password"),
            ("postgres://host/name?user=me&password=secret", "holds a password"),
            ("postgres://me@host", "names no database"),
            ("postgres://me@host:port/name", "cannot be read"),
        ] {
            let said = text.parse::<Location>().unwrap_err().to_string();
            assert!(said.contains(expected) && !said.contains("secret"), "{text}: {said}");
        }
    }

    #[test]
    fn a_location_is_shown_as_it_was_written() {
        for text in [
            "sqlite:/var/lib/chartseal.db",
            "postgres://gateway@db.example:5432/chartseal",
        ] {
            assert_eq!(text.parse::<Location>().unwrap().to_string(), text);
        }
    }
}
