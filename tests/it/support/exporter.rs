//! A live target: an application that counts, for a real Prometheus to scrape.

use axum::Router;
use axum::routing::get;
use std::net::SocketAddr;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// Serves `/metrics`; how often it was scraped is what it counts.
pub(crate) struct Exporter {
    address: SocketAddr,
    scrapes: watch::Receiver<u64>,
    server: JoinHandle<()>,
}

impl Exporter {
    /// Each scrape is answered with the text that `page` makes of its number, 1 for the first.
    pub(crate) async fn start(page: fn(u64) -> String) -> Self {
        let (count, scrapes) = watch::channel(0);
        let answer = move || {
            let mut number = 0;
            count.send_modify(|scrapes| {
                *scrapes += 1;
                number = *scrapes;
            });
            std::future::ready(page(number))
        };
        let app = Router::new().route("/metrics", get(answer));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let server = tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
        Self {
            address,
            scrapes,
            server,
        }
    }

    /// Where it is scraped.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Waits for the beginning of scrape `number`. A server scrapes a target in one loop, so by
    /// then it has stored everything of the scrapes before.
    pub(crate) async fn scraped(&mut self, number: u64) {
        self.scrapes
            .wait_for(|scrapes| *scrapes >= number)
            .await
            .unwrap();
    }
}

impl Drop for Exporter {
    fn drop(&mut self) {
        self.server.abort();
    }
}
