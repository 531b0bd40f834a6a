//! Requests that wait for their place, and replies that mute, among the others.

use std::collections::VecDeque;

use proptest::prelude::*;

use super::*;

/// What a request asks of the service, by api key; its version says for how many milliseconds its reply mutes.
const AT_ONCE: i16 = 0;
/// Its place is fixed; its reply comes on a signal.
const LATER: i16 = 1;
/// Its place is fixed on a signal, and its reply is ready then.
const PLACED: i16 = 2;
/// Its place is fixed on a signal, and its reply comes on a second signal.
const PLACED_AND_LATER: i16 = 3;
/// It gets no place: the connection ends.
const PLACED_NOWHERE: i16 = 4;

/// What has happened, with the time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Event {
    Started(i32),
    /// With what the session counted.
    Placed(i32, usize),
    Answered(i32),
}

#[derive(Default)]
struct Toy {
    events: Mutex<Vec<(Instant, Event)>>,
    /// The waiting requests, in the order in which they began to wait.
    told: Mutex<VecDeque<(i32, oneshot::Sender<()>)>>,
    /// Held by whatever waits.
    waits: Arc<()>,
}

impl Toy {
    fn note(&self, event: Event) {
        self.events.lock().unwrap().push((Instant::now(), event));
    }

    fn events(&self) -> Vec<Event> {
        let events = self.events.lock().unwrap();
        events.iter().map(|(_, event)| *event).collect()
    }

    fn ids(&self, id: impl Fn(&Event) -> Option<i32>) -> Vec<i32> {
        self.events().iter().filter_map(id).collect()
    }

    fn started(&self) -> Vec<i32> {
        self.ids(|event| match event {
            Event::Started(id) => Some(*id),
            _ => None,
        })
    }

    fn answered(&self) -> Vec<i32> {
        self.ids(|event| match event {
            Event::Answered(id) => Some(*id),
            _ => None,
        })
    }

    /// Signals the waiting request with this index. Returns whether there is one.
    fn tell(&self, place: usize) -> bool {
        let mut told = self.told.lock().unwrap();
        told.retain(|(_, told)| !told.is_closed());
        let count = told.len();
        let next = (count > 0).then(|| told.remove(place % count).unwrap());
        drop(told);
        next.is_some_and(|(_, told)| told.send(()).is_ok())
    }

    fn wait(self: &Arc<Self>, id: i32) -> impl Future<Output = ()> + Send + 'static {
        let (tell, told) = oneshot::channel();
        self.told.lock().unwrap().push_back((id, tell));
        let waits = Arc::clone(&self.waits);
        async move {
            told.await.unwrap();
            drop(waits);
        }
    }

    fn reply(self: &Arc<Self>, request: &Request, is_later: bool) -> Started<usize> {
        let (toy, id) = (Arc::clone(self), request.prefix.correlation_id);
        let mute = u64::try_from(request.prefix.api_version).unwrap();
        let wait = is_later.then(|| self.wait(id));
        Started::reply(async move {
            if let Some(wait) = wait {
                wait.await;
            }
            toy.note(Event::Answered(id));
            Reply::from(Parts::message(id, 0, Bytes::new())).and_mute(Duration::from_millis(mute))
        })
    }
}

/// The service; a session counts the fixed places.
struct ToyService(Arc<Toy>);

impl Service for ToyService {
    type Session = usize;

    fn open(&self, _: Peer) -> usize {
        0
    }

    fn cost(&self, _: &RequestPrefix, _: &[u8]) -> usize {
        1000
    }

    fn start(&self, session: &mut usize, request: Request) -> Started<usize> {
        let RequestPrefix {
            api_key: key,
            correlation_id: id,
            ..
        } = request.prefix;
        let toy = Arc::clone(&self.0);
        toy.note(Event::Started(id));
        if matches!(key, AT_ONCE | LATER) {
            *session += 1;
            toy.note(Event::Placed(id, *session));
            return toy.reply(&request, key == LATER);
        }
        let wait = toy.wait(id);
        Started::placing(async move {
            wait.await;
            move |session: &mut usize| {
                *session += 1;
                toy.note(Event::Placed(id, *session));
                if key == PLACED_NOWHERE {
                    return Started::close("it has no place");
                }
                toy.reply(&request, key == PLACED_AND_LATER)
            }
        })
    }
}

struct Toyed {
    stream: DuplexStream,
    toy: Arc<Toy>,
    shared: Arc<Shared>,
    stage: watch::Sender<Stage>,
    served: JoinHandle<Ending>,
}

