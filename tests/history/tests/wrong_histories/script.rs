//! [`Script`]: a history that a test writes down.

use crosslock_history::event::{Ended, Event, How, Mode, What};
use crosslock_history::{Contract, History, Order, Violation, check};

pub(crate) const EXCLUSIVE: Mode = Mode::Exclusive;
pub(crate) const SHARED: Mode = Mode::Shared;
pub(crate) const SECOND: u64 = 1_000_000_000;

/// A history, written down in any order.
#[derive(Default)]
pub(crate) struct Script(pub(crate) Vec<Event>);

impl Script {
    pub(crate) fn add(mut self, at: u64, context: &str, what: What) -> Self {
        let context = context.to_owned();
        self.0.push(Event { at, context, what });
        self
    }

    pub(crate) fn asked(self, at: u64, request: u64, context: &str, mode: Mode, how: How) -> Self {
        let key = "k".to_owned();
        let asked = What::Asked {
            request,
            key,
            mode,
            how,
            timeout: None,
        };
        self.add(at, context, asked)
    }

    pub(crate) fn lock(self, at: u64, request: u64, context: &str, mode: Mode) -> Self {
        self.asked(at, request, context, mode, How::Lock)
    }

    /// Held from `start` to `end`, and asked for at the time before.
    pub(crate) fn held(
        self,
        request: u64,
        context: &str,
        mode: Mode,
        start: u64,
        end: u64,
    ) -> Self {
        self.lock(start - 1, request, context, mode)
            .granted(request, context, start, end)
    }

    pub(crate) fn granted(self, request: u64, context: &str, start: u64, end: u64) -> Self {
        self.add(start, context, What::Granted { request })
            .released(request, context, end)
    }

    pub(crate) fn released(self, request: u64, context: &str, end: u64) -> Self {
        self.add(end, context, What::Releasing { request }).add(
            end + 1,
            context,
            What::Released { request },
        )
    }

    pub(crate) fn queued(self, at: u64, request: u64, context: &str) -> Self {
        self.add(at, context, What::Queued { request })
    }

    pub(crate) fn ended(self, at: u64, request: u64, context: &str, why: Ended) -> Self {
        self.add(at, context, What::Ended { request, why })
    }

    pub(crate) fn verdict(self, contract: Contract) -> Vec<Violation> {
        let history = History::new(self.0).expect("well-formed");
        let found = check(&history, &contract);
        // They can be told.
        for violation in &found {
            assert!(violation.describe(&history).contains("request"));
        }
        found
    }

    pub(crate) fn found(self) -> Vec<Violation> {
        self.verdict(Contract::default())
    }
}

pub(crate) fn script() -> Script {
    Script::default()
}

pub(crate) fn handed_on() -> Contract {
    let order = Order::HandedOn {
        nanos: 100,
        turns: 3,
    };
    Contract {
        order,
        ..Contract::default()
    }
}
