//! `crosslock-history [--handed-on MILLIS,TURNS] [--within-contexts] [--late-losses]
//! [--grants-on-release-alone] [FILE]`: reads events as lines of JSON, from a file or from its input, and says whether
//! they keep the contract.

use std::fs::File;
use std::io::{BufRead, BufReader, stdin};
use std::process::ExitCode;

use crosslock_history::event::read;
use crosslock_history::{Contract, History, Order, check};

const USAGE: &str = "crosslock-history [--handed-on MILLIS,TURNS] [--within-contexts] [--late-losses] \
    [--grants-on-release-alone] [FILE]";

fn main() -> ExitCode {
    match run() {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("crosslock-history: {error}");
            ExitCode::from(2)
        }
    }
}

fn run() -> Result<bool, String> {
    let mut contract = Contract::default();
    let mut input: Box<dyn BufRead> = Box::new(stdin().lock());
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        if argument == "--handed-on" {
            let bounds = arguments.next().unwrap_or_default();
            contract.order = handed_on(&bounds).ok_or(format!("usage: {USAGE}"))?;
        } else if argument == "--within-contexts" {
            contract.order = Order::WithinContexts;
        } else if argument == "--late-losses" {
            contract.losses_come_late = true;
        } else if argument == "--grants-on-release-alone" {
            contract.grants_on_release_alone = true;
        } else {
            let file = File::open(&argument).map_err(|error| format!("{argument}: {error}"))?;
            input = Box::new(BufReader::new(file));
        }
    }
    let history = History::new(read(input)?).map_err(|malformed| malformed.to_string())?;
    let found = check(&history, &contract);
    for violation in &found {
        println!("{}", violation.describe(&history));
    }
    let (requests, contexts) = (history.operations.len(), history.contexts.len());
    println!(
        "{requests} requests of {contexts} contexts, {} violations",
        found.len()
    );
    Ok(found.is_empty())
}

fn handed_on(bounds: &str) -> Option<Order> {
    let (millis, turns) = bounds.split_once(',')?;
    let nanos = millis.parse::<u64>().ok()?.checked_mul(1_000_000)?;
    let turns = turns.parse().ok()?;
    Some(Order::HandedOn { nanos, turns })
}
