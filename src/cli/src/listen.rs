//! Where to listen: the forms of an address, and what httpd is told.

use crate::error::CliError;
use std::fmt;
use std::io::ErrorKind;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, ToSocketAddrs};
use std::str::FromStr;

/// An address as typed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Listen {
    host: Host,
    port: u16,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Host {
    /// Every interface.
    Any,
    Address(IpAddr),
    Name(String),
}

/// An address that was found usable a moment ago, with the port that stands for 0.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Endpoint {
    /// What a browser on this machine calls it; an IPv6 address has its brackets.
    pub(crate) host: String,
    pub(crate) port: u16,
    /// The arguments of httpd's `Listen`, one each.
    pub(crate) directives: Vec<String>,
    /// Others than this machine can reach it.
    pub(crate) everywhere: bool,
}

impl FromStr for Listen {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text.starts_with("unix:") {
            return Err("unix sockets are not supported yet; use host:port".to_owned());
        }
        if text.starts_with("fd:") {
            return Err("inherited descriptors are not supported yet; use host:port".to_owned());
        }
        let plain = match text.strip_prefix("tcp://") {
            Some(rest) => rest.strip_suffix('/').unwrap_or(rest),
            None => text,
        };
        if let Some((scheme, _)) = plain.split_once("://") {
            return Err(format!("'{scheme}' is no scheme to listen with; use host:port or tcp://host:port/"));
        }
        if !plain.is_empty() && plain.bytes().all(|b| b.is_ascii_digit()) {
            return Ok(Listen { host: Host::Address(Ipv4Addr::LOCALHOST.into()), port: port(plain)? });
        }
        let Some((host, digits)) = plain.rsplit_once(':') else {
            return Err(format!("'{text}' has no port; write '{plain}:8000'"));
        };
        let host = match host {
            "" | "*" => Host::Any,
            _ if host.starts_with('[') => {
                match host.trim_start_matches('[').trim_end_matches(']').parse::<Ipv6Addr>() {
                    Ok(address) if host.ends_with(']') => Host::Address(address.into()),
                    _ => return Err(format!("'{host}' is no IPv6 address in brackets, such as [::1]")),
                }
            }
            _ if host.contains(':') => {
                return Err(format!(
                    "an IPv6 address needs brackets: write '[{host}]:{digits}' or '[{plain}]:8000'"
                ));
            }
            _ => match host.parse::<Ipv4Addr>() {
                Ok(address) => Host::Address(address.into()),
                Err(_) if host.chars().all(|c| c.is_ascii_alphanumeric() || "-._".contains(c)) => {
                    Host::Name(host.to_owned())
                }
                Err(_) => return Err(format!("'{host}' is no host name or address")),
            },
        };
        Ok(Listen { host, port: port(digits)? })
    }
}

fn port(digits: &str) -> Result<u16, String> {
    // `parse` would take a sign.
    let number = if digits.bytes().all(|b| b.is_ascii_digit()) { digits.parse().ok() } else { None };
    number.ok_or_else(|| format!("'{digits}' is no port; use a number from 0 to 65535"))
}

impl fmt::Display for Listen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.host {
            Host::Any => write!(f, "*:{}", self.port),
            Host::Address(address) => write!(f, "{}", SocketAddr::new(*address, self.port)),
            Host::Name(name) => write!(f, "{name}:{}", self.port),
        }
    }
}

impl Listen {
    /// Finds out what httpd is to listen on. With `check` (and always for port 0) each address is bound for a moment, so
    /// that a taken one is told by name before anything was started.
    pub(crate) fn resolve(&self, check: bool) -> Result<Endpoint, CliError> {
        let probe = check || self.port == 0;
        let mut port = self.port;
        match &self.host {
            Host::Any => {
                if probe {
                    let both = bind(Ipv6Addr::UNSPECIFIED.into(), port);
                    // A machine without IPv6 has the IPv4 half only.
                    port = both
                        .or_else(|_| bind(Ipv4Addr::UNSPECIFIED.into(), port))
                        .map_err(|e| self.refused(&e))?;
                }
                Ok(Endpoint {
                    host: "localhost".to_owned(),
                    port,
                    directives: vec![port.to_string()],
                    everywhere: true,
                })
            }
            Host::Address(address) => {
                if probe {
                    port = bind(*address, port).map_err(|e| self.refused(&e))?;
                }
                let shown = SocketAddr::new(*address, port).to_string();
                let (host, _) = shown.rsplit_once(':').unwrap_or((&shown, ""));
                let host = if address.is_unspecified() { "localhost" } else { host };
                Ok(Endpoint {
                    host: host.to_owned(),
                    port,
                    directives: vec![shown.clone()],
                    everywhere: address.is_unspecified(),
                })
            }
            Host::Name(name) => self.resolve_name(name, probe),
        }
    }

