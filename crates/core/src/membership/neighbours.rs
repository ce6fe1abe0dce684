//! Whom a peer of a huge network talks to of its own accord.
//!
//! Receivers of pushes, and those who are asked for their view, are drawn anew for each message. Where everybody draws from
//! all, everybody is soon connected with everybody, and a peer of a network of thousands has thousands of TLS connections. So
//! from some number of members on it draws from a sample of them, which changes only with the members. Who pushes to whom is
//! then a random graph whose degree is the size of the sample, and with some tens a message that everybody passes on to three
//! others reaches as many as without: what it misses is pulled either way.
//!
//! The sample is uniform at any time, so that whoever joins last is drawn by as many as everybody else: the n-th member takes
//! the place of another with the probability that it would have been drawn. The own organisation and the others have samples
//! of their own, because much is for the own organisation alone; between the two is drawn by how many there are of each.

use super::Member;
use crate::ids::PkiId;
use crate::peer::Peer;

/// Below so many members for each neighbour everybody draws from all.
const MEMBERS_PER_NEIGHBOUR: usize = 4;
/// How often one is drawn for each that is wanted: some may not have it, or were drawn already.
const TRIES_PER_RECEIVER: usize = 8;

/// See the module.
#[derive(Debug)]
pub(super) struct Neighbours {
    own_org: Sample,
    others: Sample,
    /// How many of each kind.
    count_max: usize,
    /// Its own, so that no other choice depends on who is here.
    rng: fastrand::Rng,
}

/// A uniform sample of the living members of one kind.
#[derive(Debug, Default)]
struct Sample {
    drawn: Vec<PkiId>,
    /// How many members of this kind are alive.
    alive_count: usize,
}

impl Sample {
    fn add(&mut self, pki_id: PkiId, count_max: usize, rng: &mut fastrand::Rng) {
        self.alive_count += 1;
        if self.drawn.len() < count_max {
            self.drawn.push(pki_id);
        } else if let Some(place) = self.drawn.get_mut(rng.usize(..self.alive_count)) {
            *place = pki_id;
        }
    }

    fn remove(&mut self, pki_id: &PkiId) -> bool {
        self.alive_count = self.alive_count.saturating_sub(1);
        let place = self.drawn.iter().position(|it| it == pki_id);
        place.map(|place| self.drawn.swap_remove(place)).is_some()
    }
}

impl Neighbours {
    /// With `count` neighbours in all; none are needed if that is 0.
    pub(super) fn new(count: usize, seed: u64) -> Self {
        let rng = fastrand::Rng::with_seed(seed ^ 0x6e65_6967_6862_6f75);
        Self { own_org: Sample::default(), others: Sample::default(), count_max: count.div_ceil(2), rng }
    }

    /// Whether the members are so many that neighbours are drawn from.
    pub(super) fn are_needed(&self) -> bool {
        self.count_max > 0
            && self.own_org.alive_count + self.others.alive_count > MEMBERS_PER_NEIGHBOUR * 2 * self.count_max
    }

    fn sample(&mut self, is_own_org: bool) -> &mut Sample {
        if is_own_org { &mut self.own_org } else { &mut self.others }
    }

    /// A member is alive that was not.
    pub(super) fn add(&mut self, pki_id: PkiId, is_own_org: bool) {
        let sample = if is_own_org { &mut self.own_org } else { &mut self.others };
        sample.add(pki_id, self.count_max, &mut self.rng);
    }

    /// A member is no longer alive. Its place is taken by one that `substitute` finds, given a random number, if any.
    pub(super) fn remove(
        &mut self,
        pki_id: &PkiId,
        is_own_org: bool,
        substitute: impl FnOnce(&mut fastrand::Rng) -> Option<PkiId>,
    ) {
        if !self.sample(is_own_org).remove(pki_id) {
            return;
        }
        let Some(found) = substitute(&mut self.rng) else { return };
        let sample = self.sample(is_own_org);
        if !sample.drawn.contains(&found) {
            sample.drawn.push(found);
        }
    }

    /// One of them, drawn as if from all members, or from those of the own organisation.
    pub(super) fn draw(&self, only_own_org: bool, rng: &mut fastrand::Rng) -> Option<PkiId> {
        let (own_count, other_count) = (self.own_org.alive_count, self.others.alive_count);
        let is_own = only_own_org || own_count > 0 && rng.usize(..own_count + other_count) < own_count;
        let sample = if is_own { &self.own_org } else { &self.others };
        (!sample.drawn.is_empty())
            .then(|| sample.drawn.get(rng.usize(..sample.drawn.len())).copied())
            .flatten()
    }
}

