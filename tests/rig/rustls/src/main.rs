// SPDX-License-Identifier: BSD-2-Clause
//! rustls as a peer: `peer client ADDRESS NAME CA SUITE` sends a megabyte three
//! times and wants it back; `peer server ADDRESS CERT KEY SUITE` answers each
//! request with a megabyte.
use rustls::{Certificate, ClientConfig, ClientConnection, PrivateKey, RootCertStore};
use rustls::{ServerConfig, ServerConnection, StreamOwned, SupportedCipherSuite};
use std::fs::File;
use std::io::{BufRead, BufReader, Read, Result, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;

const MIB: usize = 1 << 20;

fn suite(name: &str) -> Vec<SupportedCipherSuite> {
    let found = rustls::ALL_CIPHER_SUITES.iter();
    found.filter(|s| format!("{:?}", s.suite()).replace("TLS13", "TLS") == name)
        .copied().collect()
}

fn certs(path: &str) -> Vec<Certificate> {
    let der = rustls_pemfile::certs(&mut BufReader::new(File::open(path).unwrap()));
    der.unwrap().into_iter().map(Certificate).collect()
}

/// The head of a message, and the length of its body.
fn head(r: &mut impl BufRead) -> Result<(String, usize)> {
    let (mut text, mut length) = (String::new(), 0);
    loop {
        let from = text.len();
        if r.read_line(&mut text)? <= 2 {
            return Ok((text, length));
        }
        let line = text[from..].to_ascii_lowercase();
        if let Some(n) = line.strip_prefix("content-length:") {
            length = n.trim().parse().unwrap();
        }
    }
}

fn client(a: &[String]) -> Result<()> {
    let mut roots = RootCertStore::empty();
    for c in certs(&a[2]) {
        roots.add(&c).unwrap();
    }
    let config = ClientConfig::builder().with_cipher_suites(&suite(&a[3]))
        .with_safe_default_kx_groups()
        .with_protocol_versions(&[&rustls::version::TLS13]).unwrap()
        .with_root_certificates(roots).with_no_client_auth();
    let name = a[1].as_str().try_into().unwrap();
    let conn = ClientConnection::new(Arc::new(config), name).unwrap();
    let stream = StreamOwned::new(conn, TcpStream::connect(&a[0])?);
    let mut r = BufReader::new(stream);
    for i in 0..3u8 {
        let body: Vec<u8> = (0..MIB).map(|k| (k * 7 + k / 251) as u8 ^ i).collect();
        write!(r.get_mut(), "POST /rustls HTTP/1.1\r\nHost: {}\r\nContent-Length: {}\r\n\r\n",
               a[1], MIB)?;
        r.get_mut().write_all(&body)?;
        let (text, n) = head(&mut r)?;
        let mut got = vec![0; n];
        r.read_exact(&mut got)?;
        assert!(got == body, "another body came back: {}", text);
    }
    r.get_mut().conn.send_close_notify();
    r.get_mut().flush()?;
    println!("ok");
    Ok(())
}

fn serve(config: Arc<ServerConfig>, tcp: TcpStream) -> Result<()> {
    let stream = StreamOwned::new(ServerConnection::new(config).unwrap(), tcp);
    let mut r = BufReader::new(stream);
    while !head(&mut r)?.0.is_empty() {
        write!(r.get_mut(), "HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", MIB)?;
        r.get_mut().write_all(&vec![b'r'; MIB])?;
    }
    Ok(())
}

fn server(a: &[String]) -> Result<()> {
    let pem = rustls_pemfile::pkcs8_private_keys(&mut BufReader::new(File::open(&a[2])?));
    let key = PrivateKey(pem?.remove(0));
    let config = ServerConfig::builder().with_cipher_suites(&suite(&a[3]))
        .with_safe_default_kx_groups()
        .with_protocol_versions(&[&rustls::version::TLS13]).unwrap()
        .with_no_client_auth().with_single_cert(certs(&a[1]), key).unwrap();
    let config = Arc::new(config);
    for tcp in TcpListener::bind(&a[0])?.incoming() {
        let (config, tcp) = (config.clone(), tcp?);
        std::thread::spawn(move || serve(config, tcp));
    }
    Ok(())
}

fn main() -> Result<()> {
    let a: Vec<String> = std::env::args().skip(1).collect();
    if a[0] == "client" { client(&a[1..]) } else { server(&a[1..]) }
}
