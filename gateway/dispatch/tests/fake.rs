//! An engine whose calls do what a test says.

use super::*;

/// What the fake does with a call, by its target path.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Act {
    Answer(u16),
    FailUnsent,
    FailSent,
    Panic,
    Hang,
    HangUnsent,
}

#[derive(Default)]
pub(crate) struct Fake {
    pub(super) acts: Vec<Act>,
    /// How many milliseconds each call takes; those that have none here take no time.
    pub(super) delays: Vec<u64>,
    pub(super) limiters: Vec<(FairLimiter, Flow)>,
    /// How many channels were opened.
    pub(super) channels: AtomicUsize,
    pub(super) under_way: AtomicUsize,
    pub(super) most_under_way: AtomicUsize,
    pub(super) calls: Mutex<Vec<usize>>,
    /// Fields of all replies.
    pub(super) fields: HeaderMap,
    /// The calls that were answered, in the order of the answers.
    pub(super) answered: Mutex<Vec<usize>>,
    /// What had been answered when each call was made.
    pub(super) before: Mutex<Vec<(usize, Vec<usize>)>>,
}

impl Fake {
    pub(crate) fn new(acts: &[Act], permits: usize) -> Self {
        Self {
            acts: acts.to_vec(),
            limiters: (0..3).map(|_| limiter_with(permits)).collect(),
            ..Self::default()
        }
    }

    pub(super) fn plan(&self, upstreams: usize) -> Plan {
        Plan {
            sequential: false,
            items: (0..self.acts.len()).map(|number| planned(number, number % upstreams)).collect(),
            dependencies: Vec::new(),
            conditions: crate::plan::Conditions::new(),
            follows: Vec::new(),
            undos: Vec::new(),
            ignored: Vec::new(),
        }
    }

    fn answer(&self, number: usize, status: u16) -> UpstreamReply {
        if status < 400 {
            self.answered.lock().unwrap().push(number);
        }
        let status = StatusCode::from_u16(status).unwrap();
        UpstreamReply {
            status,
            headers: self.fields.clone(),
            spellings: Spellings::default(),
            body: Bytes::new(),
        }
    }

    pub(crate) fn count(&self) -> usize {
        self.acts.len()
    }

    pub(crate) fn calls(&self) -> Vec<usize> {
        self.calls.lock().unwrap().clone()
    }
}

pub(crate) struct FakeChannel<'engine>(&'engine Fake);

impl Resolver for Fake {
    fn resolve(&self, _: &CallTemplate, _: &mut Answers<'_>) -> Result<Call, Unfit> {
        unreachable!("no item of these refers to another")
    }

    fn locate(&self, _: &str, _: RouteIndex, _: &Method, _: Fields) -> Option<Call> {
        unreachable!("no item of these is undone")
    }
}

impl<'fake> Engine for &'fake Fake {
    type Channel = FakeChannel<'fake>;

    fn channel(&self, _: UpstreamIndex) -> FakeChannel<'fake> {
        self.channels.fetch_add(1, Ordering::Relaxed);
        FakeChannel(self)
    }

    fn capacity(&self, upstream: UpstreamIndex) -> usize {
        self.limiters[upstream.0].0.limits().permits.get()
    }

    fn room_for_channels(&self, upstream: UpstreamIndex) -> usize {
        let (limiter, flow) = &self.limiters[upstream.0];
        limiter.room_for(flow)
    }

    fn try_permit(&self, upstream: UpstreamIndex) -> Option<Permit<&FairLimiter>> {
        let (limiter, flow) = &self.limiters[upstream.0];
        FairLimiter::try_acquire(limiter, flow)
    }

    async fn permit(&self, upstream: UpstreamIndex) -> Result<Permit<&FairLimiter>, CallFailure> {
        let (limiter, flow) = &self.limiters[upstream.0];
        FairLimiter::acquire(limiter, flow).await.map_err(CallFailure::from)
    }

    fn call_timeout(&self, _: &Call) -> Duration {
        Duration::from_millis(500)
    }
}

/// A limiter with this many permits; with none, one whose only permit is held forever.
pub(super) fn limiter_with(permits: usize) -> (FairLimiter, Flow) {
    let limits = LimiterLimits {
        permits: NonZeroUsize::new(permits).unwrap_or(NonZeroUsize::MIN),
        queue: 9,
        share: ClientShare::ALL,
        rate: None,
    };
    let (limiter, flow) = (FairLimiter::new(limits), Flow::new(LimitedClient::default()));
    if permits == 0 {
        std::mem::forget(FairLimiter::try_acquire(&limiter, &flow));
    }
    (limiter, flow)
}

/// A call under way. It is recorded as one attempt if it was sent.
struct InFlightGuard<'call> {
    fake: &'call Fake,
    progress: &'call Progress,
    sent: Option<Stopwatch>,
    status: Option<StatusCode>,
}

impl Drop for InFlightGuard<'_> {
    fn drop(&mut self) {
        self.fake.under_way.fetch_sub(1, Ordering::Relaxed);
        if let Some(sent) = self.sent {
            self.progress.attempt_ended(AttemptTimes {
                target: "127.0.0.1:80".into(),
                span: None,
                connected: None,
                sent,
                first_byte: None,
                end: Stopwatch::start(),
                status: self.status,
            });
        }
    }
}

impl Channel for FakeChannel<'_> {
    async fn call(
        &mut self,
        _: &Method,
        call: &Call,
        attempt: Attempt<'_>,
    ) -> Result<UpstreamReply, CallFailure> {
        let number: usize = call.target.trim_start_matches('/').parse().unwrap();
        self.0.calls.lock().unwrap().push(number);
        self.0.before.lock().unwrap().push((number, self.0.answered.lock().unwrap().clone()));
        let now = self.0.under_way.fetch_add(1, Ordering::Relaxed) + 1;
        self.0.most_under_way.fetch_max(now, Ordering::Relaxed);
        let mut under_way =
            InFlightGuard { fake: self.0, progress: attempt.progress, sent: None, status: None };
        match self.0.delays.get(number) {
            Some(delay) => tokio::time::sleep(Duration::from_millis(*delay)).await,
            None => tokio::task::yield_now().await,
        }
        if !matches!(self.0.acts[number], Act::FailUnsent | Act::HangUnsent) {
            under_way.sent = Some(attempt.progress.mark_sent());
        }
        match self.0.acts[number] {
            Act::Answer(status) => {
                attempt.progress.mark_first_byte();
                under_way.status = StatusCode::from_u16(status).ok();
                Ok(self.0.answer(number, status))
            }
            Act::FailUnsent => Err(CallFailure::ConnectionRefused),
            Act::FailSent => Err(CallFailure::ConnectionLost),
            Act::Panic => panic!("a fault of ours"),
            Act::Hang | Act::HangUnsent => std::future::pending().await,
        }
    }

    fn rest(&mut self) {}
}
