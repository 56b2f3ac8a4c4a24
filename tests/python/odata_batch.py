"""pyodata, as it comes, against the gateway: prints what it saw of each batch.

Usage: odata_batch.py GATEWAY_URL
"""

import json
import sys

import pyodata
import requests
from pyodata.exceptions import HttpError

service = pyodata.Client(sys.argv[1] + "/svc", requests.Session())
orders = service.entity_sets.Orders


def read(number):
    return orders.get_entity(number)


def pay(number):
    return orders.update_entity(number).set(Status="paid")


def change_set(*changes):
    made = service.create_changeset()
    for change in changes:
        made.add_request(change)
    return made


def seen(*calls):
    batch = service.create_batch()
    for call in calls:
        batch.add_request(call)
    try:
        return [shown(result) for result in batch.execute()]
    except HttpError as error:
        return {"error": str(error), "status": error.response.status_code}


def shown(result):
    if isinstance(result, list):
        return [shown(inner) for inner in result]
    return None if result is None else {"id": result.OrderID, "customer": result.Customer}


told = {
    "reads": seen(read(1), read(2)),
    "changes": seen(read(1), change_set(pay(7)), change_set(orders.create_entity().set(OrderID=21, Customer="Łukasz & Søn"))),
    "missing": seen(read(1), read(99), read(2)),
    "failed": seen(change_set(pay(4))),
    "together": seen(change_set(pay(7), pay(8))),
}
json.dump(told, sys.stdout)
