"""An application as it might be anywhere, with much that has a counterpart here and some that has none."""

from datetime import timedelta

from celery import Celery, Task, signals
from celery.schedules import crontab, schedule
from kombu import Exchange, Queue

print("loading the shop")


class Dawn(schedule):
    """A clock of the application's own."""


app = Celery("shop", broker="amqp://shop:sesame@rabbit.example:5672/shop", backend="redis://:sesame@redis.example:6379/2")
app.conf.update(
    task_default_queue="shop",
    task_queues=[
        Queue("shop", Exchange("shop"), routing_key="shop"),
        Queue("documents", Exchange("documents"), routing_key="documents", queue_arguments={"x-queue-type": "quorum"}),
        Queue("mail", Exchange("mail"), routing_key="mail", max_priority=10),
    ],
    task_routes={"shop.documents.*": {"queue": "documents"}, "shop.mail": {"queue": "mail"}},
    accept_content=["json", "pickle"],
    worker_concurrency=6,
    worker_prefetch_multiplier=4,
    worker_max_tasks_per_child=100,
    task_time_limit=300,
    task_soft_time_limit=240,
    timezone="Europe/Berlin",
    broker_transport_options={"priority_steps": [0, 5, 9]},
    result_expires=timedelta(hours=1),
    beat_schedule={
        "every-morning": {"task": "shop.report", "schedule": crontab(minute=30, hour=6, day_of_week="mon-fri"),
                          "kwargs": {"kind": "daily"}},
        "tidy up": {"task": "shop.tidy", "schedule": 900.0},
        "look closely": {"task": "shop.tidy", "schedule": timedelta(seconds=45)},
        "friday the 13th": {"task": "shop.tidy", "schedule": crontab(minute=0, hour=0, day_of_month=13, day_of_week="fri")},
        "at dawn": {"task": "shop.tidy", "schedule": Dawn(3600)},
        "with positions": {"task": "shop.report", "schedule": crontab(), "args": ("daily", 3)},
    },
)


class Audited(Task):
    def on_failure(self, *args, **kwargs):
        pass


@signals.task_failure.connect
def complain(**kwargs):
    pass


@app.task(name="shop.documents.read", acks_late=True, time_limit=60, autoretry_for=(OSError,), max_retries=5)
def read(document):
    return document


@app.task(name="shop.documents.bill", base=Audited)
def bill(document):
    return document


@app.task(name="shop.mail", rate_limit="10/m", priority=7, serializer="pickle")
def mail(to):
    return to


@app.task(name="shop.report")
def report(kind, days=1):
    return kind


@app.task(name="shop.tidy", ignore_result=True)
def tidy():
    pass