    /// A name may stand for several addresses: those this machine has are used, at least one must be.
    fn resolve_name(&self, name: &str, probe: bool) -> Result<Endpoint, CliError> {
        let found = (name, self.port).to_socket_addrs().map_err(|error| {
            CliError::usage(format!(
                "host name '{name}' is unknown: {error}; use an address, such as 127.0.0.1"
            ))
        })?;
        let (mut port, mut addresses, mut refused) = (self.port, Vec::new(), None);
        for address in found {
            if addresses.contains(&address.ip()) {
                continue;
            }
            match if probe { bind(address.ip(), port) } else { Ok(port) } {
                Ok(bound) => {
                    port = bound;
                    addresses.push(address.ip());
                }
                Err(error) if unusable(&error) => refused = Some(error),
                Err(error) => return Err(self.refused(&error)),
            }
        }
        match refused {
            Some(error) if addresses.is_empty() => Err(self.refused(&error)),
            _ if addresses.is_empty() => Err(CliError::usage(format!("host name '{name}' has no address"))),
            _ => Ok(Endpoint {
                host: name.to_owned(),
                port,
                directives: addresses.iter().map(|ip| SocketAddr::new(*ip, port).to_string()).collect(),
                everywhere: false,
            }),
        }
    }

    fn refused(&self, error: &std::io::Error) -> CliError {
        let advice = match error.kind() {
            ErrorKind::AddrInUse => {
                "another program listens there; stop it, or choose another with --listen (port 0 takes a free one)"
            }
            ErrorKind::PermissionDenied => "ports below 1024 need root; choose another with --listen",
            ErrorKind::AddrNotAvailable => {
                "this machine does not have that address; choose another with --listen"
            }
            _ => "choose another with --listen",
        };
        CliError::failure(format!("cannot listen on '{self}': {error}; {advice}"))
    }
}

/// The machine lacks the address or the whole family.
fn unusable(error: &std::io::Error) -> bool {
    error.kind() == ErrorKind::AddrNotAvailable || error.raw_os_error() == Some(libc::EAFNOSUPPORT)
}

/// Binds for a moment, with httpd's own `SO_REUSEADDR` (std sets it), and tells the port.
fn bind(address: IpAddr, port: u16) -> std::io::Result<u16> {
    Ok(TcpListener::bind((address, port))?.local_addr()?.port())
}

impl Endpoint {
    /// The address to open in a browser, with the application's mount.
    pub(crate) fn url(&self, mount: &str) -> String {
        let port = if self.port == 80 { String::new() } else { format!(":{}", self.port) };
        let slash = if mount.ends_with('/') { "" } else { "/" };
        format!("http://{}{port}{mount}{slash}", self.host)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_is_understood() {
        for (text, shown) in [
            ("127.0.0.1:8000", "127.0.0.1:8000"),
            ("8000", "127.0.0.1:8000"),
            ("0", "127.0.0.1:0"),
            (":8000", "*:8000"),
            ("*:8000", "*:8000"),
            ("[::1]:8000", "[::1]:8000"),
            ("localhost:8000", "localhost:8000"),
            ("tcp://localhost:8000/", "localhost:8000"),
            ("tcp://0.0.0.0:80", "0.0.0.0:80"),
            ("tcp://:80/", "*:80"),
        ] {
            assert_eq!(text.parse::<Listen>().map(|l| l.to_string()), Ok(shown.to_owned()), "{text}");
        }
    }

    #[test]
    fn wrong_forms_are_refused() {
        for text in [
            "",
            "localhost",
            "::1",
            "[::1]",
            "[::1:80",
            "::1:80",
            "a b:80",
            "http://x:80/",
            ":65536",
            ":-1",
            ":+1",
        ] {
            assert!(text.parse::<Listen>().is_err(), "{text}");
        }
        for text in ["unix:/run/x.sock", "fd:3"] {
            assert!(text.parse::<Listen>().unwrap_err().contains("not supported yet"), "{text}");
        }
    }

    #[test]
    fn port_0_becomes_a_free_port() {
        let endpoint = "0".parse::<Listen>().unwrap().resolve(false).unwrap();
        assert_ne!(endpoint.port, 0);
        assert_eq!(endpoint.directives, [format!("127.0.0.1:{}", endpoint.port)]);
        assert_eq!(endpoint.url("/"), format!("http://127.0.0.1:{}/", endpoint.port));
        assert_eq!(endpoint.url("/shop"), format!("http://127.0.0.1:{}/shop/", endpoint.port));
    }

    #[test]
    fn a_taken_port_is_named() {
        let taken = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = taken.local_addr().unwrap().to_string();
        let error = address.parse::<Listen>().unwrap().resolve(true).unwrap_err();
        assert!(error.to_string().contains(&address), "{error}");
        assert!(matches!(error, CliError::Failure(_)));
    }

    #[test]
    fn a_name_stands_for_its_addresses() {
        let endpoint = "localhost:0".parse::<Listen>().unwrap().resolve(true).unwrap();
        assert!(endpoint.directives.iter().all(|d| d.ends_with(&format!(":{}", endpoint.port))));
        assert_eq!(endpoint.url("/"), format!("http://localhost:{}/", endpoint.port));
    }
}
