"""Reads OpenMetrics from standard input with the strict parser of prometheus_client, and prints as JSON which samples there are and
the trace ids of exemplars, by the name of the sample."""
import json
import sys

from prometheus_client.openmetrics.parser import text_string_to_metric_families

samples, exemplars, kinds = [], {}, {}
for family in text_string_to_metric_families(sys.stdin.read()):
    assert family.documentation, family.name
    kinds[family.name] = family.type
    for sample in family.samples:
        samples.append([sample.name, sample.labels, sample.value])
        if sample.exemplar:
            exemplars.setdefault(sample.name, []).append(sample.exemplar.labels["trace_id"])
print(json.dumps({"samples": samples, "exemplars": exemplars, "kinds": kinds}))
