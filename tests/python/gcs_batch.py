"""google-cloud-storage 3.17.1, as it comes, against the gateway: prints what it made of each batch.

Usage: gcs_batch.py GATEWAY_URL
"""

import json
import sys

from google.api_core.client_options import ClientOptions
from google.api_core.exceptions import GoogleAPICallError
from google.auth.credentials import AnonymousCredentials
from google.cloud import storage

client = storage.Client(
    project="p", credentials=AnonymousCredentials(), client_options=ClientOptions(api_endpoint=sys.argv[1])
)


def change(names, bucket="bk"):
    """Patches each object, but deletes those that are `gone`."""
    blobs = [client.bucket(bucket).blob(name) for name in names]
    for blob in blobs:
        if blob.name == "gone.txt":
            blob.delete()
        else:
            blob.metadata = {"note": "Łukasz & Søn"}
            blob.patch()
    return blobs


def patiently(*names):
    try:
        with client.batch(raise_exception=False) as batch:
            blobs = change(names)
    except GoogleAPICallError as error:
        return {"code": error.code, "message": error.message}
    return {
        "statuses": [response.status_code for response in batch._responses],
        "types": [response.headers.get("Content-Type") for response in batch._responses],
        "ids": [blob.id for blob in blobs if blob.name != "gone.txt"],
        "reasons": [response.json()["error"] for response in batch._responses if response.status_code >= 400],
    }


def strictly(*names, bucket="bk"):
    try:
        with client.batch():
            change(names, bucket)
    except GoogleAPICallError as error:
        return {"kind": type(error).__name__, "code": error.code, "message": error.message, "errors": error.errors}


json.dump(
    {
        "patient": patiently("folder/file.txt", "gone.txt", "missing", "plain.txt"),
        "strict": strictly("folder/file.txt", "missing"),
        "refused": strictly("file.txt", bucket="denied"),
    },
    sys.stdout,
)
