//! The figures as people and programs read them: a table, and a file of JSON.

use std::{fs, io::Write, path::Path, process::Command, time::Duration};

use anyhow::{Context, ensure};
use serde::Serialize;

use crate::{measure::Measured, media::Sound};

const METHOD: &str = "Closed loops from one client process on the same machine, so that client, server and \
    redis share its cores. Each server is a process of its own with an ephemeral redis of its own on a unix \
    socket; the suite runs all five services in one process and writes no log. commit: 64 people in one \
    room raise and lower hands over 4 connections; bare answers after two evalsha of scripts with as many \
    writes (11 fields read; 6 fields, log, sorted set and feed written), on values of its own. fanout: \
    1,000 subscribers over 10 connections; an actor goes on when all of them have its event; an operation \
    is one event at all subscribers; bare hands a ready message to all by a broadcast channel, with no \
    redis. http: 64 people turn their hands on one suite, each on a connection of its own: through its \
    gateway over HTTP/1.1, then straight at its stage service; the server is all of the suite in both, so \
    that the ratio shows what the gateway adds. lost: the leases of 10,000 members of one room end at one \
    moment, and a subscriber is told of each; an operation is one of them, its time that from the moment on. hostile: 32 people each turn \
    their hand through the gateway five times a second, while a process of its own attacks: forged and logins with \
    64 calls in flight from 1,000 forwarded addresses, slow with 2,000 connections; then in peace. media: 10 people on stage of \
    one room each say a packet of 80 bytes every 20 ms, and everybody else hears it, all of them real WebRTC clients \
    in one thread; an operation is a packet that the last listener hears, its time that from mouth to ear. CPU time is utime + stime of /proc/pid/stat, in steps of 10 ms.";

/// The servers that others are compared with; each comes last in its scenario.
const BASELINES: [&str; 3] = ["bare", "service", "peace"];

/// Everything that one run found out.
#[derive(Serialize)]
pub(crate) struct Report {
    /// UTC.
    date: String,
    cores: usize,
    cpu_model: String,
    /// Of each figure.
    seconds: u64,
    method: &'static str,
    figures: Vec<Figure>,
}

#[derive(Serialize)]
struct Figure {
    scenario: &'static str,
    server: &'static str,
    in_flight: usize,
    operations: u64,
    operations_per_second: f64,
    deliveries_per_second: f64,
    p50_us: u64,
    p99_us: u64,
    server_cpu_us_per_operation: f64,
    redis_cpu_us_per_operation: Option<f64>,
    /// How many times the throughput and the server CPU time of its scenario's baseline it has.
    throughput_to_baseline: Option<f64>,
    server_cpu_to_baseline: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    sound: Option<SoundFigure>,
}

/// Of a room in which people speak.
#[derive(Serialize)]
struct SoundFigure {
    speakers: usize,
    listeners: usize,
    packets_per_second: f64,
    lost: u64,
    cpu_us_per_packet: f64,
    kib_per_peer: f64,
}

impl Report {
    pub(crate) fn new(length: Duration) -> anyhow::Result<Self> {
        let date = Command::new("date").args(["-u", "+%Y-%m-%dT%H:%M:%SZ"]).output().context("no date")?;
        ensure!(date.status.success(), "date failed: {}", date.status);
        Ok(Self {
            date: String::from_utf8(date.stdout)?.trim().to_owned(),
            cores: std::thread::available_parallelism()?.get(),
            cpu_model: cpu_model(&fs::read_to_string("/proc/cpuinfo").context("cannot read /proc/cpuinfo")?),
            seconds: length.as_secs(),
            method: METHOD,
            figures: Vec::new(),
        })
    }

    /// Takes up what was measured, and compares where both servers have been.
    pub(crate) fn add(
        &mut self,
        scenario: &'static str,
        server: &'static str,
        in_flight: usize,
        measured: Measured,
    ) {
        let operations = measured.latency.len();
        let each_us = |seconds: f64| seconds * 1e6 / operations as f64;
        let per_second = operations as f64 / measured.seconds;
        self.figures.push(Figure {
            scenario,
            server,
            in_flight,
            operations,
            operations_per_second: per_second,
            deliveries_per_second: per_second * measured.deliveries as f64,
            p50_us: measured.latency.value_at_quantile(0.5),
            p99_us: measured.latency.value_at_quantile(0.99),
            server_cpu_us_per_operation: each_us(measured.cpu.server),
            redis_cpu_us_per_operation: measured.cpu.redis.map(each_us),
            throughput_to_baseline: None,
            server_cpu_to_baseline: None,
            sound: None,
        });
        self.compare();
    }

    /// Takes up what sound cost.
    pub(crate) fn add_sound(&mut self, speakers: usize, listeners: usize, sound: Sound) {
        let packets = sound.packets as f64;
        let figure = SoundFigure {
            speakers,
            listeners,
            packets_per_second: packets / sound.measured.seconds,
            lost: sound.lost,
            cpu_us_per_packet: sound.measured.cpu.server * 1e6 / packets,
            kib_per_peer: sound.kib_per_peer,
        };
        self.add("media", "suite", listeners, sound.measured);
        if let Some(added) = self.figures.last_mut() {
            added.sound = Some(figure);
        }
    }

