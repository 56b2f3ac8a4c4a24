// @azure/storage-blob 12.32.0, as it comes, against the gateway: prints what it made of each batch.
//
// Usage: NODE_PATH=… node azure_blob.cjs GATEWAY_URL
"use strict";
const { BlobServiceClient, StorageSharedKeyCredential } = require("@azure/storage-blob");

const credential = new StorageSharedKeyCredential("acct", "a2V5");
const service = new BlobServiceClient(`${process.argv[2]}/acct`, credential, { retryOptions: { maxTries: 1 } });
const batches = service.getBlobBatchClient();
const photos = service.getContainerClient("photos");

async function seen(call) {
  try {
    const reply = await call;
    return {
      succeeded: reply.subResponsesSucceededCount,
      failed: reply.subResponsesFailedCount,
      parts: reply.subResponses.map(({ status, errorCode }) => ({ status, errorCode })),
    };
  } catch (error) {
    return { error: error.name, status: error.statusCode, code: error.code, message: error.message };
  }
}

async function main() {
  const told = {};
  const blobs = (...names) => names.map((name) => photos.getBlobClient(name).url);
  told.deletes = await seen(batches.deleteBlobs(blobs("a.jpg", "b/c d.jpg"), credential));
  told.failed = await seen(batches.deleteBlobs(blobs("a.jpg", "missing.jpg", "b.jpg"), credential));
  told.tiers = await seen(batches.setBlobsAccessTier(blobs("a.jpg", "b.jpg"), credential, "Cool"));
  told.container = await seen(photos.getBlobBatchClient().deleteBlobs(blobs("a.jpg", "missing.jpg"), credential));
  told.properties = (await photos.getProperties().catch((error) => error)).etag;
  console.log(JSON.stringify(told));
}

main();
