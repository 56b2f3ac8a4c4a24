curl -i -X POST -d "@batch-data.xml" http://example.com/batch-operation
