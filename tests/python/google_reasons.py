"""google-api-python-client 2.202.0, as it comes, against the gateway: prints why its calls failed, and that long
ids come back.

Usage: google_reasons.py GATEWAY_URL
"""

import json
import sys

import httplib2
from google.api_core.client_options import ClientOptions
from googleapiclient.discovery import build
from googleapiclient.errors import BatchError, HttpError
from googleapiclient.http import BatchHttpRequest

gateway = sys.argv[1]
options = ClientOptions(api_endpoint=gateway + "/storage/v1/")
objects = build("storage", "v1", http=httplib2.Http(), client_options=options, static_discovery=True).objects()


def seen(calls, uri="/batch/storage/v1"):
    told = {}

    def note(request_id, response, exception):
        if exception is None:
            told[request_id] = {"response": response}
        else:
            told[request_id] = {
                "status": exception.status_code,
                "reason": exception.reason,
                "details": exception.error_details,
            }

    batch = BatchHttpRequest(callback=note, batch_uri=gateway + uri)
    for request_id, call in calls.items():
        batch.add(call, request_id=request_id)
    try:
        batch.execute(http=httplib2.Http())
    except HttpError as error:
        return {"status": error.status_code, "reason": error.reason}
    except BatchError as error:
        return {"batch": str(error)}
    return told


def get(name):
    return objects.get(bucket="bk", object=name)


json.dump(
    {
        "reasons": seen(
            {
                "fine": get("folder/file.txt"),
                "gone": objects.delete(bucket="bk", object="plain.txt"),
                "missing": get("missing"),
                "denied": objects.get(bucket="denied", object="x"),
            }
        ),
        "long": seen({"i" * 60: get("a.txt"), "an id, with + and % " + "x" * 400: get("b.txt"), "Łukasz": get("c.txt")}),
        "outer": seen({"key": get("a.txt")}, "/batch/storage/v1?key=K"),
    },
    sys.stdout,
)
