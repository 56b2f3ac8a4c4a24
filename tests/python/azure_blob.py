"""azure-storage-blob 12.31.1, as it comes, against the gateway: prints what it made of each batch.

Usage: azure_blob.py GATEWAY_URL
"""

import json
import sys

from azure.core.credentials import AzureNamedKeyCredential
from azure.core.exceptions import HttpResponseError
from azure.storage.blob import BlobServiceClient, PartialBatchErrorException

service = BlobServiceClient(
    account_url=sys.argv[1] + "/acct", credential=AzureNamedKeyCredential("acct", "a2V5"), retry_total=0
)
container = service.get_container_client("photos")


def shown(part):
    return {"status": part.status_code, "reason": part.reason, "code": part.headers.get("x-ms-error-code")}


def seen(call):
    try:
        return [shown(part) for part in call()]
    except PartialBatchErrorException as error:
        return {"partial": [shown(part) for part in error.parts]}
    except HttpResponseError as error:
        return {"error": type(error).__name__, "status": error.status_code, "code": getattr(error, "error_code", None)}


json.dump(
    {
        "deletes": seen(lambda: container.delete_blobs("a.jpg", "b/c d.jpg", raise_on_any_failure=False)),
        "failed": seen(lambda: container.delete_blobs("a.jpg", "missing.jpg", "b.jpg", raise_on_any_failure=False)),
        "strict": seen(lambda: container.delete_blobs("missing.jpg", "b.jpg")),
        "tiers": seen(lambda: container.set_standard_blob_tier_blobs("Cool", "a.jpg", "b.jpg")),
        "properties": container.get_container_properties()["etag"],
    },
    sys.stdout,
)
