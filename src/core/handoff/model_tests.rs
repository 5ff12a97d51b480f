//! Random steps of a few tabs, and of the messages between them and the platform. What
//! must be true after each of them stands in [`simulation::invariants`](super::simulation).

use proptest::prelude::*;

use super::simulation::{Delivery, Spec, World};
use super::{IfHeld, Passing};
use crate::guard::LockMode;

const NAMES: [&str; 2] = ["a", "b"];

/// A number stands for one of those that there are at the time.
#[derive(Debug, Clone)]
pub(crate) enum Step {
    Request(Spec),
    Release(usize),
    Leave(usize),
    Deliver {
        tab: usize,
        nth: usize,
        delivery: Delivery,
    },
    Receive {
        tab: usize,
        nth: usize,
    },
    Pass(f64),
    FireTimer(usize),
    /// So many who come one after the other, each just before the one before it leaves.
    Rush {
        spec: Spec,
        count: usize,
    },
    AllLeave,
    DeliverAll,
    LoseAll(usize),
    Hide {
        tab: usize,
        is_hidden: bool,
    },
    /// Requests of the tab fail at once, or work again.
    Break {
        tab: usize,
        is_broken: bool,
    },
    /// An event comes again.
    Repeat {
        tab: usize,
        nth: usize,
    },
    TryAtOnce(usize),
}

fn spec(tabs: usize) -> impl Strategy<Value = Spec> {
    let mode = prop_oneof![3 => Just(LockMode::Exclusive), 2 => Just(LockMode::Shared)];
    let if_held = prop_oneof![
        12 => Just(IfHeld::Queue),
        4 => Just(IfHeld::Refuse),
        1 => Just(IfHeld::Steal),
    ];
    let passing = prop_oneof![4 => Just(Passing::On), 1 => Just(Passing::Off)];
    // Most of them want the same.
    let name = prop_oneof![4 => Just(NAMES[0]), 1 => Just(NAMES[1])];
    (0..tabs, name, mode, if_held, passing).prop_map(|(tab, name, mode, if_held, passing)| {
        let mode = match if_held {
            // The specification has no other.
            IfHeld::Steal => LockMode::Exclusive,
            IfHeld::Queue | IfHeld::Refuse => mode,
        };
        Spec {
            tab,
            name,
            mode,
            if_held,
            passing,
        }
    })
}

pub(crate) fn step(tabs: usize) -> impl Strategy<Value = Step> {
    let nth = any::<usize>;
    let delivery = prop_oneof![
        30 => Just(Delivery::Plain),
        30 => Just(Delivery::TellsThiefFirst),
        30 => Just(Delivery::RejectsFirst),
        1 => Just(Delivery::Rejects),
    ];
    let deliver = (0..tabs, nth(), delivery);
    let in_queue = spec(tabs).prop_map(|spec| Spec {
        if_held: IfHeld::Queue,
        passing: Passing::On,
        ..spec
    });
    let rush = (in_queue, prop_oneof![99 => 1..20usize, 1 => 900..1100usize]);
    prop_oneof![
        60 => spec(tabs).prop_map(Step::Request),
        25 => nth().prop_map(Step::Release),
        40 => nth().prop_map(Step::Leave),
        90 => deliver.prop_map(|(tab, nth, delivery)| Step::Deliver {
            tab,
            nth,
            delivery,
        }),
        90 => (0..tabs, nth()).prop_map(|(tab, nth)| Step::Receive { tab, nth }),
        20 => (0.1..12.0).prop_map(Step::Pass),
        30 => (0..tabs).prop_map(Step::FireTimer),
        6 => rush.prop_map(|(spec, count)| Step::Rush { spec, count }),
        5 => Just(Step::AllLeave),
        8 => Just(Step::DeliverAll),
        3 => (0..tabs).prop_map(Step::LoseAll),
        5 => (0..tabs, any::<bool>()).prop_map(|(tab, is_hidden)| Step::Hide { tab, is_hidden }),
        5 => (0..tabs, any::<bool>()).prop_map(|(tab, is_broken)| Step::Break { tab, is_broken }),
        10 => (0..tabs, nth()).prop_map(|(tab, nth)| Step::Repeat { tab, nth }),
        3 => nth().prop_map(Step::TryAtOnce),
    ]
}

