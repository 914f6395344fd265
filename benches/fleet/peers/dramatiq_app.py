"""Dramatiq as it comes: it acknowledges after the task. BENCH_AMQP, BENCH_QUEUE."""

import os

import dramatiq
from dramatiq.brokers.rabbitmq import RabbitmqBroker

import probe

dramatiq.set_broker(RabbitmqBroker(url=os.environ["BENCH_AMQP"]))


@dramatiq.actor(queue_name=os.environ["BENCH_QUEUE"])
def echo(parcel):
    probe.hit(parcel["t"])
    return parcel
