"""A gRPC client on grpcio. Arguments: the address of the gateway, what to do, and perhaps an argument.

Prints what it saw as JSON.
"""

import json
import queue
import sys
import time

import grpc

ARGUMENT = sys.argv[3] if len(sys.argv) > 3 else ""
OPTIONS = [("grpc.max_receive_message_length", -1), ("grpc.enable_http_proxy", 0)]
channel = grpc.insecure_channel(sys.argv[1], options=OPTIONS)


def method(kind, name):
    return getattr(channel, kind)(f"/test.Test/{name}")


def failure(error):
    trailers = {key: str(value) for key, value in error.trailing_metadata() or ()}
    return {"code": error.code().name, "details": error.details(), "trailers": trailers}


def unary():
    answer, call = method("unary_unary", "Unary").with_call(b"hello", timeout=30)
    first, last = dict(call.initial_metadata()), dict(call.trailing_metadata())
    return {"answer": answer.decode(), "first": first.get("x-first"), "last": last.get("x-last"),
            "binary": last["x-last-bin"].hex(), "code": call.code().name}


def streams():
    count = list(method("unary_stream", "Count")(b"100", timeout=30))
    joined = method("stream_unary", "Join")((str(n).encode() for n in range(100)), timeout=30)
    echoed = list(method("stream_stream", "Echo")((str(n).encode() for n in range(100)), timeout=30))
    return {"count": len(count), "last": count[-1].decode(), "joined": len(joined), "echoed": len(echoed)}


def in_turn():
    """Sends each message when the answer to the one before has come."""
    answers = []
    to_send = queue.Queue()
    call = method("stream_stream", "Echo")(iter(to_send.get, None), timeout=30)
    for number in range(20):
        to_send.put(str(number).encode())
        answers.append(next(call).decode())
    to_send.put(None)
    return {"answers": answers, "rest": len(list(call))}


def big():
    message = bytes(range(256)) * (12 << 10)
    return {"same": method("unary_unary", "Unary")(message, timeout=60) == message}


def many():
    """Calls at the same time, over one connection."""
    calls = [method("unary_unary", "Unary").future(str(n).encode(), timeout=60) for n in range(500)]
    return {"same": sum(call.result() == str(n).encode() for n, call in enumerate(calls))}


def deadline():
    started = time.monotonic()
    try:
        method("unary_unary", "Sleep")(b"20", timeout=1)
    except grpc.RpcError as error:
        return {**failure(error), "soon": time.monotonic() - started < 10}
    return {}


def sleep():
    return attempt("unary_unary", "Sleep")


def fail():
    return attempt("unary_unary", "Fail")


def attempt(kind, name):
    try:
        return {"answer": method(kind, name)(ARGUMENT.encode(), timeout=30).decode()}
    except grpc.RpcError as error:
        return failure(error)


def streamed(name):
    got = []
    try:
        for message in method("unary_stream", name)(ARGUMENT.encode(), timeout=30):
            got.append(message.decode())
    except grpc.RpcError as error:
        return {"got": got, **failure(error)}
    return {"got": got, "code": "OK"}


def quiet():
    return streamed("Quiet")


def die():
    return streamed("Die")


print(json.dumps(globals()[sys.argv[2]]()))
