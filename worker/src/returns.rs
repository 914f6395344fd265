//! Sends outcomes to the callbacks queue, together where several wait.
//!
//! Most of what a broker does it does per message. So while some outcomes are on their way to being confirmed, those that
//! come meanwhile gather and travel as one message. Nothing lingers: a lone outcome leaves at once.

use std::sync::Arc;

use broker::{Broker, Error, Message};
use protocol::Callback;
use protocol::workflow::queues::CALLBACKS;
use tokio::sync::{Semaphore, mpsc, oneshot};
use tokio::task::JoinSet;

/// Messages under way at a time. More of them would each carry less.
const UNDER_WAY: usize = 3;

/// Most outcomes in one message: they are recorded, repeated and buried together.
const TOGETHER: usize = 128;

/// No outcome joins a message of that many bytes.
const LARGE: usize = 128 * 1024;

/// Outcomes that may wait; whoever has one more waits with it.
const BACKLOG: usize = 1024;

/// Where the runner hands in outcomes.
#[derive(Clone)]
pub(crate) struct Returns {
    waiting: mpsc::Sender<Waiting>,
}

/// An outcome that is to be sent, and who wants to know that it is safe.
struct Waiting {
    id: String,
    body: Vec<u8>,
    sent: oneshot::Sender<Result<(), String>>,
}

impl Returns {
    /// A way back and the loop that empties it; the loop ends when the last way back is dropped and all is sent.
    pub(crate) fn new(broker: Arc<dyn Broker>) -> (Self, impl Future<Output = ()> + Send) {
        let (waiting, arriving) = mpsc::channel(BACKLOG);
        (Self { waiting }, send(broker, arriving))
    }

    /// Returns when the broker has the outcome.
    ///
    /// # Errors
    /// Why it does not, as far as is known: the outcome may have been sent all the same.
    pub(crate) async fn send(&self, callback: &Callback) -> Result<(), String> {
        let (sent, answer) = oneshot::channel();
        let id = format!("{}:{}", callback.task_run_id, callback.attempt);
        let body = protocol::wire::encode(callback);
        let closed = || "the worker has ended".to_owned();
        self.waiting.send(Waiting { id, body, sent }).await.map_err(|_| closed())?;
        answer.await.unwrap_or_else(|_| Err(closed()))
    }
}

async fn send(broker: Arc<dyn Broker>, mut arriving: mpsc::Receiver<Waiting>) {
    let room = Arc::new(Semaphore::new(UNDER_WAY));
    let mut under_way = JoinSet::new();
    // First the room, then the outcomes: they gather as long as there is none.
    while let Ok(place) = Arc::clone(&room).acquire_owned().await {
        let Some(first) = arriving.recv().await else { break };
        let together = gather(first, &mut arriving);
        let broker = Arc::clone(&broker);
        under_way.spawn(async move {
            publish(broker.as_ref(), together).await;
            drop(place);
        });
        while under_way.try_join_next().is_some() {}
    }
    while under_way.join_next().await.is_some() {}
}

/// What is there already, besides the first.
fn gather(first: Waiting, arriving: &mut mpsc::Receiver<Waiting>) -> Vec<Waiting> {
    let mut bytes = first.body.len();
    let mut together = vec![first];
    while together.len() < TOGETHER && bytes < LARGE {
        let Ok(next) = arriving.try_recv() else { break };
        bytes += next.body.len();
        together.push(next);
    }
    together
}

async fn publish(broker: &dyn Broker, together: Vec<Waiting>) {
    let mut id = String::new();
    let (mut bodies, mut senders) = (Vec::with_capacity(together.len()), Vec::with_capacity(together.len()));
    for waiting in together {
        if id.is_empty() {
            id = waiting.id;
        }
        bodies.push(waiting.body);
        senders.push(waiting.sent);
    }
    let message = Message::new(CALLBACKS, id, protocol::wire::encode_batch(bodies));
    let published = broker.publish(vec![message]).await.map_err(|error: Error| error.to_string());
    for sent in senders {
        // Nobody waits any more: its job was handed back.
        let _gone = sent.send(published.clone());
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use broker::memory::MemoryBroker;
    use broker::{Topology, Verdict};
    use jiff::Timestamp;
    use protocol::message::WIRE_VERSION;
    use protocol::{Outcome, Payload, RunId, TaskRunId};

    use super::*;

    fn callback() -> Callback {
        Callback {
            v: WIRE_VERSION,
            run_id: RunId::new(),
            task_run_id: TaskRunId::new(),
            attempt: 1,
            worker: "test".to_owned(),
            outcome: Outcome::Done { output: Payload::default(), fan_out: None },
            started_at: Timestamp::UNIX_EPOCH,
            ended_at: Timestamp::UNIX_EPOCH,
            usage: protocol::answer::Usage::default(),
        }
    }

    fn broker(queues: &[&str]) -> Arc<dyn Broker> {
        Arc::new(MemoryBroker::new(Topology {
            queues: queues.iter().map(|queue| (*queue).to_owned()).collect(),
            dead_letter: "dead_letter".to_owned(),
            delivery_limit: 3,
        }))
    }

    #[tokio::test]
    async fn outcomes_that_wait_together_travel_together_and_all_arrive() {
        let broker = broker(&[CALLBACKS, "dead_letter"]);
        let (returns, sending) = Returns::new(Arc::clone(&broker));
        let callbacks: Vec<Callback> = (0..500).map(|_| callback()).collect();
        let handing_in = callbacks.iter().map(|callback| returns.send(callback));
        let handed_in = async {
            let answers = futures::future::join_all(handing_in).await;
            answers.into_iter().for_each(|answer| answer.unwrap());
        };
        let sending = tokio::spawn(sending);
        tokio::time::timeout(Duration::from_secs(10), handed_in).await.unwrap();
        drop(returns);
        sending.await.unwrap();

        let mut consumer = broker.consume(CALLBACKS, 0).await.unwrap();
        let (mut messages, mut arrived) = (0, Vec::new());
        while arrived.len() < callbacks.len() {
            let delivery = consumer.next().await.unwrap();
            arrived.extend(protocol::wire::decode_batch::<Callback>(&delivery.message.body).unwrap());
            messages += 1;
            delivery.settle(Verdict::Ack).await.unwrap();
        }
        arrived.sort_by_key(|callback| callback.task_run_id);
        assert_eq!(arrived, callbacks);
        assert!(messages < 50, "{messages} messages for 500 outcomes that were there at once");
    }

    #[tokio::test]
    async fn everybody_hears_that_the_broker_did_not_take_the_message() {
        let (returns, sending) = Returns::new(broker(&["dead_letter"]));
        tokio::spawn(sending);
        let [first, second] = [callback(), callback()];
        let (first, second) = tokio::join!(returns.send(&first), returns.send(&second));
        assert!(first.is_err() && second.is_err());
    }
}
