//! What this crate promises, against the real Celery, RabbitMQ, Redis and Flower.

#![expect(clippy::unwrap_used, reason = "a spec that cannot go on has failed")]

#[path = "specs/canvas.rs"]
mod canvas;
#[path = "specs/control.rs"]
mod control;
#[path = "specs/database.rs"]
mod database;
#[path = "specs/flower.rs"]
mod flower;
#[path = "specs/lost_workers.rs"]
mod lost_workers;
#[path = "specs/python_to_rust.rs"]
mod python_to_rust;
#[path = "specs/rust_to_python.rs"]
mod rust_to_python;

#[path = "specs/place.rs"]
mod place;
#[expect(dead_code, reason = "specs of the broker freeze connections too")]
#[path = "../../broker/tests/rabbitmq/proxy.rs"]
mod proxy;
#[path = "specs/python.rs"]
mod python;
#[path = "specs/rust.rs"]
mod rust;
