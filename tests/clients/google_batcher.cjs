// @jrmdayn/googleapis-batcher 0.10.1 with @googleapis/drive, as they come, against the gateway: prints what came of each
// call. The batcher posts to /batch of the host that the calls are for.
//
// Usage: NODE_PATH=… node google_batcher.cjs GATEWAY_URL
"use strict";
const { batchFetchImplementation } = require("@jrmdayn/googleapis-batcher");
const { drive } = require("@googleapis/drive");

const { files } = drive({
  version: "v3",
  rootUrl: `${process.argv[2]}/`,
  fetchImplementation: batchFetchImplementation(),
  retry: false,
});

async function seen(...calls) {
  const results = await Promise.allSettled(calls);
  return results.map(({ value, reason }) => {
    if (value) return { status: value.status, data: value.data };
    return { code: reason.code, message: reason.message, errors: reason.errors, status: reason.status };
  });
}

async function main() {
  const told = {};
  told.mixed = await seen(
    files.get({ fileId: "one", fields: "id,name" }),
    files.get({ fileId: "missing" }),
    files.update({ fileId: "two", requestBody: { name: "Łukasz & Søn" } }),
    files.delete({ fileId: "three" }),
    files.get({ fileId: "denied" }),
  );
  console.log(JSON.stringify(told));
}

main();
