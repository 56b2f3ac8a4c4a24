// @microsoft/microsoft-graph-client, as it comes, against the gateway: prints what it saw of each batch.
//
// Usage: NODE_PATH=… node graph.cjs GATEWAY_URL
"use strict";
const { BatchRequestContent, BatchResponseContent, Client } = require("@microsoft/microsoft-graph-client");

// What browsers have and Node has not: the client sends no body without it that is not JSON.
globalThis.FileReader = class extends EventTarget {
  async readAsDataURL(blob) {
    const bytes = Buffer.from(await blob.arrayBuffer());
    this.result = `data:${blob.type};base64,${bytes.toString("base64")}`;
    this.dispatchEvent(new Event("load"));
  }
};

const client = Client.init({
  baseUrl: process.argv[2],
  defaultVersion: "v1.0",
  authProvider: (done) => done(null, "token"),
});

const json = { "Content-Type": "application/json" };
const call = (path, method = "GET", headers = {}, body = undefined) =>
  new Request(`https://graph.microsoft.com${path}`, { method, headers, body });

async function batch(...steps) {
  const content = await new BatchRequestContent(steps).getContent();
  try {
    const replies = new BatchResponseContent(await client.api("/$batch").post(content)).getResponses();
    const seen = {};
    for (const [id, reply] of replies) {
      const type = reply.headers.get("Content-Type");
      const text = await reply.text();
      seen[id] = { status: reply.status, body: type === "application/json" ? JSON.parse(text) : text };
    }
    return seen;
  } catch (error) {
    return { statusCode: error.statusCode, code: error.code, message: error.message };
  }
}

async function main() {
  const told = {};
  told.parallel = await batch(
    { id: "1", request: call("/me") },
    { id: "2", request: call("/missing") },
    { id: "3", request: call("/me/photo/$value", "PUT", { "Content-Type": "image/jpeg" }, Buffer.from([0, 255, 216, 10])) },
    { id: "4", request: call("/notes/3", "PUT", { "Content-Type": "text/plain" }, "Łukasz & Søn") },
    { id: "5", request: call("/notes/2", "DELETE") },
    { id: "6", request: call("/read-only", "DELETE") },
    { id: "7", request: call("/notes/1") },
  );
  told.serial = await batch(
    { id: "create", request: call("/events", "POST", json, JSON.stringify({ subject: "tea" })) },
    { id: "fail", request: call("/missing"), dependsOn: ["create"] },
    { id: "skipped", request: call("/me"), dependsOn: ["fail"] },
  );
  told.same = await batch(
    { id: "first", request: call("/me") },
    { id: "left", request: call("/me?of=left"), dependsOn: ["first"] },
    { id: "right", request: call("/me?of=right"), dependsOn: ["first"] },
  );
  told.refused = await batch({ id: "a", request: call("/me") }, { id: "A", request: call("/me") });
  console.log(JSON.stringify(told));
}

main();
