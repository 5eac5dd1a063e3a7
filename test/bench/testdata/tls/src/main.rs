//! A TLS client: ring's C and assembler files come through its build script.
use rustls::{pki_types::ServerName, ClientConfig, ClientConnection, RootCertStore};
use std::sync::Arc;

fn connection(name: &str) -> Result<ClientConnection, Box<dyn std::error::Error>> {
    let roots = RootCertStore::from_iter(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
    let config = ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
    Ok(ClientConnection::new(Arc::new(config), ServerName::try_from(name.to_owned())?)?)
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut hello = Vec::new();
    let sent = connection("example.org")?.write_tls(&mut hello)?;
    println!("{sent} bytes");
    Ok(())
}

#[test]
fn says_hello() {
    assert!(connection("example.org").unwrap().wants_write());
}