impl Toyed {
    fn connect(settings: Settings) -> Self {
        let (near, stream) = tokio::io::duplex(1 << 20);
        let toy = Arc::new(Toy::default());
        let address = SocketAddr::new("127.0.0.1".parse().unwrap(), 9092);
        let peer = Peer {
            address,
            local: address,
            listener: "TEST".into(),
        };
        let service = Arc::new(ToyService(Arc::clone(&toy)));
        let shared = Arc::new(Shared::new(settings));
        let (stage, receiver) = watch::channel(Stage::Serving);
        let connection = Connection::new(near, peer, service, Arc::clone(&shared));
        Self {
            stream,
            toy,
            shared,
            stage,
            served: tokio::spawn(connection.run(receiver)),
        }
    }

    /// Sends requests: what is asked, and for how long the reply mutes. Their ids count from 0.
    async fn send(&mut self, requests: &[(i16, i16)]) {
        let mut bytes = Vec::new();
        for (id, (key, mute)) in (0..).zip(requests) {
            let mut frame = frame(*key, id, b"");
            frame[6..8].copy_from_slice(&mute.to_be_bytes());
            bytes.extend_from_slice(&frame);
        }
        self.stream.write_all(&bytes).await.unwrap();
    }

    async fn receive(&mut self) -> i32 {
        assert_eq!(self.stream.read_i32().await.unwrap(), 4);
        self.stream.read_i32().await.unwrap()
    }
}

#[tokio::test(start_paused = true)]
async fn nothing_is_started_behind_a_request_that_waits_for_its_place() {
    let mut client = Toyed::connect(Settings::default());
    let requests = [(LATER, 0), (PLACED_AND_LATER, 0), (AT_ONCE, 0)];
    client.send(&requests).await;
    settle().await;
    assert_eq!(client.toy.started(), [0, 1]);
    // The place is fixed while an earlier request still waits for its answer.
    assert!(client.toy.tell(1));
    settle().await;
    let places = [
        Event::Placed(0, 1),
        Event::Placed(1, 2),
        Event::Placed(2, 3),
    ];
    let events = client.toy.events();
    let placed = events
        .iter()
        .filter(|event| matches!(event, Event::Placed(..)));
    assert!(
        placed.eq(&places),
        "the session is seen by all that comes behind"
    );
    assert!(client.toy.tell(1));
    settle().await;
    assert!(client.toy.answered().is_empty());
    assert!(client.toy.tell(0));
    for id in 0..3 {
        assert_eq!(client.receive().await, id);
    }
}

#[tokio::test(start_paused = true)]
async fn a_request_that_has_no_place_ends_the_connection_behind_earlier_replies() {
    let mut client = Toyed::connect(Settings::default());
    client
        .send(&[(LATER, 0), (PLACED_NOWHERE, 0), (AT_ONCE, 0)])
        .await;
    settle().await;
    assert!(client.toy.tell(1));
    settle().await;
    assert!(client.toy.tell(0));
    assert_eq!(client.receive().await, 0);
    let ending = client.served.await.unwrap();
    assert_eq!(ending, Ending::Refused("it has no place".into()));
    assert_eq!(client.toy.started(), [0, 1]);
}

#[tokio::test(start_paused = true)]
async fn a_server_that_stops_waits_for_a_place() {
    let mut client = Toyed::connect(Settings::default());
    client.send(&[(PLACED_AND_LATER, 9), (AT_ONCE, 0)]).await;
    settle().await;
    client.stage.send_replace(Stage::Draining);
    settle().await;
    assert!(client.toy.tell(0));
    settle().await;
    assert!(client.toy.tell(0));
    assert_eq!(client.receive().await, 0);
    assert_eq!(client.served.await.unwrap(), Ending::Stopped);
    assert_eq!(client.toy.started(), [0]);
}

#[tokio::test(start_paused = true)]
async fn a_muted_connection_is_answered_and_then_takes_nothing_for_a_while() {
    let mut client = Toyed::connect(Settings {
        pipeline_max_requests: 2,
        max_idle: Some(Duration::from_secs(1)),
        ..Settings::default()
    });
    client
        .send(&[(AT_ONCE, 5_000), (LATER, 0), (AT_ONCE, 0)])
        .await;
    assert_eq!(client.receive().await, 0);
    let muted = Instant::now();
    settle().await;
    assert_eq!(client.toy.started(), [0, 1]);
    assert!(client.toy.tell(0));
    assert_eq!(
        client.receive().await,
        1,
        "what has been started is answered"
    );
    assert!(muted.elapsed() < Duration::from_secs(1));
    assert_eq!(client.receive().await, 2);
    assert_eq!(muted.elapsed().as_secs(), 5);
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_goes_is_not_muted() {
    let mut client = Toyed::connect(Settings::default());
    client.send(&[(AT_ONCE, 30_000), (LATER, 0)]).await;
    settle().await;
    client.toy.tell(0);
    settle().await;
    let requests = [frame(AT_ONCE, 2, b""), frame(AT_ONCE, 3, b"")].concat();
    client.stream.write_all(&requests).await.unwrap();
    settle().await;
    assert_eq!(client.toy.started(), [0, 1]);
    let gone = Instant::now();
    drop(client.stream);
    assert_eq!(client.served.await.unwrap(), Ending::PeerClosed);
    assert!(gone.elapsed() < Duration::from_secs(1));
    assert_eq!(client.toy.started(), [0, 1, 2, 3], "it is carried through");
}

/// A step of a test besides sending.
#[derive(Clone, Debug)]
enum Step {
    /// Signals one of the waiting requests.
    Tell(usize),
    /// Lets time pass.
    Pass(u64),
    /// Reads a reply, if there is one.
    Receive,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        (0..10usize).prop_map(Step::Tell),
        (0..40u64).prop_map(Step::Pass),
        Just(Step::Receive),
    ];
    prop::collection::vec(step, 0..60)
}

