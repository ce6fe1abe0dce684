//! Endpoints that lead elsewhere.

use super::Behaviour;
use super::stage::Stage;
use bytes::Bytes;

/// See [`BehaviourKind::FalseEndpoints`](super::BehaviourKind::FalseEndpoints).
#[derive(Debug, Default)]
pub(super) struct FalseEndpoints;

impl Behaviour for FalseEndpoints {
    fn act(&mut self, stage: &mut Stage<'_>) {
        if !stage.one_in(10) {
            return;
        }
        let alive = stage.alive(stage.me.incarnation, stage.sequence());
        let alive = match stage.rng.u8(0..7) {
            0 => alive.with_endpoint(""),
            1 => alive.with_endpoint("no endpoint"),
            2 => alive.with_endpoint(&"long".repeat(100_000)),
            3 => {
                // where somebody else is
                let places = [
                    "peer0.org1.example.com:7051",
                    "peer1.org2.example.com:7051",
                    "peer0.org1.example.com.internal:7051",
                ];
                let place = stage.one_of(&places, "");
                alive.with_endpoint(place)
            }
            4 => {
                let port = stage.rng.u16(..);
                alive.with_secret(&format!("nowhere{port}.example.com:{port}"))
            }
            5 => {
                let port = stage.rng.u16(..);
                alive.with_endpoint(&format!("nowhere{port}.example.com:{port}"))
            }
            _ => {
                let mut alive = alive;
                alive.metadata = Bytes::from(vec![b'm'; 200_000]);
                alive
            }
        };
        let envelope = if stage.one_in(2) { alive.with_identity() } else { alive }.seal();
        stage.send_to_all(&envelope);
    }
}
