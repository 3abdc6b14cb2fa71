//! A server that does what its script says, misbehaviour included: raw HTTP/1.1 on a socket,
//! because a decent HTTP library would refuse to be this rude.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::sync::Barrier;
use tokio::task::{JoinHandle, JoinSet};
use tokio_rustls::TlsAcceptor;
use url::Url;

/// One request as it arrived.
#[derive(Clone, Debug, Default)]
pub(crate) struct Seen {
    /// `POST /api/v1/query`.
    pub(crate) line: String,
    /// Names in lower case.
    pub(crate) headers: BTreeMap<String, String>,
    /// The form, decoded; the first of each name.
    pub(crate) form: BTreeMap<String, String>,
}

impl Seen {
    /// A header's value, empty when it was not sent.
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", String::as_str)
    }
}

/// What to do with a request.
#[derive(Clone)]
pub(crate) enum Act {
    /// A whole answer.
    Reply(u16, Vec<(&'static str, String)>, Vec<u8>),
    /// Announces more than it sends, then closes.
    CutShort(Vec<u8>),
    /// Sends the bytes as the start of a body, and then nothing more, ever.
    Stall(Vec<u8>),
    /// Says nothing at all.
    Silence,
    /// Closes without a word.
    HangUp,
    /// A body that never ends; each piece is the same.
    Endless(Vec<u8>),
    /// Waits until as many requests are here as the barrier wants, and a little for any that
    /// should not be; then does the other.
    Meet(Arc<Barrier>, Box<Act>),
}

impl Act {
    /// 200 and JSON.
    pub(crate) fn json(body: impl Into<String>) -> Self {
        let headers = vec![("content-type", "application/json".to_owned())];
        Self::Reply(200, headers, body.into().into_bytes())
    }

    /// A status with a body and no more.
    pub(crate) fn status(status: u16, body: &str) -> Self {
        Self::Reply(status, Vec::new(), body.as_bytes().to_vec())
    }
}

type Script = dyn Fn(usize, &Seen) -> Act + Send + Sync;

struct State {
    script: Box<Script>,
    seen: Mutex<Vec<Seen>>,
    in_flight: AtomicUsize,
    in_flight_most: AtomicUsize,
}

/// The running server.
pub(crate) struct StandIn {
    url: Url,
    state: Arc<State>,
    server: JoinHandle<()>,
}

impl StandIn {
    /// `script` gets the number of the request, 0 for the first, and the request.
    pub(crate) async fn start(
        script: impl Fn(usize, &Seen) -> Act + Send + Sync + 'static,
    ) -> Self {
        Self::start_with(None, script).await
    }

    /// The same behind TLS.
    pub(crate) async fn start_with(
        tls: Option<TlsAcceptor>,
        script: impl Fn(usize, &Seen) -> Act + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let scheme = if tls.is_some() { "https" } else { "http" };
        let state = Arc::new(State {
            script: Box::new(script),
            seen: Mutex::default(),
            in_flight: AtomicUsize::new(0),
            in_flight_most: AtomicUsize::new(0),
        });
        let server = tokio::spawn(accept(listener, tls, Arc::clone(&state)));
        let url = format!("{scheme}://127.0.0.1:{port}").parse().unwrap();
        Self { url, state, server }
    }

    /// Where it listens.
    pub(crate) fn url(&self) -> Url {
        self.url.clone()
    }

    /// Every request so far, in order of arrival.
    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.state.seen.lock().unwrap().clone()
    }

    /// The most requests that were being answered at one time.
    pub(crate) fn in_flight_most(&self) -> usize {
        self.state.in_flight_most.load(Ordering::SeqCst)
    }
}

impl Drop for StandIn {
    fn drop(&mut self) {
        self.server.abort();
    }
}

async fn accept(listener: TcpListener, tls: Option<TlsAcceptor>, state: Arc<State>) {
    // Aborting this task drops the set, which ends every connection.
    let mut connections = JoinSet::new();
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        let (tls, state) = (tls.clone(), Arc::clone(&state));
        connections.spawn(async move {
            match tls {
                // A failed handshake is the client's to report.
                Some(tls) => match tls.accept(stream).await {
                    Ok(stream) => answer(stream, &state).await,
                    Err(_) => None,
                },
                None => answer(stream, &state).await,
            }
        });
    }
}

