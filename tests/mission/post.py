import requests
with open('batch-data.xml', 'rb') as file:
    response = requests.post('http://example.com/batch-operation', data=file)
if response.status_code == 207:
    print("Multi-Status response received")
