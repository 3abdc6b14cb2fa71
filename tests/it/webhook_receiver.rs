//! A stand-in webhook receiver on loopback: writes down what arrives and answers as told.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use url::Url;

/// What the stand-in does once it has read a request.
#[derive(Clone)]
pub(crate) enum Act {
    /// Writes these bytes and closes.
    Say(String),
    /// Never answers.
    Silence,
    /// Says the status line, then a body without end, as fast as it is read.
    Flood(&'static str),
    /// Says all but the end of its body, and stays.
    Stall(&'static str),
    /// Closes without a word.
    Close,
}

/// One request as it arrived.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    pub(crate) line: String,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Seen {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let mut found = self.headers.iter().filter(|(key, _)| key == name);
        let value = found.next().map(|(_, value)| value.as_str());
        assert!(found.next().is_none(), "{name} came twice");
        value
    }
}

pub(crate) struct Receiver {
    pub(crate) address: SocketAddr,
    seen: Arc<Mutex<Vec<Seen>>>,
    pub(crate) flooded: Arc<AtomicUsize>,
}

impl Receiver {
    pub(crate) async fn start(bind: &str, act: Act) -> Self {
        Self::start_tls(bind, act, None).await
    }

    pub(crate) async fn start_tls(bind: &str, act: Act, tls: Option<TlsAcceptor>) -> Self {
        let listener = TcpListener::bind(bind).await.unwrap();
        let receiver = Self {
            address: listener.local_addr().unwrap(),
            seen: Arc::default(),
            flooded: Arc::default(),
        };
        let (seen, flooded) = (Arc::clone(&receiver.seen), Arc::clone(&receiver.flooded));
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (act, tls) = (act.clone(), tls.clone());
                let (seen, flooded) = (Arc::clone(&seen), Arc::clone(&flooded));
                tokio::spawn(async move {
                    match tls {
                        None => serve(stream, act, &seen, &flooded).await,
                        Some(tls) => match tls.accept(stream).await {
                            Ok(stream) => serve(stream, act, &seen, &flooded).await,
                            Err(_) => None, // the client did not trust us: nothing was seen
                        },
                    }
                });
            }
        });
        receiver
    }

    pub(crate) fn url(&self, host: &str) -> Url {
        Url::parse(&format!(
            "http://{host}:{}/hook?token=s3cr3t",
            self.address.port()
        ))
        .unwrap()
    }

    pub(crate) fn hits(&self) -> usize {
        self.seen.lock().unwrap().len()
    }

    pub(crate) fn last(&self) -> Seen {
        self.seen.lock().unwrap().last().cloned().unwrap()
    }
}

async fn serve(
    mut stream: impl AsyncRead + AsyncWrite + Unpin,
    act: Act,
    seen: &Mutex<Vec<Seen>>,
    flooded: &AtomicUsize,
) -> Option<()> {
    let request = read_request(&mut stream).await?;
    seen.lock().unwrap().push(request);
    match act {
        Act::Say(text) => {
            stream.write_all(text.as_bytes()).await.ok()?;
            stream.shutdown().await.ok()?;
        }
        Act::Silence => std::future::pending().await,
        Act::Flood(status) => {
            let head = format!("HTTP/1.1 {status}\r\ncontent-length: 9999999999\r\n\r\n");
            stream.write_all(head.as_bytes()).await.ok()?;
            let block = vec![b'x'; 65_536];
            loop {
                stream.write_all(&block).await.ok()?;
                flooded.fetch_add(block.len(), Ordering::SeqCst);
            }
        }
        Act::Stall(status) => {
            let text = format!("HTTP/1.1 {status}\r\ncontent-length: 99\r\n\r\nbusy, but");
            stream.write_all(text.as_bytes()).await.ok()?;
            stream.flush().await.ok()?;
            std::future::pending::<()>().await;
        }
        Act::Close => {}
    }
    Some(())
}

async fn read_request(stream: &mut (impl AsyncRead + Unpin)) -> Option<Seen> {
    let mut bytes = Vec::new();
    let end = loop {
        if let Some(at) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
            break at;
        }
        bytes.push(stream.read_u8().await.ok()?);
    };
    let head = String::from_utf8(bytes.get(..end)?.to_vec()).ok()?;
    let mut lines = head.split("\r\n");
    let line = lines.next()?.to_owned();
    let headers: Vec<(String, String)> = lines
        .filter_map(|line| line.split_once(": "))
        .map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()))
        .collect();
    let length = headers.iter().find(|(name, _)| name == "content-length")?;
    let mut body = vec![0; length.1.parse().ok()?];
    stream.read_exact(&mut body).await.ok()?;
    Some(Seen {
        line,
        headers,
        body,
    })
}

pub(crate) fn say(status: &str, headers: &str, body: &str) -> Act {
    let length = body.len();
    Act::Say(format!(
        "HTTP/1.1 {status}\r\n{headers}content-length: {length}\r\n\r\n{body}"
    ))
}
