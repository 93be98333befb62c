//! CPU per connection over TCP.

use std::{net::SocketAddrV4, thread, time::Duration};

use crate::harness::{
    child::ProxyProcess, clock::ProcessCpu, median, number, peers::visit_by, progress,
    proxy::Proxy, scale,
};

const CLIENTS: usize = 4;

pub(crate) fn run(target: SocketAddrV4) {
    let connections = scale(number("--connections", 4_000), 20);
    let rounds = scale(number("--rounds", 9), 1);
    // All are up all the time; those that have no clients sleep.
    let started = Proxy::EACH
        .iter()
        .map(|proxy| (*proxy, ProxyProcess::start(*proxy, 0)));
    let processes: Vec<_> = started.collect();
    let mut samples = vec![Vec::new(); processes.len()];
    for (proxy, process) in &processes {
        visit_all(*proxy, process, target, connections / 10);
    }
    for round in 0..rounds {
        for ((proxy, process), samples) in processes.iter().zip(&mut samples) {
            progress(format_args!("CPU over TCP: round {round} of {rounds}"));
            let before = ProcessCpu::of(process.id());
            visit_all(*proxy, process, target, connections);
            let (all, user) = ProcessCpu::of(process.id()).since(before);
            let each = 1e6 / connections as f64;
            samples.push((all * each, user * each));
        }
    }
    progress(format_args!(""));
    let user = |samples: &[(f64, f64)]| {
        // The ticks of all rounds: there are too few of them in one.
        samples.iter().map(|(_, user)| user).sum::<f64>() / samples.len() as f64
    };
    let paired = samples[0].iter().zip(&samples[1]);
    let above = median(paired.map(|((stack, _), (handwritten, _))| stack - handwritten));
    println!("CPU per connection over TCP, {rounds} rounds of {connections}, {CLIENTS} at a time");
    println!("{:<14} {:>10} {:>10}", "", "CPU us", "user us");
    for ((proxy, _), samples) in processes.iter().zip(&samples) {
        println!(
            "{:<14} {:>10.1} {:>10.1}",
            proxy.name(),
            median(samples.iter().map(|(all, _)| *all)),
            user(samples),
        );
    }
    println!(
        "{:<14} {above:>10.1} {:>10.1}",
        "stack is above",
        user(&samples[0]) - user(&samples[1])
    );
    let paired = samples[2].iter().zip(&samples[0]);
    let above = median(paired.map(|((one_port, _), (stack, _))| one_port - stack));
    println!(
        "{:<14} {above:>10.1} {:>10.1}",
        "one port above",
        user(&samples[2]) - user(&samples[0])
    );
}

fn visit_all(proxy: Proxy, process: &ProxyProcess, target: SocketAddrV4, connections: usize) {
    thread::scope(|scope| {
        for _ in 0..CLIENTS {
            scope.spawn(|| {
                for _ in 0..connections / CLIENTS {
                    visit_by(proxy.spoken(), process.address, target);
                }
            });
        }
    });
    // The last sessions end after their clients have gone, and a clock is exact only at rest.
    thread::sleep(Duration::from_millis(20));
}
