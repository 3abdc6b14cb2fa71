//! A wire-tap between the daemon and a real Prometheus: passes everything on, writes down every
//! form.

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, Method, StatusCode, Uri};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use url::Url;

/// The fields of one request; the first of each name.
pub(crate) type Form = BTreeMap<String, String>;

struct Inner {
    client: reqwest::Client,
    server: Url,
    forms: Mutex<Vec<Form>>,
}

/// The running tap.
pub(crate) struct Tap {
    url: String,
    inner: Arc<Inner>,
    task: JoinHandle<()>,
}

impl Tap {
    /// Before the server at `server`.
    pub(crate) async fn start(server: Url) -> Self {
        let client = super::daemon::client();
        let inner = Arc::new(Inner {
            client,
            server,
            forms: Mutex::default(),
        });
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let app = Router::new().fallback(pass).with_state(Arc::clone(&inner));
        let task = tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
        Self { url, inner, task }
    }

    /// Where it listens.
    pub(crate) fn url(&self) -> String {
        self.url.clone()
    }

    /// Every query so far, in order of arrival.
    pub(crate) fn forms(&self) -> Vec<Form> {
        self.inner.forms.lock().unwrap().clone()
    }
}

impl Drop for Tap {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn pass(
    State(inner): State<Arc<Inner>>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> (StatusCode, Bytes) {
    let mut form = Form::new();
    for (name, value) in url::form_urlencoded::parse(&body) {
        form.entry(name.into_owned())
            .or_insert_with(|| value.into_owned());
    }
    if form.contains_key("query") {
        inner.forms.lock().unwrap().push(form);
    }
    let to = inner.server.join(uri.path()).unwrap();
    let request = inner.client.request(method, to).body(body);
    let request = match headers.get("content-type") {
        Some(kind) => request.header("content-type", kind),
        None => request,
    };
    let answer = request.send().await.unwrap();
    (answer.status(), answer.bytes().await.unwrap())
}
