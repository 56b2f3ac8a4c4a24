// odata (o.js) 2.0.1, as it comes, against the gateway: prints what it made of each batch.
//
// Usage: NODE_PATH=… node odata_o.cjs GATEWAY_URL
"use strict";
const { o } = require("odata");

const service = (useChangset) => o(`${process.argv[2]}/svc/`, {
  batch: {
    boundaryPrefix: "batch_", changsetBoundaryPrefix: "changset_", endpoint: "$batch", useChangset,
    headers: new Headers({ "Content-Type": "multipart/mixed" }), useRelativeURLs: false,
  },
});

async function seen(handler) {
  try {
    return await handler.batch();
  } catch (error) {
    return { status: error.status, message: error.message };
  }
}

async function main() {
  const told = {};
  told.reads = await seen(service(false).get("Orders(1)").get("Orders(2)"));
  told.failed = await seen(service(false).get("Orders(1)").get("Orders(99)").get("Orders(2)"));
  told.one = await seen(service(true).post("Orders", { Customer: "Łukasz & Søn" }));
  told.several = await seen(
    service(true).patch("Orders(7)", { Status: "paid" }).delete("Orders(3)").get("Orders(1)"));
  told.flat = await seen(service(false).patch("Orders(7)", { Status: "paid" }).delete("Orders(3)").get("Orders(1)"));
  console.log(JSON.stringify(told));
}

main();
