"""Hooks for schemathesis: how it writes what it generates in the formats of batches that it does not know.

A batch in one of them is a text in the gateway's description, so that what is generated are broken batches, besides the
example, which is whole.
"""

import schemathesis


def as_text(context, value):
    text = value if isinstance(value, str) else str(value)
    return text.encode("utf-8", errors="replace")


for media_type in ("application/xml", "application/x-ndjson", "text/csv"):
    schemathesis.serializer(media_type)(as_text)


@schemathesis.serializer("multipart/mixed")
def multipart(context, value):
    return as_text(context, value)

