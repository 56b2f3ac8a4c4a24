"""msgraph-core 1.5.2, as it comes, against the gateway: prints what it made of each batch.

Usage: graph_core.py GATEWAY_URL
"""

import asyncio
import json
import sys
from urllib.request import Request

from kiota_abstractions.authentication import AnonymousAuthenticationProvider
from kiota_abstractions.serialization import ParseNodeFactoryRegistry, SerializationWriterFactoryRegistry
from kiota_abstractions.api_error import APIError
from kiota_serialization_json.json_parse_node_factory import JsonParseNodeFactory
from kiota_serialization_json.json_serialization_writer_factory import JsonSerializationWriterFactory
from msgraph_core import BaseGraphRequestAdapter
from msgraph_core.requests.batch_request_builder import BatchRequestBuilder
from msgraph_core.requests.batch_request_content import BatchRequestContent
from msgraph_core.requests.batch_request_item import BatchRequestItem

ParseNodeFactoryRegistry().CONTENT_TYPE_ASSOCIATED_FACTORIES["application/json"] = JsonParseNodeFactory()
SerializationWriterFactoryRegistry().CONTENT_TYPE_ASSOCIATED_FACTORIES["application/json"] = (
    JsonSerializationWriterFactory()
)
adapter = BaseGraphRequestAdapter(AnonymousAuthenticationProvider())
adapter.base_url = sys.argv[1] + "/v1.0"


def item(request_id, method, path, body=None, after=None):
    data = None if body is None else json.dumps(body).encode()
    request = Request(adapter.base_url + path, data, {} if body is None else {"Content-Type": "application/json"}, method=method)
    made = BatchRequestItem.create_with_urllib_request(request, request_id, after)
    made.set_url(adapter.base_url + path)
    return made


async def seen(*items):
    content = BatchRequestContent({made.id: made for made in items})
    try:
        replies = await BatchRequestBuilder(adapter).post(content)
    except APIError as error:
        return {"status": error.response_status_code, "message": error.message}
    told = {}
    for request_id, status in replies.get_response_status_codes().items():
        reply = replies.get_response_by_id(request_id)
        body = replies.get_response_stream_by_id(request_id)
        told[request_id] = {
            "status": status,
            "type": reply.content_type,
            "body": body.read().decode() if body else None,
        }
    return told


async def main():
    return {
        "parallel": await seen(
            item("1", "GET", "/me/memberOf"),
            item("2", "GET", "/users?$select=id,displayName&$filter=city eq null&$count=true"),
            item("3", "POST", "/me/events", {"subject": "Łukasz & Søn"}),
            item("4", "GET", "/missing"),
            item("5", "DELETE", "/me/events/21"),
        ),
        "serial": await seen(
            item("a", "GET", "/missing"), item("b", "DELETE", "/me/events/21", after=["a"]), item("c", "GET", "/me")
        ),
    }


json.dump(asyncio.run(main()), sys.stdout)
