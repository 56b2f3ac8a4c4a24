"""azure-data-tables 12.7.0, as it comes, against the gateway: prints what it made of each transaction.

Usage: azure_tables.py GATEWAY_URL
"""

import json
import sys

from azure.core.credentials import AzureNamedKeyCredential
from azure.core.exceptions import HttpResponseError
from azure.data.tables import TableClient, TableTransactionError

table = TableClient(
    endpoint=sys.argv[1] + "/acct",
    table_name="orders",
    credential=AzureNamedKeyCredential("acct", "a2V5"),
    retry_total=0,
)


def row(key):
    return {"PartitionKey": "p", "RowKey": key, "Customer": "Łukasz & Søn"}


def seen(*operations):
    try:
        return table.submit_transaction(operations)
    except TableTransactionError as error:
        return {"index": error.index, "code": error.error_code, "status": error.status_code, "message": error.message}
    except HttpResponseError as error:
        return {"error": type(error).__name__, "status": error.status_code, "message": error.message}


json.dump(
    {
        "one": seen(("create", row("a"))),
        "several": seen(("create", row("a")), ("update", row("c")), ("delete", row("d")), ("upsert", row("e"))),
        "failed": seen(("create", row("a")), ("create", row("b"))),
    },
    sys.stdout,
    default=str,
)