    /// Compares the others of its scenario with the last figure, if that is a baseline.
    fn compare(&mut self) {
        let Some((base, others)) = self.figures.split_last_mut() else { return };
        if !BASELINES.contains(&base.server) {
            return;
        }
        let same = |of: &&mut Figure| of.scenario == base.scenario && of.in_flight == base.in_flight;
        for other in others.iter_mut().filter(same) {
            other.throughput_to_baseline = Some(other.operations_per_second / base.operations_per_second);
            other.server_cpu_to_baseline =
                Some(other.server_cpu_us_per_operation / base.server_cpu_us_per_operation);
        }
    }

    /// Writes the table to standard output.
    pub(crate) fn show(&self) -> anyhow::Result<()> {
        let mut out = std::io::stdout().lock();
        writeln!(out, "{} · {} cores · {}", self.date, self.cores, self.cpu_model)?;
        writeln!(
            out,
            "{:<9}{:<7}{:>9}{:>11}{:>14}{:>10}{:>10}{:>12}{:>11}{:>10}{:>10}",
            "scenario",
            "server",
            "in flight",
            "op/s",
            "deliveries/s",
            "p50 ms",
            "p99 ms",
            "cpu us/op",
            "redis us",
            "op ratio",
            "cpu ratio"
        )?;
        for figure in &self.figures {
            writeln!(out, "{}", row(figure))?;
            if let Some(sound) = &figure.sound {
                writeln!(out, "{}", sound_row(sound))?;
            }
        }
        Ok(())
    }

    /// Writes everything as JSON.
    pub(crate) fn write(&self, path: &Path) -> anyhow::Result<()> {
        let text = serde_json::to_string_pretty(self)? + "\n";
        fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))
    }
}

fn row(figure: &Figure) -> String {
    let ms = |us: u64| us as f64 / 1e3;
    let or_none = |value: Option<f64>, digits: usize| {
        value.map_or_else(|| "-".to_owned(), |value| format!("{value:.digits$}"))
    };
    format!(
        "{:<9}{:<7}{:>9}{:>11.0}{:>14.0}{:>10.2}{:>10.2}{:>12.1}{:>11}{:>10}{:>10}",
        figure.scenario,
        figure.server,
        figure.in_flight,
        figure.operations_per_second,
        figure.deliveries_per_second,
        ms(figure.p50_us),
        ms(figure.p99_us),
        figure.server_cpu_us_per_operation,
        or_none(figure.redis_cpu_us_per_operation, 1),
        or_none(figure.throughput_to_baseline, 2),
        or_none(figure.server_cpu_to_baseline, 2),
    )
}

fn sound_row(sound: &SoundFigure) -> String {
    format!(
        "         {} speakers, {} listeners: {:.0} packets/s brought, {} lost, {:.2} us of CPU each, {:.0} KiB a peer",
        sound.speakers,
        sound.listeners,
        sound.packets_per_second,
        sound.lost,
        sound.cpu_us_per_packet,
        sound.kib_per_peer,
    )
}

fn cpu_model(cpuinfo: &str) -> String {
    let named = cpuinfo.lines().filter_map(|line| line.split_once(':'));
    let model = named.filter(|(name, _)| name.trim() == "model name").map(|(_, model)| model.trim()).next();
    model.unwrap_or("unknown").to_owned()
}

#[cfg(test)]
mod tests {
    use hdrhistogram::Histogram;

    use super::*;
    use crate::server::Cpu;

    fn measured(operations: u64, server: f64) -> Measured {
        let mut latency = Histogram::new(3).unwrap();
        latency.record_n(1_000, operations).unwrap();
        Measured { seconds: 2.0, latency, cpu: Cpu { server, redis: None }, deliveries: 10 }
    }

    #[test]
    fn a_figure_is_compared_with_the_baseline_of_its_scenario() {
        let mut report = Report::new(Duration::from_secs(2)).unwrap();
        report.add("commit", "suite", 1, measured(100, 1.0));
        report.add("fanout", "suite", 1, measured(100, 1.0));
        report.add("fanout", "bare", 1, measured(200, 1.0));
        let [other, suite, _] = report.figures.as_slice() else { panic!("three figures") };
        assert_eq!((other.throughput_to_baseline, other.server_cpu_to_baseline), (None, None));
        assert_eq!((suite.throughput_to_baseline, suite.server_cpu_to_baseline), (Some(0.5), Some(2.0)));
        assert!((suite.operations_per_second - 50.0).abs() < 1e-9);
        assert!((suite.deliveries_per_second - 500.0).abs() < 1e-9);
    }

    #[test]
    fn the_model_is_found() {
        assert_eq!(cpu_model("processor\t: 0\nmodel name\t: A B\nmodel name\t: A B\n"), "A B");
        assert_eq!(cpu_model("processor\t: 0\n"), "unknown");
    }
}