impl Peer {
    /// Up to `wanted` different neighbours of whom `may` holds, or of the own organisation's. `None` if there are not so many
    /// among them, or if neighbours are not needed: then it is drawn from all.
    pub(crate) fn draw_neighbours(
        &self,
        wanted: usize,
        only_own_org: bool,
        rng: &mut fastrand::Rng,
        may: impl Fn(&Self, &Member) -> bool,
    ) -> Option<Vec<&Member>> {
        let state = &self.membership.state;
        let neighbours = state.neighbours();
        if !neighbours.are_needed() {
            return None;
        }
        let mut drawn: Vec<&Member> = Vec::with_capacity(wanted);
        for _ in 0..TRIES_PER_RECEIVER * wanted {
            if drawn.len() == wanted {
                break;
            }
            let Some(member) = neighbours.draw(only_own_org, rng).and_then(|pki_id| state.member(&pki_id))
            else {
                continue;
            };
            let is_new = drawn.iter().all(|other| other.pki_id != member.pki_id);
            if is_new && member.is_alive() && may(self, member) {
                drawn.push(member);
            }
        }
        if drawn.len() == wanted {
            return Some(drawn);
        }
        // much is for the own organisation alone, and that may be a small part of all
        (!only_own_org).then(|| self.draw_neighbours(wanted, true, rng, may)).flatten()
    }

    /// Whom to ask for what everybody can give: as many as `pull_peer_count` of those of whom `may` holds.
    pub(crate) fn draw_partners(&mut self, may: impl Fn(&Self, &Member) -> bool) -> Option<Vec<PkiId>> {
        let wanted = self.shared.config.pull_peer_count;
        if !self.membership.state.neighbours().are_needed() {
            return None;
        }
        let mut rng = self.shared.rng.fork();
        let drawn = self.draw_neighbours(wanted, false, &mut rng, may)?;
        Some(drawn.into_iter().map(|member| member.pki_id).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn member(number: u16) -> PkiId {
        let mut bytes = [0; 32];
        bytes[..2].copy_from_slice(&number.to_le_bytes());
        PkiId::new(bytes)
    }

    #[test]
    fn early_and_late_members_are_drawn_alike() {
        let mut counts = [0_u32; 4];
        for seed in 0..400 {
            let mut neighbours = Neighbours::new(40, seed);
            (0..400).for_each(|number| neighbours.add(member(number), true));
            assert_eq!(neighbours.own_org.drawn.len(), 20);
            for pki_id in &neighbours.own_org.drawn {
                counts
                    [usize::from(u16::from_le_bytes([pki_id.as_bytes()[0], pki_id.as_bytes()[1]])) / 100] +=
                    1;
            }
        }
        assert_eq!(counts.iter().sum::<u32>(), 8000);
        assert!(counts.iter().all(|count| (1850..2150).contains(count)), "{counts:?}");
    }

    #[test]
    fn organisations_are_drawn_by_their_size() {
        let mut neighbours = Neighbours::new(40, 1);
        (0..300).for_each(|number| neighbours.add(member(number), true));
        (300..400).for_each(|number| neighbours.add(member(number), false));
        let mut rng = fastrand::Rng::with_seed(1);
        let is_own = |pki_id: PkiId| u16::from_le_bytes([pki_id.as_bytes()[0], pki_id.as_bytes()[1]]) < 300;
        let own_count = (0..4000).filter(|_| is_own(neighbours.draw(false, &mut rng).unwrap())).count();
        assert!((2900..3100).contains(&own_count), "{own_count}");
        assert!((0..100).all(|_| is_own(neighbours.draw(true, &mut rng).unwrap())));
    }

    #[test]
    fn whoever_dies_is_replaced() {
        let mut neighbours = Neighbours::new(4, 1);
        (0..3).for_each(|number| neighbours.add(member(number), true));
        let gone = neighbours.own_org.drawn[0];
        let next = (0..3).map(member).find(|it| !neighbours.own_org.drawn.contains(it)).unwrap();
        neighbours.remove(&gone, true, |_| Some(next));
        assert!(!neighbours.own_org.drawn.contains(&gone) && neighbours.own_org.drawn.contains(&next));
        let mut rng = fastrand::Rng::with_seed(1);
        assert!(neighbours.draw(false, &mut rng).is_some());
        for number in 0..3 {
            neighbours.remove(&member(number), true, |_| None);
        }
        assert_eq!(neighbours.draw(false, &mut rng), None);
    }
}
