"""An app on the official SDK for Python: two steps, parallel steps, a step that fails at first, one that fails for good."""

import datetime
import logging
import os

import flask
import inngest
import inngest.flask

client = inngest.Inngest(
    app_id="python",
    is_production=os.environ.get("INNGEST_DEV") is None,
    logger=logging.getLogger("inngest"),
)
tries = 0


@client.create_function(fn_id="two-steps", trigger=inngest.TriggerEvent(event="python/two"))
def two_steps(ctx: inngest.ContextSync) -> int:
    first = ctx.step.run("first", lambda: int(str(ctx.event.data["number"])) + 1)
    ctx.step.sleep("nap", datetime.timedelta(seconds=1))
    return ctx.step.run("second", lambda: first * 2)


@client.create_function(fn_id="parallel", trigger=inngest.TriggerEvent(event="python/parallel"))
def parallel(ctx: inngest.ContextSync) -> int:
    parts = ctx.group.parallel(
        tuple(lambda n=n: ctx.step.run(f"part {n}", lambda: n * n) for n in (1, 2, 3)),
    )
    return ctx.step.run("sum", lambda: sum(parts))


@client.create_function(fn_id="failing", trigger=inngest.TriggerEvent(event="python/failing"))
def failing(ctx: inngest.ContextSync) -> None:
    def hiccup() -> int:
        global tries
        tries += 1
        if tries < 3:
            raise Exception("not this time")
        return tries

    def broken() -> None:
        # Until no attempts are left: in this SDK, an error that is not to be retried ends the function instead of the step.
        raise Exception("never works")

    ctx.step.run("hiccup", hiccup)
    try:
        ctx.step.run("broken", broken)
    except inngest.StepError as error:
        message = error.message
        ctx.step.run("noticed", lambda: message)
    raise inngest.NonRetriableError(f"gave up after {tries}")


app = flask.Flask(__name__)
inngest.flask.serve(app, client, [two_steps, parallel, failing])
app.run(host="127.0.0.1", port=int(os.environ["PORT"]))
