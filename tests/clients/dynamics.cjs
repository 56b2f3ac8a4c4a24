// dynamics-web-api 2.5.0, as it comes, against the gateway: prints what it made of each batch.
//
// Usage: NODE_PATH=… node dynamics.cjs GATEWAY_URL
"use strict";
const { DynamicsWebApi } = require("dynamics-web-api");

const api = new DynamicsWebApi({
  serverUrl: process.argv[2],
  dataApi: { version: "9.2" },
  onTokenRefresh: async () => "token",
});
const ID = (number) => `00000000-0000-0000-0000-0000000000${number}`;

async function seen(add, options) {
  api.startBatch();
  add();
  try {
    return await api.executeBatch(options);
  } catch (error) {
    const told = (one) => ({ status: one.status, code: one.code, message: one.message });
    return Array.isArray(error) ? { errors: error.map(told) } : { error: told(error) };
  }
}

async function main() {
  const told = {};
  const read = (number) => api.retrieve({ collection: "contacts", key: ID(number), select: ["firstname"] });
  told.reads = await seen(() => { read(11); read(12); });
  told.failed = await seen(() => { read(11); read(99); read(12); });
  told.continued = await seen(() => { read(11); read(99); read(12); }, { continueOnError: true });
  told.one = await seen(() => { api.create({ collection: "contacts", data: { firstname: "Łukasz & Søn" } }); });
  told.several = await seen(() => {
    api.create({ collection: "contacts", data: { firstname: "Łukasz" }, contentId: "1" });
    api.update({ collection: "contacts", key: ID(21), data: { firstname: "Søn" } });
    api.deleteRecord({ collection: "contacts", key: ID(22) });
  });
  told.apart = await seen(() => {
    api.create({ collection: "contacts", data: { firstname: "Łukasz" } });
    api.deleteRecord({ collection: "contacts", key: ID(22) });
  }, { inChangeSet: false });
  console.log(JSON.stringify(told, (_, value) => value ?? null));
}

main();
