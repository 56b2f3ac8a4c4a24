// @pnp/graph 4.19.0 with @pnp/nodejs, as they come, against the gateway: prints what came of each call of a batch.
// Its batches find their endpoint only in an https url.
//
// Usage: NODE_PATH=… NODE_EXTRA_CA_CERTS=… node pnp_graph.cjs https://GATEWAY
"use strict";

// The packages are ES modules, which NODE_PATH does not lead to.
const load = (name) => import(require.resolve(name));

async function seen(execute, ...calls) {
  const results = Promise.allSettled(calls);
  try {
    await Promise.race([execute(), new Promise((_, fail) => setTimeout(fail, 2000, new Error("no end")))]);
  } catch (error) {
    return { error: error.message };
  }
  return (await results).map(({ value, reason }) =>
    reason ? { status: reason.status, message: reason.message } : { value: value ?? null });
}

async function main() {
  const { graphfi } = await load("@pnp/graph/index.js");
  for (const part of ["users", "groups", "members", "calendars"]) await load(`@pnp/graph/${part}/index.js`);
  await load("@pnp/graph/batching.js");
  const { GraphDefault } = await load("@pnp/nodejs/index.js");
  const { DefaultParse } = await load("@pnp/queryable/index.js");
  const graph = graphfi().using(GraphDefault({ baseUrl: `${process.argv[2]}/v1.0` }), DefaultParse());
  const told = {};
  {
    const [batched, execute] = graph.batched();
    told.reads = await seen(
      execute,
      batched.me(),
      batched.users.filter("city eq null").select("id", "displayName")(),
      batched.users.getById("missing")(),
    );
  }
  {
    const [batched, execute] = graph.batched();
    told.writes = await seen(
      execute,
      batched.me.events.add({ subject: "Łukasz & Søn" }),
      batched.users.getById("21").update({ jobTitle: "clerk" }),
      batched.users.getById("22").delete(),
      batched.users.getById("missing").delete(),
    );
  }
  console.log(JSON.stringify(told));
  process.exit();
}

main();
