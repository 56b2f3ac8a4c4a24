// @odata/client, as it comes, against the gateway: prints what it saw of each batch.
//
// Usage: NODE_PATH=… node odata.cjs GATEWAY_URL
"use strict";
const { OData } = require("@odata/client");

const service = OData.New4({ serviceEndpoint: `${process.argv[2]}/svc/` });
const read = (id, more) => service.newBatchRequest({ collection: "Orders", method: "GET", id, ...more });
const write = (method, id, entity, more) =>
  service.newBatchRequest({ collection: "Orders", method, id, entity, ...more });

async function seen(batch) {
  try {
    const told = [];
    for (const reply of await batch) {
      const text = ((await reply.text()) ?? "").trim();
      told.push({ status: reply.status, body: text ? JSON.parse(text) : null });
    }
    return told;
  } catch (error) {
    return { error: error.message };
  }
}

async function main() {
  const told = {};
  told.multipart = await seen(service.execBatchRequests([
    read(1),
    write("PATCH", 7, { Status: "paid" }),
    write("POST", undefined, { Customer: "Łukasz & Søn" }),
    write("DELETE", 3),
    read(2),
  ]));
  told.stopped = await seen(service.execBatchRequests([read(1), read(99), read(2)]));
  told.failed = await seen(service.execBatchRequests([write("PATCH", 4, { Status: "paid" })]));
  told.json = await seen(service.execBatchRequestsJson([
    read(1),
    read(99),
    write("PATCH", 7, { Status: "paid" }, { requestId: "pay", atomicityGroup: "g" }),
    read(7, { requestId: "after", dependsOn: ["g"] }),
    read(2, { requestId: "never", dependsOn: ["1"] }),
  ]));
  const together = { atomicityGroup: "g" };
  told.group = await seen(service.execBatchRequestsJson([
    write("PATCH", 7, { Status: "paid" }, together),
    write("PATCH", 8, { Status: "paid" }, together),
  ]));
  told.refused = await seen(service.execBatchRequestsJson([
    read(1, { requestId: "twice" }),
    read(2, { requestId: "twice" }),
  ]));
  console.log(JSON.stringify(told));
}

main();
