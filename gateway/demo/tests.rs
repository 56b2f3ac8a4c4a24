//! What the demonstration says, apart from the batch.

use super::*;

#[test]
fn the_addresses_are_those_of_the_ports() {
    let text = addresses(Ports::new(Some(7000)));
    for expected in [
        "curl -i http://127.0.0.1:7000/batch -H 'Content-Type: application/json' --data '{\"requests\":[",
        "curl -i http://127.0.0.1:7000/batch -H 'Content-Type: application/xml' --data '<batch>",
        "http://127.0.0.1:7001/orders/1",
        "http://127.0.0.1:7002/metrics",
        "http://127.0.0.1:7002/config",
    ] {
        assert!(text.contains(expected), "{expected} is not in {text}");
    }
}

#[test]
fn a_taken_port_is_a_failure() {
    let holder = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = holder.local_addr().unwrap().port();
    let error = run(DemoOptions { until: DemoUntil::BatchAnswered, port: Some(port) }).unwrap_err();
    assert!(error.to_string().starts_with("batchgate demo: the gateway "), "{error}");
}

#[tokio::test]
async fn the_batch_waits_until_the_gateway_listens() {
    use crate::listener::plain_service::PlainHandler;

    struct Mirror;
    impl PlainHandler for Mirror {
        async fn answer(&self, request: Request<Bytes>) -> Response<Bytes> {
            Response::new(request.into_body())
        }
    }
    let address = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let (_stop, stopped) = watch::channel(false);
    let late = async {
        tokio::task::yield_now().await;
        let mut service = PlainService::new("late", Mirror);
        service.listen(address).unwrap();
        service.serve(stopped).await;
    };
    // In this order the batch meets a closed port first.
    tokio::select! {
        biased;
        reply = send_batch(address) => assert_eq!(reply.unwrap().0.body(), sample::BATCH),
        () = late => panic!("it ended by itself"),
    }
}
