//! Two booths sell the seats of one show. Most evenings go well.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

struct Show {
    left: i64,
}

impl Show {
    #[inline(never)]
    fn take(&mut self, seats: i64) {
        self.left -= seats; // MARK: take
    }
}

fn lock(show: &Mutex<Show>) -> MutexGuard<'_, Show> {
    show.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Takes a while: customers with long names have their card at the bottom of the bag.
fn pay(customer: &str) {
    thread::sleep(Duration::from_micros(100 * customer.len() as u64));
}

#[inline(never)]
fn sell(show: &Mutex<Show>, booth: &str, customer: &str, seats: i64) {
    if lock(show).left < seats {
        println!("{booth}: sold out for {customer}");
        return;
    }
    pay(customer); // MARK: pay
    lock(show).take(seats);
    println!("{booth}: {seats} for {customer}");
}

/// The queue is in the order of a hash map, which is another one in each run.
fn open(show: &Mutex<Show>, booth: &str, queue: HashMap<&str, i64>) {
    for (customer, seats) in queue {
        sell(show, booth, customer, seats);
    }
}

#[inline(never)]
fn close(show: &Show) {
    assert!(show.left >= 0, "oversold by {}", -show.left);
    println!("closed, seats left: {}", show.left);
}

fn main() {
    let show = Mutex::new(Show { left: 15 });
    let north = HashMap::from([("Ada", 2), ("Grace", 3), ("Edsger", 1), ("Alan", 2)]);
    let south = HashMap::from([("Barbara", 2), ("Ken", 1), ("Margaret", 3), ("Tony", 2)]);
    thread::scope(|booths| {
        booths.spawn(|| open(&show, "north", north));
        booths.spawn(|| open(&show, "south", south));
    });
    close(&lock(&show));
}
