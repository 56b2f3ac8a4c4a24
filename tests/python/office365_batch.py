"""Office365-REST-Python-Client 3.3.0, as it comes, against the gateway: prints what it made of batches to Graph
and to SharePoint.

Its Graph client knows the addresses of Microsoft's clouds and no others (and its batches leave out the session that
`with_transport` is given), so a subclass says where Graph is.

Usage: office365_batch.py GATEWAY_URL
"""

import json
import sys

from office365.graph_client import GraphClient
from office365.runtime.auth.token_response import TokenResponse
from office365.sharepoint.client_context import ClientContext

gateway = sys.argv[1]


class Graph(GraphClient):
    @property
    def service_root_url(self):
        return gateway + "/v1.0"


def seen(client, *loads):
    """What a batch of these calls brought: the results, and the failures."""
    with client.collect_batch_failures() as failures:
        made = [load(client) for load in loads]
        try:
            client.execute_batch()
        except Exception as error:  # pylint: disable=broad-except
            return {"raised": type(error).__name__, "message": str(error)}
    return {
        "results": [None if result is None else result.properties for result in made],
        "failures": [
            {"status": error.response.status_code, "code": error.code, "message": error.message}
            for _, error in failures
        ],
    }


def graph():
    return Graph(token_callback=lambda: {"access_token": "token", "token_type": "Bearer"})


def sharepoint():
    token = TokenResponse(access_token="token", token_type="Bearer")
    return ClientContext(gateway + "/sites/team").with_access_token(lambda: token)


def items(client):
    return client.web.lists.get_by_title("Tasks").items


json.dump(
    {
        "graph": seen(
            graph(),
            lambda client: client.me.get(),
            lambda client: client.users["missing"].get(),
            lambda client: client.users["21"].delete_object(),
        ),
        "reads": seen(sharepoint(), lambda client: client.web.get(), lambda client: client.web.current_user.get()),
        "failed": seen(
            sharepoint(),
            lambda client: client.web.get(),
            lambda client: items(client).get_by_id(99).get(),
            lambda client: client.web.current_user.get(),
        ),
        "writes": seen(
            sharepoint(),
            lambda client: items(client).get_by_id(7).delete_object(),
            lambda client: items(client).get_by_id(99).delete_object(),
            lambda client: items(client).get_by_id(8).delete_object(),
            lambda client: client.web.get(),
        ),
    },
    sys.stdout,
    default=str,
)
