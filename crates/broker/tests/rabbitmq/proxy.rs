//! A stretch of network between the broker and RabbitMQ that can fail.

use std::sync::Arc;

use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

/// What the network does.
#[derive(Clone, Copy, PartialEq)]
enum Weather {
    Fair,
    /// New connections are refused.
    Down,
}

/// What happens to the connections there are.
#[derive(Clone, Copy, PartialEq)]
enum Fate {
    Alive,
    Cut,
    /// Nothing arrives any more and nobody is told.
    Frozen,
}

pub(crate) struct Proxy {
    pub(crate) url: String,
    weather: watch::Sender<Weather>,
    fate: Arc<watch::Sender<(u32, Fate)>>,
}

impl Proxy {
    /// A proxy for the broker at `url`; it ends with the runtime.
    pub(crate) async fn start(url: &str) -> Self {
        let (login, rest) = url.split_once('@').expect("the address holds a login");
        let (target, vhost) = rest.split_once('/').expect("the address holds a virtual host");
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
        let address = listener.local_addr().expect("it is bound");
        let url = format!("{login}@{address}/{vhost}");
        let (weather, forecast) = watch::channel(Weather::Fair);
        let fate = Arc::new(watch::Sender::new((0, Fate::Alive)));
        tokio::spawn(accept(listener, target.to_owned(), forecast, Arc::clone(&fate)));
        Self { url, weather, fate }
    }

    /// Cuts every connection; new ones work.
    pub(crate) fn cut(&self) {
        self.strike(Fate::Cut);
    }

    /// Lets every connection fall silent; new ones work.
    pub(crate) fn freeze(&self) {
        self.strike(Fate::Frozen);
    }

    /// Cuts every connection and refuses new ones.
    pub(crate) fn take_down(&self) {
        self.weather.send_replace(Weather::Down);
        self.strike(Fate::Cut);
    }

    pub(crate) fn bring_up(&self) {
        self.weather.send_replace(Weather::Fair);
    }

    fn strike(&self, fate: Fate) {
        self.fate.send_modify(|(strikes, last)| {
            *strikes += 1;
            *last = fate;
        });
    }
}

async fn accept(
    listener: TcpListener,
    target: String,
    weather: watch::Receiver<Weather>,
    fate: Arc<watch::Sender<(u32, Fate)>>,
) {
    while let Ok((client, _)) = listener.accept().await {
        if *weather.borrow() == Weather::Fair
            && let Ok(server) = TcpStream::connect(&target).await
        {
            tokio::spawn(carry(client, server, fate.subscribe()));
        }
    }
}

async fn carry(mut client: TcpStream, mut server: TcpStream, mut fate: watch::Receiver<(u32, Fate)>) {
    let frozen = tokio::select! {
        _ = copy_bidirectional(&mut client, &mut server) => false,
        _ = fate.changed() => fate.borrow().1 == Fate::Frozen,
    };
    if frozen {
        // Open, and nobody reads. RabbitMQ's side is closed, or it would keep what it delivered for a minute.
        drop(server);
        std::future::pending::<()>().await;
    }
}
