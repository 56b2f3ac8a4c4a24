"""google-api-python-client's BatchHttpRequest, as it comes, against the gateway: prints what its callbacks got.

Usage: google_batch.py GATEWAY_URL
"""

import json
import sys

import httplib2
from googleapiclient.http import BatchHttpRequest, HttpRequest
from googleapiclient.model import JsonModel

gateway = sys.argv[1]
told = {}


def note(request_id, response, exception):
    told[request_id] = {"response": response, "status": exception.resp.status if exception else None}


def request(method, path, body=None):
    text = None if body is None else json.dumps(body)
    headers = {"accept": "application/json", "accept-encoding": "gzip, deflate"}
    if body is not None:
        headers["content-type"] = "application/json"
    return HttpRequest(httplib2.Http(), JsonModel().response, gateway + path, method=method, body=text, headers=headers)


batch = BatchHttpRequest(callback=note, batch_uri=gateway + "/batch")
batch.add(request("GET", "/fine"), request_id="fine")
batch.add(request("PUT", "/echo", {"name": "Łukasz & Søn"}), request_id="an id, with + and % " + "x" * 40)
batch.add(request("DELETE", "/gone"), request_id="empty")
for status in (404, 409, 500):
    batch.add(request("POST", f"/status/{status}", {}), request_id=str(status))
batch.add(request("GET", "/a/../b"), request_id="refused")
batch.execute(http=httplib2.Http())
json.dump(told, sys.stdout)
