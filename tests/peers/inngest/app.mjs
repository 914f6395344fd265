// An app on the official SDK for Node: two steps, parallel steps, a step that fails at first, one that fails for good.
import http from "node:http";
import { Inngest, NonRetriableError } from "inngest";
import { serve } from "inngest/node";

const inngest = new Inngest({ id: "node", checkpointing: false });
let tries = 0;

const twoSteps = inngest.createFunction({ id: "two-steps", triggers: [{ event: "node/two" }] }, async ({ event, step }) => {
  const first = await step.run("first", () => event.data.number + 1);
  await step.sleep("nap", "1s");
  return await step.run("second", () => first * 2);
});

const parallel = inngest.createFunction({ id: "parallel", triggers: [{ event: "node/parallel" }] }, async ({ step }) => {
  const parts = await Promise.all([1, 2, 3].map((n) => step.run(`part ${n}`, () => n * n)));
  return await step.run("sum", () => parts.reduce((a, b) => a + b, 0));
});

const failing = inngest.createFunction({ id: "failing", triggers: [{ event: "node/failing" }] }, async ({ step }) => {
  await step.run("hiccup", () => {
    tries += 1;
    if (tries < 3) throw new Error("not this time");
    return tries;
  });
  try {
    await step.run("broken", () => {
      throw new NonRetriableError("never works");
    });
  } catch (error) {
    await step.run("noticed", () => error.message);
  }
  throw new NonRetriableError(`gave up after ${tries}`);
});

const server = http.createServer(serve({ client: inngest, functions: [twoSteps, parallel, failing] }));
server.listen(Number(process.env.PORT), "127.0.0.1");
