//! What must be true of a world after each step.

use std::sync::atomic::Ordering::Relaxed;

use super::super::{Ahead, GrantId, MILLIS, TURNS};
use super::{Event, IfHeld, Passing, PlatformRequest, Spec, State, TaskId, World};
use crate::guard::LockMode;

impl World {
    pub(super) fn check(&mut self) {
        self.tasks_see_their_changes();
        self.holders_have_the_lock();
        self.the_platform_is_asked_for_the_heads();
        self.nothing_is_held_for_nobody();
        self.nothing_is_kept_of_what_the_rules_have_dropped();
        if self.is_quiet() {
            self.nobody_waits_for_nothing();
        }
        self.see_what_is_in_the_way_of_tries();
    }

    /// Each task whose state has changed was woken, and looks at its new state.
    fn tasks_see_their_changes(&mut self) {
        let ids: Vec<TaskId> = self.tasks().collect();
        for id in ids {
            let state = self.state(id);
            let task = self.tasks.get_mut(&id).expect("it was listed");
            if state == task.seen {
                continue;
            }
            let was_woken = task.alarm.is_woken.swap(false, Relaxed);
            assert!(was_woken, "nobody woke task {id}, which is {state:?}");
            task.seen = state.clone();
            let spec = task.spec;
            let was_obstructed = task.was_obstructed;
            self.sleep(id);
            match state {
                State::Held(since) => {
                    assert_eq!(since, self.now);
                    self.nobody_is_overtaken_by(id);
                    self.take_turn(id);
                }
                State::Busy => {
                    assert_eq!(spec.if_held, IfHeld::Refuse);
                    assert!(was_obstructed, "try {id} is refused for no reason");
                }
                _ => {}
            }
        }
    }

    fn nobody_is_overtaken_by(&self, id: TaskId) {
        let spec = self.spec(id);
        let may_pass = |other: Spec| match spec.if_held {
            IfHeld::Queue => !spec.is_in_queue(),
            IfHeld::Refuse => !other.conflicts_with(spec.name, spec.mode),
            IfHeld::Steal => true,
        };
        for earlier in self
            .queue(spec.tab, spec.name)
            .take_while(|&other| other < id)
        {
            assert!(
                may_pass(self.spec(earlier)),
                "task {id} overtakes {earlier}"
            );
        }
    }

    /// The bound of what is handed on.
    fn take_turn(&mut self, id: TaskId) {
        let (spec, grant) = (self.spec(id), self.grant_of(id));
        let now = self.now;
        let request = self.tabs[spec.tab].requests.get_mut(&grant);
        let request = request.expect("a holder has a grant that is not over");
        assert_eq!((request.name, request.mode), (spec.name, spec.mode));
        let granted = request.granted.expect("a holder's grant is granted");
        if let Some(first) = request.first {
            assert_eq!((first, spec.passing), (Passing::On, Passing::On));
            assert!(!request.is_ended, "what is given back is handed on");
            assert!(request.turns < TURNS, "too many turns");
            assert!(now - granted < MILLIS, "too old to be handed on");
        }
        request.first.get_or_insert(spec.passing);
        request.turns += 1;
    }

    /// What is given back is of no use to the head of its queue.
    pub(super) fn it_could_not_be_handed_on(&self, tab: usize, grant: GrantId) {
        let request = &self.tabs[tab].requests[&grant];
        let Some(granted) = request.granted else {
            return;
        };
        let may_be = request.first == Some(Passing::On) && request.turns < TURNS;
        let is_young = self.now - granted < MILLIS;
        let head = self.queue(tab, request.name).next();
        let fits = head.is_some_and(|head| self.spec(head).mode == request.mode);
        assert!(
            !(may_be && is_young && fits),
            "a grant is given back too early"
        );
    }

    /// No two of them in conflict. Only a victim may not know yet, if the thief is in
    /// another tab.
    fn holders_have_the_lock(&self) {
        let mut holders: Vec<(Spec, bool)> = Vec::new();
        for id in self.tasks().filter(|&id| self.is_held(id)) {
            let (spec, grant) = (self.spec(id), self.grant_of(id));
            let tab = &self.tabs[spec.tab];
            let serial = tab.requests[&grant].serial;
            let is_victim = !self.platform.is_held(serial);
            if is_victim {
                let will_be_told = tab.from_platform.contains(&Event::Stolen(serial));
                assert!(will_be_told, "task {id} holds what its tab does not have");
            }
            for &(other, is_other_victim) in &holders {
                let may_be = other.tab != spec.tab && (is_victim || is_other_victim);
                let conflict = other.conflicts_with(spec.name, spec.mode);
                assert!(may_be || !conflict, "task {id} is not alone");
            }
            holders.push((spec, is_victim));
        }
    }

