"""A gRPC service on grpcio, with generic handlers over bytes. Arguments: the port, or the path of a Unix
socket.
"""

import os
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import grpc

CODES = {code.value[0]: code for code in grpc.StatusCode}


def unary(request, context):
    context.send_initial_metadata((("x-first", "1"),))
    context.set_trailing_metadata((("x-last", "2"), ("x-last-bin", b"\x00\xff")))
    return request


def fail(request, context):
    context.set_trailing_metadata((("x-why", "because"),))
    context.abort(CODES[int(request)], "not today")


def sleep(request, context):
    time.sleep(float(request))
    return b"awake"


def count(request, context):
    for number in range(int(request)):
        yield str(number).encode()


def quiet(request, context):
    yield b"before"
    time.sleep(float(request))
    yield b"after"


def die(request, context):
    if request == b"later":
        yield b"begun"
        time.sleep(0.3)
    os._exit(1)


def join(requests, context):
    return b"".join(requests)


def echo(requests, context):
    yield from requests


handlers = {
    "Unary": grpc.unary_unary_rpc_method_handler(unary),
    "Fail": grpc.unary_unary_rpc_method_handler(fail),
    "Sleep": grpc.unary_unary_rpc_method_handler(sleep),
    "Count": grpc.unary_stream_rpc_method_handler(count),
    "Quiet": grpc.unary_stream_rpc_method_handler(quiet),
    "Die": grpc.unary_stream_rpc_method_handler(die),
    "Join": grpc.stream_unary_rpc_method_handler(join),
    "Echo": grpc.stream_stream_rpc_method_handler(echo),
}
server = grpc.server(ThreadPoolExecutor(32), options=[("grpc.max_receive_message_length", -1), ("grpc.so_reuseport", 0)])
server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("test.Test", handlers),))
place = f"unix:{sys.argv[1]}" if sys.argv[1].startswith("/") else f"127.0.0.1:{sys.argv[1]}"
if server.add_insecure_port(place) == 0:
    sys.exit("the port is taken")
server.start()
server.wait_for_termination()
