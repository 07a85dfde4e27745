//! A reader stops reading, among many who don't.

use std::time::Duration;

use gochat_rig::within;
use tokio::time::{Instant, interval, timeout};

use crate::{
    cast::{Cast, Recorder},
    judge::Expect,
    scene::{SETTLES, Scene, plan},
};

/// More than a notifier ever has reason to hold for one room: its ring has 256, as the log of
/// so small a room usually has, and as many wait for a reader at the most.
pub(crate) const HELD: f64 = 600.0;
/// A room in which much happens, with much in each event.
pub(crate) const BUSY: Cast = Cast {
    rooms: 1,
    actors: 12,
    listeners: 2,
    observers: 0,
    pace: Duration::from_millis(150),
    avatar: 1_000,
};
const GOOD: usize = 200;
const STOPS_FOR: Duration = Duration::from_secs(30);

impl Scene {
    /// Adds services that look on, the first of which has a connection of its own.
    pub(crate) fn joined_by(&self, observers: usize) {
        let notifier = self.deployment.endpoints().notifier;
        let room_id = &self.rooms[0];
        let mut recorders = self.recorders.lock().unwrap();
        recorders.insert(0, Recorder::observer(&notifier, room_id));
        recorders.extend(Recorder::crowd(&notifier, room_id, observers, 8));
    }

    /// The most that the notifier ever holds in so much time.
    pub(crate) async fn most_held(&self, time: Duration) -> f64 {
        let (mut looks, mut most) = (interval(Duration::from_millis(500)), 0.0_f64);
        let looking = async {
            loop {
                looks.tick().await;
                let held = self.deployment.notifiers[0].metric("gochat_deliveries_held").await;
                most = most.max(held.expect("the metric is there"));
            }
        };
        let _: Result<(), _> = timeout(time, looking).await;
        most
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_reader_stops_among_two_hundred_good_ones() {
    let mut scene = Scene::with(plan(1), BUSY).await;
    scene.joined_by(GOOD);
    scene.plays(100).await;
    scene.recorders.lock().unwrap()[0].subscriber.pause();
    let most = scene.most_held(STOPS_FOR).await;
    assert!(most < HELD, "{most} deliveries were held");
    println!("at most {most} deliveries were held");

    scene.halts().await;
    scene.remember().await;
    let began = Instant::now();
    within(SETTLES, async || (scene.behind() == 1).then_some(())).await;
    assert_eq!(scene.behind(), 1, "the good ones are not held up");
    println!("the good ones had all after {:?}", began.elapsed());

    scene.goes_on();
    scene.recorders.lock().unwrap()[0].subscriber.resume();
    scene.plays(100).await;
    let verdict = scene.verdict(Expect { goodbye: true, ..Expect::default() }).await;
    assert!(verdict.commits > 200 * 500, "{verdict:?}");
}
