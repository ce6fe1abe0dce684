//! Other gRPC services on the same listener, and generated clients over a dialled connection.

use super::support::{Authority, LONG, Node, tls};
use selvedge::transport::{PeerInfo, Settings, Transport, certificate_hash};
use std::convert::Infallible;
use std::task::{Context, Poll};
use tonic::body::Body;
use tonic::codegen::http::{Request, Response};
use tonic::codegen::{BoxFuture, Service};
use tonic::server::{Grpc, NamedService, UnaryService};
use tonic::service::Routes;
use tonic::{Code, Status};

/// Answers any string with what it knows of the peer.
#[derive(Clone)]
struct WhoAmI;

impl NamedService for WhoAmI {
    const NAME: &'static str = "test.WhoAmI";
}

impl UnaryService<String> for WhoAmI {
    type Response = String;
    type Future = BoxFuture<tonic::Response<String>, Status>;

    fn call(&mut self, request: tonic::Request<String>) -> Self::Future {
        let known = request.extensions().get::<PeerInfo>().map(|peer| {
            let hash = peer.certificate.as_ref().map(certificate_hash);
            assert_eq!(peer.binding.and_then(|binding| binding.remote), hash);
            format!("{} {:02x?}", peer.remote_address.ip(), hash.unwrap_or_default())
        });
        Box::pin(async move {
            known.map(tonic::Response::new).ok_or_else(|| Status::internal("nothing is known"))
        })
    }
}

impl Service<Request<Body>> for WhoAmI {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<Self::Response, Infallible>;

    fn poll_ready(&mut self, _cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        Box::pin(async move {
            let codec = tonic_prost::ProstCodec::<String, String>::default();
            Ok(Grpc::new(codec).unary(Self, request).await)
        })
    }
}

#[tokio::test]
async fn a_further_service_knows_its_client() {
    let root = Authority::new("tlsca");
    let node = Node::start_with(Settings::default(), Some(tls(&root, "node")), Routes::new(WhoAmI)).await;
    let handle = tls(&root, "client");
    let (transport, _events) = Transport::new(Settings::default(), Some(handle.clone()));
    let connection = transport.connect(&node.endpoint(), LONG, &mut |_| {}).await.unwrap();

    let mut client = tonic::client::Grpc::new(connection.clone());
    client.ready().await.unwrap();
    let codec = tonic_prost::ProstCodec::<String, String>::default();
    let path = "/test.WhoAmI/Ask".parse().unwrap();
    let answer = client.unary(tonic::Request::new(String::new()), path, codec).await.unwrap();
    assert_eq!(answer.into_inner(), format!("127.0.0.1 {:02x?}", handle.client_hash()));

    let codec = tonic_prost::ProstCodec::<String, String>::default();
    client.ready().await.unwrap();
    let path = "/test.Unknown/Ask".parse().unwrap();
    let refused = client.unary(tonic::Request::new(String::new()), path, codec).await.unwrap_err();
    assert_eq!(refused.code(), Code::Unimplemented);
}
