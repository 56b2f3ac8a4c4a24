//! The services that clients of batches are made for, as far as a batch's calls see them: Google's storage and
//! drive, Azure's blobs and tables, Graph, `SharePoint`, OData 2 and 4, Dynamics. They answer as their documentation says,
//! fail for the names in [`is_missing`], and forget everything.

use serde_json::{Value, json};

use super::programs::test_file;
use super::upstream::Recorded;
use super::{Answer, Upstream};

/// All of them, told apart by their paths.
pub(crate) fn start() -> Upstream {
    Upstream::answering(answer)
}

fn answer(request: &Recorded) -> Answer {
    let folder = request.target.split('/').nth(1).unwrap_or_default();
    match folder {
        "storage" | "drive" => google(request),
        "acct" if request.target.starts_with("/acct/orders") => tables(request),
        "acct" => blobs(request),
        "v1.0" | "api" => entities(request),
        "sites" => sharepoint(request),
        "v2" | "svc" => orders(request, folder == "v2"),
        _ => Answer::empty(404).header("Content-Length", "0"),
    }
}

/// Whether this is what each of the services does not have.
fn is_missing(target: &str) -> bool {
    ["missing", "(99)", "%2899%29", "0099)"].iter().any(|name| target.contains(name))
}

/// <https://cloud.google.com/storage/docs/json_api/v1/status-codes>
fn google(request: &Recorded) -> Answer {
    if is_missing(&request.target) {
        let error =
            json!({"message": "No such object: bk/missing", "domain": "global", "reason": "notFound"});
        let error = json!({"code": 404, "message": error["message"], "errors": [error]});
        return Answer::json(404, json!({ "error": error }).to_string());
    }
    match request.method.as_str() {
        "DELETE" => Answer::empty(204),
        _ => Answer::json(200, r#"{"id":"7","name":"file.txt"}"#),
    }
}

/// <https://learn.microsoft.com/rest/api/storageservices/status-and-error-codes2>
fn blobs(request: &Recorded) -> Answer {
    let reply = if is_missing(&request.target) {
        let error = "<?xml version=\"1.0\" encoding=\"utf-8\"?><Error><Code>BlobNotFound</Code><Message>The \
                     specified blob does not exist.</Message></Error>";
        Answer::of(404, "application/xml", error).header("x-ms-error-code", "BlobNotFound")
    } else if request.target.contains("restype=container") {
        Answer::empty(200).header("Content-Length", "0").header("ETag", "\"0x8D\"")
    } else {
        let status = if request.method == "DELETE" { 202 } else { 200 };
        Answer::empty(status).header("Content-Length", "0")
    };
    reply.header("x-ms-request-id", "1").header("x-ms-version", "2026-01-01")
}

/// <https://learn.microsoft.com/rest/api/storageservices/table-service-error-codes>
fn tables(request: &Recorded) -> Answer {
    let body = String::from_utf8_lossy(&request.body);
    if request.method == "POST" && body.contains(r#""b""#) {
        let message = json!({"lang": "en-US", "value": "The specified entity already exists."});
        let error = json!({"odata.error": {"code": "EntityAlreadyExists", "message": message}});
        return Answer::json(409, error.to_string());
    }
    let reply = Answer::empty(204).header("ETag", "W/\"datetime'2026-01-01'\"");
    reply.header("Location", "/acct/orders(PartitionKey='p',RowKey='a')")
}

/// Graph and Dynamics: OData 4.
fn entities(request: &Recorded) -> Answer {
    if is_missing(&request.target) {
        return Answer::json(404, r#"{"error":{"code":"itemNotFound","message":"There is no such item."}}"#);
    }
    match request.method.as_str() {
        "POST" => Answer::json(201, r#"{"id":"21"}"#),
        "PATCH" | "DELETE" => Answer::empty(204),
        _ => Answer::json(200, r#"{"id":"1","displayName":"Łukasz & Søn"}"#),
    }
}

/// OData 3 with the light form of JSON, and errors in the verbose one if it is asked for.
fn sharepoint(request: &Recorded) -> Answer {
    if request.target.to_ascii_lowercase().ends_with("/contextinfo") {
        return Answer::json(200, r#"{"FormDigestValue":"digest","FormDigestTimeoutSeconds":1800}"#);
    }
    if is_missing(&request.target) {
        let message = json!({"lang": "en-US", "value": "Item does not exist."});
        let code = "-2130575338, Microsoft.SharePoint.SPException";
        let is_verbose = request.header("Accept").is_some_and(|accept| accept.contains("odata=verbose"));
        let member = if is_verbose { "error" } else { "odata.error" };
        return Answer::json(404, json!({member: {"code": code, "message": message}}).to_string());
    }
    match request.method.as_str() {
        "POST" if request.header("X-HTTP-Method").is_some() => Answer::empty(204),
        "POST" => Answer::json(201, r#"{"Id":21,"Title":"made"}"#),
        "MERGE" | "PATCH" | "DELETE" => Answer::empty(204),
        _ if request.target.ends_with("/items") => Answer::json(200, r#"{"value":[{"Id":1,"Title":"tea"}]}"#),
        _ => Answer::json(200, r#"{"Id":1,"Title":"tea"}"#),
    }
}

/// A service of OData 2 or 4 with orders.
fn orders(request: &Recorded, is_version_2: bool) -> Answer {
    let version = if is_version_2 { ("DataServiceVersion", "2.0") } else { ("OData-Version", "4.0") };
    let service = if is_version_2 { "/v2" } else { "/svc" };
    let target = request.target.replace("%28", "(").replace("%29", ")");
    let number = target.split_once("Orders(").and_then(|(_, rest)| rest.split(')').next());
    let reply = match (request.method.as_str(), number) {
        _ if target.contains("$metadata") => metadata(is_version_2),
        (_, Some("99")) => no_order(is_version_2),
        ("GET", number) => Answer::json(200, order(number.unwrap_or("1"), is_version_2)),
        ("POST", _) => {
            Answer::json(201, order("21", is_version_2)).header("Location", &format!("{service}/Orders(21)"))
        }
        _ => Answer::empty(204),
    };
    reply.header(version.0, version.1)
}

fn metadata(is_version_2: bool) -> Answer {
    let file = if is_version_2 { "clients/orders.edmx" } else { "clients/orders4.edmx" };
    Answer::of(200, "application/xml", std::fs::read(test_file(file)).unwrap())
}

fn no_order(is_version_2: bool) -> Answer {
    let text = "There is no order 99.";
    let message = if is_version_2 { json!({"lang": "en", "value": text}) } else { json!(text) };
    Answer::json(404, json!({"error": {"code": "SY/530", "message": message}}).to_string())
}

fn order(number: &str, is_version_2: bool) -> String {
    let number: u32 = number.parse().unwrap_or_default();
    let mut order = json!({"OrderID": number, "Customer": "Łukasz & Søn"});
    if is_version_2 {
        order["__metadata"] = json!({"uri": format!("/v2/Orders({number})"), "type": "shop.Order"});
        order = json!({ "d": order });
    }
    Value::to_string(&order)
}
