//! How often those who aren't known yet may call from one address, as for logins.

use std::{
    net::{IpAddr, Ipv6Addr},
    num::NonZeroU32,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
};

use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};

/// After so many calls those addresses are forgotten that have all of their calls left.
const SWEEP: u32 = 1_024;

/// Counts calls by address. Clones are one and the same. What it keeps has the size of the calls of one second.
#[derive(Clone)]
pub(crate) struct Strangers(Option<Arc<Counted>>);

struct Counted {
    limiter: DefaultKeyedRateLimiter<IpAddr>,
    calls: AtomicU32,
}

impl Strangers {
    /// So many calls a second from each address; 0 for any number.
    pub(crate) fn new(rate: u32) -> Self {
        let counted = |rate| {
            let limiter = RateLimiter::keyed(Quota::per_second(rate));
            Arc::new(Counted { limiter, calls: AtomicU32::new(0) })
        };
        Self(NonZeroU32::new(rate).map(counted))
    }

    /// Counts a call; false where it is one too many.
    pub(crate) fn admit(&self, address: IpAddr) -> bool {
        let Some(counted) = &self.0 else { return true };
        if counted.calls.fetch_add(1, Ordering::Relaxed).is_multiple_of(SWEEP) {
            counted.limiter.retain_recent();
        }
        counted.limiter.check_key(&share(address)).is_ok()
    }
}

/// What one caller has of the address space: of IPv6 a whole /64.
fn share(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(v6) => Ipv6Addr::from_bits(v6.to_bits() & (u128::MAX << 64)).into(),
        v4 => v4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_address_has_its_calls_and_no_more() {
        let strangers = Strangers::new(3);
        let call = |address: &str| strangers.admit(address.parse().unwrap());
        assert!((0..3).all(|_| call("192.0.2.1")) && !call("192.0.2.1"));
        assert!(call("192.0.2.2"), "another address");
        assert!(!call("::ffff:192.0.2.1"), "the same, written otherwise");
        assert!((0..3).all(|end| call(&format!("2001:db8::{end}"))) && !call("2001:db8::9"), "one network");
        let any = Strangers::new(0);
        assert!((0..1_000).all(|_| any.admit("192.0.2.1".parse().unwrap())));
    }
}