    /// For them and for nobody else, but those who queue with the platform themselves. Not
    /// yet for the head that a holder of its own tab may hand on to, until the timer rings.
    fn the_platform_is_asked_for_the_heads(&self) {
        for (at, tab) in self.tabs.iter().enumerate() {
            for name in self.names() {
                let mut head = self.queue(at, name).next();
                if head.is_some() && !self.is_asked_for_the_head(at, name) {
                    assert!(!tab.is_hidden, "a hidden tab waits for a timer");
                    assert!(tab.remind_at.is_some(), "nobody will ask");
                    assert!(self.holders(at, name).next().is_some(), "nobody hands on");
                    head = None;
                }
                let mut wanted: Vec<LockMode> = head
                    .into_iter()
                    .chain(self.alone(at, name))
                    .map(|id| self.spec(id).mode)
                    .collect();
                let mut asked: Vec<LockMode> = self.asked(at, name).collect();
                wanted.sort_unstable_by_key(|mode| mode.as_str());
                asked.sort_unstable_by_key(|mode| mode.as_str());
                assert_eq!(asked, wanted, "asked of the platform, and wanted");
            }
        }
    }

    pub(super) fn is_asked_for_the_head(&self, tab: usize, name: &'static str) -> bool {
        self.asked(tab, name).count() > self.alone(tab, name).count()
    }

    /// Those who queue with the platform themselves.
    fn alone(&self, tab: usize, name: &'static str) -> impl Iterator<Item = TaskId> {
        self.pending(tab, name).filter(|&id| {
            let spec = self.spec(id);
            spec.if_held == IfHeld::Queue && !spec.is_in_queue()
        })
    }

    /// What the platform is to queue for `tab`.
    fn asked(&self, tab: usize, name: &'static str) -> impl Iterator<Item = LockMode> {
        let requests = self.tabs[tab].requests.values();
        let asked = requests.filter(move |request| {
            let is_open = request.granted.is_none() && !request.is_ended;
            is_open && request.name == name && request.if_held == IfHeld::Queue
        });
        asked.map(|request| request.mode)
    }

    fn nothing_is_held_for_nobody(&self) {
        for (at, tab) in self.tabs.iter().enumerate() {
            for (&grant, request) in &tab.requests {
                let is_kept = request.granted.is_some() && !request.is_ended;
                if is_kept && self.platform.is_held(request.serial) {
                    let mut held = self.tasks().filter(|&id| self.is_held(id));
                    let has_it = |id| self.spec(id).tab == at && self.grant_of(id) == grant;
                    assert!(held.any(has_it), "nobody holds grant {grant:?} of tab {at}");
                }
            }
        }
    }

    /// The platform's side of a tab keeps something for each grant until it is told.
    fn nothing_is_kept_of_what_the_rules_have_dropped(&self) {
        for (at, tab) in self.tabs.iter().enumerate() {
            for (&grant, request) in &tab.requests {
                let is_told = request.is_ended || request.is_forgotten || request.is_settled;
                if request.granted.is_some() && !is_told {
                    let is_known = self.rules(at, |rules| rules.grants.get(grant).is_some());
                    assert!(is_known, "tab {at} keeps grant {grant:?} for nobody");
                }
            }
        }
    }

    /// Nothing is under way.
    fn nobody_waits_for_nothing(&self) {
        for id in self.tasks() {
            let Spec { name, if_held, .. } = self.spec(id);
            match self.state(id) {
                State::Pending => {
                    assert_eq!(if_held, IfHeld::Queue, "task {id} hears no answer");
                    let mut holders = self.platform.holders(name);
                    assert!(
                        holders.next().is_some(),
                        "task {id} waits, and {name} is free"
                    );
                }
                state => assert_ne!(state, State::Releasing, "task {id} is never told"),
            }
        }
    }

    pub(super) fn views_are_exact(&self, tab: usize) {
        for name in self.names() {
            self.the_view_is_exact(tab, name);
        }
    }

