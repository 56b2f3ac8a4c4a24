"""Judges Kubernetes manifests by the schemas of two releases: a JSON list of them comes on standard input.

Unknown members are errors, as they are for the API server with strict validation. Kinds that Kubernetes does not have
itself are judged by clients/manifests.cjs.

Usage: manifests.py RELEASE…
"""

import json
import sys

import kubernetes_validate

errors = 0
for manifest in json.load(sys.stdin):
    for release in sys.argv[1:]:
        try:
            kubernetes_validate.validate(manifest, release, strict=True)
        except (kubernetes_validate.ValidationError, kubernetes_validate.SchemaNotFoundError) as error:
            errors += 1
            print(f"{manifest['kind']} {manifest['metadata']['name']}, Kubernetes {release}: {error}")
sys.exit(1 if errors else 0)