fn requests() -> impl Strategy<Value = Vec<(i16, i16)>> {
    let key = prop::sample::select(vec![AT_ONCE, LATER, PLACED, PLACED_AND_LATER]);
    let mute = prop_oneof![3 => Just(0i16), 1 => 1..50i16];
    prop::collection::vec((key, mute), 1..40)
}

/// Properties of every history of these requests. A peer that has gone is not muted.
fn check(toy: &Toy, requests: &[(i16, i16)], most: usize, gone: Instant) {
    let mut open: VecDeque<i32> = VecDeque::new();
    let mut placing = None;
    let mut muted_until: Option<Instant> = None;
    let (mut next, mut places) = (0, 0);
    for (at, event) in &*toy.events.lock().unwrap() {
        match *event {
            Event::Started(id) => {
                assert_eq!(id, next, "started in order of arrival");
                assert_eq!(placing, None, "{id} was started behind one without a place");
                assert!(
                    *at >= gone || muted_until.is_none_or(|until| *at >= until),
                    "{id} was started while muted"
                );
                next += 1;
                placing = Some(id);
                open.push_back(id);
                assert!(open.len() <= most, "{open:?} are started at once");
            }
            Event::Placed(id, place) => {
                places += 1;
                assert_eq!((placing.take(), place), (Some(id), places));
            }
            Event::Answered(id) => {
                assert_eq!(open.pop_front(), Some(id), "answered in order");
                let (_, mute) = requests[usize::try_from(id).unwrap()];
                let until = *at + Duration::from_millis(mute.try_into().unwrap());
                muted_until = muted_until.max((mute > 0).then_some(until));
            }
        }
    }
}

/// Runs the steps; then the peer closes (`gone`), or everything is signalled until all requests are answered.
async fn run(requests: &[(i16, i16)], steps: &[Step], most: usize, permits: usize, gone: bool) {
    let mut client = Toyed::connect(Settings {
        pipeline_max_requests: most,
        queued_max_requests: permits,
        ..Settings::default()
    });
    client.send(requests).await;
    let mut received = Vec::new();
    for step in steps {
        match step {
            Step::Tell(place) => {
                client.toy.tell(*place);
            }
            Step::Pass(time) => sleep(Duration::from_millis(*time)).await,
            Step::Receive => {
                if client.toy.answered().len() > received.len() {
                    received.push(client.receive().await);
                }
            }
        }
    }
    let Toyed {
        mut stream,
        toy,
        shared,
        stage: _stage,
        served,
    } = client;
    let mut gone_at = Instant::now();
    if gone {
        drop(stream);
        assert_eq!(served.await.unwrap(), Ending::PeerClosed);
        assert_eq!(Arc::strong_count(&toy.waits), 1, "what waited is dropped");
    } else {
        // Each tells or lets a mute end; nothing else may be needed for anything to move on.
        let longest = Duration::from_millis(60);
        while received.len() < requests.len() {
            if let Ok(Ok(size)) = timeout(longest, stream.read_i32()).await {
                assert_eq!(size, 4);
                received.push(stream.read_i32().await.unwrap());
            } else {
                assert!(
                    toy.tell(0),
                    "a wakeup is lost: {received:?} of {requests:?}"
                );
            }
        }
        let expected: Vec<i32> = (0..).take(requests.len()).collect();
        assert_eq!(received, expected);
        gone_at = Instant::now();
        drop(stream);
        assert_eq!(served.await.unwrap(), Ending::PeerClosed);
    }
    check(&toy, requests, most, gone_at);
    assert_eq!(shared.memory.held(), 0);
}

proptest! {
    #[test]
    fn order_and_bounds_hold_for_any_mixture(
        requests in requests(),
        steps in steps(),
        most in 1..8usize,
        permits in 1..8usize,
        gone in any::<bool>(),
    ) {
        tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .start_paused(true)
            .build()
            .unwrap()
            .block_on(run(&requests, &steps, most, permits, gone));
    }
}