    fn the_view_is_exact(&self, tab: usize, name: &'static str) {
        let holders: Vec<(LockMode, f64)> = self.holders(tab, name).collect();
        let holds = self.rules(tab, |rules| rules.holds(name));
        assert_eq!(holds, !holders.is_empty());

        let (mut held, mut waiting) = (Vec::new(), Vec::new());
        let mut asked_for = 0;
        self.rules(tab, |rules| {
            rules.for_each_own(|own_name, own| {
                if own_name != name {
                    return;
                }
                let shown = match own.is_held {
                    true => &mut held,
                    false => &mut waiting,
                };
                shown.push((own.mode, own.since));
                asked_for += usize::from(own.is_asked_for);
            });
        });
        let sorted = |mut all: Vec<(LockMode, f64)>| {
            all.sort_unstable_by(|a, b| a.1.total_cmp(&b.1).then(a.0.as_str().cmp(b.0.as_str())));
            all
        };
        assert_eq!(sorted(held), sorted(holders.clone()));
        let queue: Vec<TaskId> = self.queue(tab, name).collect();
        let made = |id: TaskId| (self.spec(id).mode, self.tasks[&id].made);
        assert!(waiting.is_sorted_by_key(|&(_, since)| since));
        let all = queue.iter().copied().chain(self.alone(tab, name));
        assert_eq!(sorted(waiting), sorted(all.map(made).collect()));
        assert_eq!(asked_for, self.asked(tab, name).count());

        // All that the platform would show of this tab is known to be its own.
        let mut asked = [0; 2];
        self.rules(tab, |rules| {
            rules.for_each_asked(|own_name, grant| {
                asked[usize::from(grant.is_granted)] += usize::from(own_name == name);
            });
        });
        let requests = self.tabs[tab].requests.values();
        let known = requests.filter(|request| {
            request.name == name && !request.is_frozen && self.platform.knows(request.serial)
        });
        let known: Vec<&PlatformRequest> = known.collect();
        let is_kept = |request: &&&PlatformRequest| request.granted.is_some() && !request.is_ended;
        assert!(asked[0] + asked[1] >= known.len());
        assert!(asked[1] >= known.iter().filter(is_kept).count());

        let most = 3;
        for id in self.pending(tab, name) {
            let place = queue.iter().position(|&waiting| waiting == id);
            let in_front = place.map_or(0, |place| place.min(most));
            let modes = queue[..in_front].iter().chain([&id]);
            let modes = modes.map(|&id| self.spec(id).mode);
            let mut modes = modes.chain(holders.iter().map(|held| held.0));
            let conflict = modes.any(|mode| mode == LockMode::Exclusive);
            let ahead = self.rules(tab, |rules| rules.ahead_of(self.slot(id), most));
            assert_eq!(ahead.is_some(), conflict && !holders.is_empty());
            if let Some(Ahead {
                held_since,
                waiting,
                ..
            }) = ahead
            {
                assert!(holders.iter().any(|held| held.1 == held_since));
                assert_eq!(waiting, place.map(|_| in_front));
            }
        }
    }

    fn see_what_is_in_the_way_of_tries(&mut self) {
        let ids: Vec<TaskId> = self.tasks().filter(|&id| self.is_pending(id)).collect();
        for id in ids {
            let obstructed = self.is_obstructed(&self.spec(id), Some(id));
            let task = self.tasks.get_mut(&id).expect("it was listed");
            task.was_obstructed |= obstructed;
        }
    }

    /// Whether somebody wants what a try of `spec` would be refused for. What its own tab
    /// has let go of is no reason, except in a lose_all, which waits for nothing.
    pub(super) fn is_obstructed(&self, spec: &Spec, own: Option<TaskId>) -> bool {
        let mut tasks = self.tasks().filter(|&id| Some(id) != own);
        let by_a_task = tasks.any(|id| {
            let other = self.spec(id);
            let wants = self.is_held(id) || self.is_pending(id);
            wants && other.tab == spec.tab && other.conflicts_with(spec.name, spec.mode)
        });
        let mut tabs = self.tabs.iter().enumerate();
        by_a_task
            || self.platform.is_withdrawn_behind(spec.name)
            || tabs.any(|(at, tab)| {
                let mut requests = tab.requests.values();
                requests.any(|request| {
                    let is_foreign = at != spec.tab || request.is_frozen;
                    is_foreign && spec.conflicts_with(request.name, request.mode)
                })
            })
    }

    fn names(&self) -> Vec<&'static str> {
        let mut names: Vec<_> = self.tasks.values().map(|task| task.spec.name).collect();
        names.sort_unstable();
        names.dedup();
        names
    }

    fn pending(&self, tab: usize, name: &'static str) -> impl Iterator<Item = TaskId> {
        let pending = self.tasks().filter(|&id| self.is_pending(id));
        pending.filter(move |&id| self.is_for(id, tab, name))
    }

    fn is_for(&self, id: TaskId, tab: usize, name: &str) -> bool {
        let spec = self.spec(id);
        spec.tab == tab && spec.name == name
    }

    /// Those who wait in the queue of a tab.
    fn queue(&self, tab: usize, name: &'static str) -> impl Iterator<Item = TaskId> {
        self.pending(tab, name)
            .filter(|&id| self.spec(id).is_in_queue())
    }

    fn holders(&self, tab: usize, name: &'static str) -> impl Iterator<Item = (LockMode, f64)> {
        let ids = self.tasks().filter(move |&id| self.is_for(id, tab, name));
        ids.filter_map(|id| match self.state(id) {
            State::Held(since) => Some((self.spec(id).mode, since)),
            _ => None,
        })
    }

    fn grant_of(&self, id: TaskId) -> GrantId {
        let slot = self.slot(id);
        let grant = self.rules(self.spec(id).tab, |rules| rules.requests[slot].grant);
        grant.expect("a holder has a grant")
    }
}
