// @pnp/sp 4.19.0 with @pnp/nodejs, as they come, against the gateway: prints what came of each call of a batch.
//
// Usage: NODE_PATH=… node pnp_sp.cjs GATEWAY_URL
"use strict";

// The packages are ES modules, which NODE_PATH does not lead to.
const load = (name) => import(require.resolve(name));

async function seen(execute, ...calls) {
  const results = Promise.allSettled(calls);
  const told = {};
  try {
    await Promise.race([execute(), new Promise((_, fail) => setTimeout(fail, 2000, new Error("no end")))]);
  } catch (error) {
    return { error: error.message };
  }
  told.calls = (await results).map(({ value, reason }) =>
    reason ? { status: reason.status, message: reason.message } : { value: value ?? null });
  return told;
}

async function main() {
  const { spfi } = await load("@pnp/sp/index.js");
  for (const part of ["webs", "lists", "items"]) await load(`@pnp/sp/${part}/index.js`);
  await load("@pnp/sp/batching.js");
  const { SPDefault } = await load("@pnp/nodejs/index.js");
  const site = `${process.argv[2]}/sites/team/`;
  const sp = spfi().using(SPDefault({ baseUrl: site }));
  const items = (batched) => batched.web.lists.getByTitle("Tasks").items;
  const told = {};
  {
    const [batched, execute] = sp.batched();
    told.reads = await seen(execute, batched.web(), items(batched)(), items(batched).getById(1)());
  }
  {
    const [batched, execute] = sp.batched();
    told.failed = await seen(execute, batched.web(), items(batched).getById(99)(), items(batched).getById(1)());
  }
  {
    const [batched, execute] = sp.batched();
    told.writes = await seen(
      execute,
      items(batched).add({ Title: "Łukasz & Søn" }),
      items(batched).getById(7).update({ Title: "paid" }),
      items(batched).getById(99).delete(),
      items(batched).getById(8).delete(),
      batched.web(),
      items(batched).add({ Title: "again" }),
    );
  }
  console.log(JSON.stringify(told));
  process.exit();
}

main();
