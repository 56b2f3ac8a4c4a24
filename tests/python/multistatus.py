"""Judges a WebDAV multistatus on standard input as strictly as RFC 4918 has it, reads it with the
webdav4 client library too, and prints what both saw as JSON: one object for each DAV:response."""

import json
import sys
from pathlib import Path

from lxml import etree
from webdav4.multistatus import MultiStatusResponse

DAV = "{DAV:}"
OWN = "{urn:batchgate:batch}"


def without_foreign_elements(element):
    """RFC 4918 §17: elements that a client does not know are as if they were not there. What stands in
    prop and error belongs to no grammar of ours."""
    for child in list(element):
        if not isinstance(child.tag, str) or not child.tag.startswith(DAV):
            element.remove(child)
        elif child.tag not in (DAV + "prop", DAV + "error"):
            without_foreign_elements(child)
    return element


def judge(document):
    root = etree.fromstring(document, etree.XMLParser(resolve_entities=False))
    dav = without_foreign_elements(etree.fromstring(document))
    grammar = etree.RelaxNG(etree.parse(str(Path(__file__).with_name("multistatus.rng"))))
    grammar.assertValid(dav)
    hrefs = [href.text.rstrip("/") for href in dav.findall(f"{DAV}response/{DAV}href")]
    twice = sorted({href for href in hrefs if hrefs.count(href) > 1})
    assert not twice, f"RFC 4918 §14.24 lets an href stand once: {twice}"
    return root


def item(element):
    body = element.find(OWN + "body")
    return {
        **element.attrib,
        "headers": {header.get("name"): header.text or "" for header in element.findall(OWN + "header")},
        "body": None if body is None else {**body.attrib, "text": body.text or "", "elements": len(body)},
    }


def response(element):
    return {
        "href": element.findtext(DAV + "href"),
        "status": element.findtext(DAV + "status"),
        "propstats": [propstat.findtext(DAV + "status") for propstat in element.findall(DAV + "propstat")],
        "error": [child.tag for error in element.findall(DAV + "error") for child in error],
        "location": element.findtext(f"{DAV}location/{DAV}href"),
        "items": [item(own) for own in element.findall(OWN + "item")],
    }


document = sys.stdin.buffer.read()
responses = [response(element) for element in judge(document).findall(DAV + "response")]
read = MultiStatusResponse(document.decode()).responses
assert {one["href"].rstrip("/") for one in responses} == {str(href).rstrip("/") for href in
    (answer.href for answer in read.values())}, (responses, read)
json.dump(responses, sys.stdout)