fn take(world: &mut World, step: Step) {
    let nth_task = |world: &World, nth: usize| {
        let count = world.tasks().count();
        world.tasks().nth(nth.checked_rem(count)?)
    };
    match step {
        Step::Request(spec) => drop(world.request(spec)),
        Step::Release(nth) => {
            if let Some(task) = nth_task(world, nth) {
                world.release(task);
            }
        }
        Step::Leave(nth) => {
            if let Some(task) = nth_task(world, nth) {
                world.leave(task);
            }
        }
        Step::Deliver { tab, nth, delivery } => world.deliver_to(delivery, tab, nth),
        Step::Receive { tab, nth } => world.receive_event(tab, nth),
        Step::Pass(millis) => world.pass(millis),
        Step::FireTimer(tab) => world.fire_timer(tab),
        Step::Rush { spec, count } => {
            let mut before = world.request(spec);
            for _ in 0..count {
                let next = world.request(spec);
                world.leave(before);
                before = next;
            }
        }
        Step::AllLeave => all_leave(world, false),
        Step::DeliverAll => world.deliver_all(),
        Step::LoseAll(tab) => world.lose_all(tab),
        Step::Hide { tab, is_hidden } => world.set_hidden(tab, is_hidden),
        Step::Break { tab, is_broken } => world.set_broken(tab, is_broken),
        Step::Repeat { tab, nth } => world.repeat(tab, nth),
        Step::TryAtOnce(nth) => {
            if let Some(task) = nth_task(world, nth) {
                world.try_at_once(task);
            }
        }
    }
}

fn all_leave(world: &mut World, last_first: bool) {
    let mut tasks: Vec<_> = world.tasks().collect();
    if last_first {
        tasks.reverse();
    }
    for task in tasks {
        world.leave(task);
    }
}

/// What tabs of browsers are to go through.
pub(crate) fn tabs() -> impl Strategy<Value = (usize, Vec<Step>, bool)> {
    let tabs_and_steps =
        (1..4usize).prop_flat_map(|tabs| (Just(tabs), prop::collection::vec(step(tabs), 0..150)));
    (tabs_and_steps, any::<bool>())
        .prop_map(|((tabs, steps), last_first)| (tabs, steps, last_first))
}

/// What a thread of Node is to go through. Node keeps no pages, so nothing is lost all at once, after
/// which a try would meet what was withdrawn then.
pub(crate) fn thread_of_node() -> impl Strategy<Value = (Vec<Step>, bool)> {
    (prop::collection::vec(step_of_node(), 0..150), any::<bool>())
}

pub(crate) fn step_of_node() -> impl Strategy<Value = Step> {
    step(1).prop_filter("Node has no pages", |step| {
        !matches!(step, Step::LoseAll(_))
    })
}

pub(crate) fn keeps_its_promises_in_browsers((tabs, steps, last_first): (usize, Vec<Step>, bool)) {
    keeps_its_promises(World::new(tabs), steps, last_first);
}

/// Node alone leaves in its queues what was withdrawn. Threads of Node's may be refused for what
/// others have withdrawn: here is but one.
pub(crate) fn keeps_its_promises_in_node((steps, last_first): (Vec<Step>, bool)) {
    keeps_its_promises(World::of_node(), steps, last_first);
}

proptest! {
    #[test]
    fn keeps_its_promises_in_any_order_of_things(steps in tabs()) {
        keeps_its_promises_in_browsers(steps);
    }

    #[test]
    fn keeps_its_promises_where_withdrawn_requests_stay_in_the_queue(steps in thread_of_node()) {
        keeps_its_promises_in_node(steps);
    }
}

fn keeps_its_promises(mut world: World, steps: Vec<Step>, last_first: bool) {
    for step in steps {
        take(&mut world, step);
    }
    all_leave(&mut world, last_first);
    world.deliver_all();
    assert!(world.is_empty(), "{world:#?}");
}
