// @azure/data-tables 13.3.2, as it comes, against the gateway: prints what it made of each transaction.
//
// Usage: NODE_PATH=… node azure_tables.cjs GATEWAY_URL
"use strict";
const { AzureNamedKeyCredential, TableClient } = require("@azure/data-tables");

const table = new TableClient(`${process.argv[2]}/acct`, "orders", new AzureNamedKeyCredential("acct", "a2V5"), {
  allowInsecureConnection: true,
  retryOptions: { maxRetries: 0 },
});
const row = (rowKey) => ({ partitionKey: "p", rowKey, Customer: "Łukasz & Søn" });

async function seen(...actions) {
  try {
    const { status, subResponses } = await table.submitTransaction(actions);
    return { status, parts: subResponses };
  } catch (error) {
    return { error: error.name, status: error.statusCode, code: error.code, message: error.message };
  }
}

async function main() {
  const told = {};
  told.one = await seen(["create", row("a")]);
  told.several = await seen(["create", row("a")], ["update", row("c")], ["delete", row("d")], ["upsert", row("e")]);
  told.failed = await seen(["create", row("a")], ["create", row("b")]);
  console.log(JSON.stringify(told));
}

main();