/// One request per connection; `None` when the client left early.
async fn answer<S: AsyncRead + AsyncWrite + Unpin>(mut stream: S, state: &State) -> Option<()> {
    let request = read_request(&mut stream).await?;
    let number = {
        let mut seen = state.seen.lock().unwrap();
        seen.push(request.clone());
        seen.len() - 1
    };
    let now = state.in_flight.fetch_add(1, Ordering::SeqCst) + 1;
    state.in_flight_most.fetch_max(now, Ordering::SeqCst);
    let done = perform(&mut stream, (state.script)(number, &request), state).await;
    stream.shutdown().await.ok()?;
    done
}

async fn perform<S: AsyncWrite + Unpin>(stream: &mut S, act: Act, state: &State) -> Option<()> {
    let act = match act {
        Act::Meet(barrier, act) => {
            barrier.wait().await;
            // That nobody else comes can only be waited for.
            tokio::time::sleep(Duration::from_millis(20)).await;
            *act
        }
        act => act,
    };
    // Before the answer: once it is read, the client may rightly send the next request.
    state.in_flight.fetch_sub(1, Ordering::SeqCst);
    match act {
        Act::Reply(status, headers, body) => {
            let mut head = format!("HTTP/1.1 {status} X\r\nconnection: close\r\n");
            for (name, value) in headers {
                head = format!("{head}{name}: {value}\r\n");
            }
            head = format!("{head}content-length: {}\r\n\r\n", body.len());
            stream.write_all(head.as_bytes()).await.ok()?;
            stream.write_all(&body).await.ok()
        }
        Act::CutShort(body) => start(stream, body.len() + 100, &body).await,
        Act::Stall(body) => {
            start(stream, body.len() + 100, &body).await?;
            std::future::pending().await
        }
        Act::Silence => std::future::pending().await,
        Act::HangUp => Some(()),
        Act::Endless(piece) => {
            stream
                .write_all(b"HTTP/1.1 200 X\r\nconnection: close\r\n\r\n")
                .await
                .ok()?;
            loop {
                stream.write_all(&piece).await.ok()?;
            }
        }
        Act::Meet(..) => panic!("a meeting within a meeting"),
    }
}

async fn start<S: AsyncWrite + Unpin>(stream: &mut S, length: usize, body: &[u8]) -> Option<()> {
    let head = format!("HTTP/1.1 200 X\r\ncontent-length: {length}\r\n\r\n");
    stream.write_all(head.as_bytes()).await.ok()?;
    stream.write_all(body).await.ok()?;
    stream.flush().await.ok()
}

async fn read_request<S: AsyncRead + Unpin>(stream: &mut S) -> Option<Seen> {
    let mut bytes = Vec::new();
    let head_len = loop {
        if let Some(at) = bytes.windows(4).position(|w| w == b"\r\n\r\n") {
            break at + 4;
        }
        if stream.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
    };
    let head = String::from_utf8(bytes[..head_len].to_vec()).unwrap();
    let mut lines = head.lines();
    let line = lines
        .next()
        .unwrap()
        .trim_end_matches(" HTTP/1.1")
        .to_owned();
    let headers: BTreeMap<String, String> = lines
        .filter_map(|line| line.split_once(": "))
        .map(|(name, value)| (name.to_lowercase(), value.to_owned()))
        .collect();
    let body_len = headers
        .get("content-length")
        .map_or(0, |text| text.parse().unwrap());
    while bytes.len() < head_len + body_len {
        if stream.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
    }
    let mut form = BTreeMap::new();
    for (name, value) in url::form_urlencoded::parse(&bytes[head_len..]) {
        form.entry(name.into_owned())
            .or_insert_with(|| value.into_owned());
    }
    Some(Seen {
        line,
        headers,
        form,
    })
}
