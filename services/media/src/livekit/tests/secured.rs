//! The API by TLS: called where its certificate is believed, and told nothing where it isn't.

use rustls::{RootCertStore, ServerConfig, crypto::ring, pki_types::PrivateKeyDer};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio_rustls::TlsAcceptor;

use super::*;

/// Answers one request with nothing; what was asked, if hands were shaken.
async fn answer_one(acceptor: TlsAcceptor, listener: TcpListener) -> Option<String> {
    let (stream, _) = listener.accept().await.unwrap();
    let mut stream = acceptor.accept(stream).await.ok()?;
    let mut asked = Vec::new();
    while !asked.ends_with(b"}") {
        stream.read_buf(&mut asked).await.ok().filter(|read| *read > 0)?;
    }
    stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}").await.unwrap();
    stream.flush().await.unwrap();
    Some(String::from_utf8(asked).unwrap())
}

#[tokio::test]
async fn only_a_believed_api_is_called() {
    let own = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let other = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let key = PrivateKeyDer::try_from(own.signing_key.serialize_der()).unwrap();
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![own.cert.der().clone()], key)
        .unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    for (believed, is_called) in [(&own, true), (&other, false)] {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let uri: Uri =
            format!("https://localhost:{}", listener.local_addr().unwrap().port()).parse().unwrap();
        let mut roots = RootCertStore::empty();
        roots.add(believed.cert.der().clone()).unwrap();
        let keys = Arc::new(Keys::new(KEY, SECRET.to_owned()));
        let api = Api::believing(roots, uri, keys, LONG).unwrap();
        let (opened, asked) = tokio::join!(api.open("100000005"), answer_one(acceptor.clone(), listener));
        assert_eq!((opened.is_ok(), asked.is_some()), (is_called, is_called));
        let is_whole =
            |asked: String| asked.starts_with("POST /twirp/livekit.RoomService/CreateRoom HTTP/1.1\r\n");
        assert!(asked.is_none_or(is_whole));
    }
}
