//! One zygote: how it is started, and what we hold of it.

use crate::channel::{self, Channel};
use crate::core::{Core, Whose};
use crate::output::Output;
use crate::sources::{AppId, Source};
use krait_config::AppSpec;
use krait_protocol::control::ManagerToZygote;
use krait_protocol::limits::{MAX_CONTROL_BYTES, VERSION};
use krait_protocol::start::{Identity, SpawnPlan};
use krait_sys::pidfd::Process;
use krait_sys::{descriptor, process, socket};
use mio::Token;
use std::io;
use std::os::fd::AsFd;
use std::process::{Command, Stdio};
use std::time::Instant;

/// Room for the two messages of a start, each at most a control message long, and for what the kernel adds.
const CHANNEL_BUFFER_BYTES: usize = 8 * MAX_CONTROL_BYTES;

#[derive(Debug)]
pub(crate) struct Zygote {
    pub(crate) pid: u32,
    process: Process,
    pub(crate) channel: Channel,
    /// Whether it can fork, and whether the application is imported then.
    pub(crate) ready: Option<bool>,
    /// When it is killed, once it was told to stop.
    pub(crate) kill_at: Option<Instant>,
    /// Its channel has ended; its wait status is awaited.
    pub(crate) closed: bool,
}

/// A zygote's output with its token in the event loop.
#[derive(Debug)]
pub(crate) struct Watched {
    pub(crate) output: Output,
    pub(crate) token: Token,
}

/// Starts krait-spawn and tells it all it needs to become a zygote.
///
/// # Errors
/// A sentence that says which part failed.
pub(crate) fn start(
    core: &mut Core,
    app: AppId,
    number: u32,
    spec: &AppSpec,
    preload: bool,
) -> Result<(Zygote, Watched), String> {
    let failed = |what: &'static str| move |error: io::Error| format!("{what}: {error}");
    let (ours, theirs) = socket::packet_pair().map_err(failed("making its channel"))?;
    socket::grow_send_buffer(ours.as_fd(), i32::try_from(CHANNEL_BUFFER_BYTES).unwrap_or(i32::MAX));
    socket::refuse_descriptors(ours.as_fd());
    let (reader, writer) = descriptor::pipe().map_err(failed("making its output"))?;
    let second = writer.try_clone().map_err(failed("making its output"))?;
    let mut command = Command::new(&core.places.spawn);
    command.env_clear().stdin(Stdio::from(theirs)).stdout(Stdio::from(writer)).stderr(Stdio::from(second));
    let child =
        command.spawn().map_err(|error| format!("executing '{}': {error}", core.places.spawn.display()))?;
    // Our copies of its descriptors must be closed, or its end would go unnoticed.
    drop(command);
    let pid = child.id();
    // It is our child and not reaped before we look, so the number is its own.
    let process = Process::open(pid).map_err(failed("holding its process"))?;
    core.processes.insert(pid, Whose::Zygote(app, number));
    let kill = |what: &'static str| {
        let process = &process;
        move |error: io::Error| {
            drop(process.signal(libc::SIGKILL));
            format!("{what}: {error}")
        }
    };
    let plan = SpawnPlan {
        version: VERSION,
        identity: spec.identity.clone(),
        env: environment(spec),
        interpreters: spec.interpreters.clone(),
        interpreter_named: spec.interpreter_named,
        directory: spec.plan.directory.clone(),
        package: core.places.package.clone(),
    };
    channel::send(ours.as_fd(), &plan, &[]).map_err(kill("sending its plan"))?;
    let mut boot = spec.plan.clone();
    boot.preload = preload;
    channel::send(ours.as_fd(), &ManagerToZygote::Boot(boot), &[]).map_err(kill("sending its plan"))?;
    let channel =
        Channel::open(ours, &mut core.sources, Source::Zygote(app, number)).map_err(kill("watching it"))?;
    let token = core.sources.add(reader.as_fd(), Source::Output(app, number)).map_err(kill("watching it"))?;
    let zygote = Zygote { pid, process, channel, ready: None, kill_at: None, closed: false };
    Ok((zygote, Watched { output: Output::new(reader), token }))
}

impl Zygote {
    /// Asks it to end, until `kill_at`.
    pub(crate) fn stop(&mut self, kill_at: Instant) {
        if self.kill_at.is_none() {
            self.kill_at = Some(kill_at);
            // If it cannot be told it is killed in time.
            drop(self.channel.send(&ManagerToZygote::Stop, &[]));
            self.channel.shut_down();
        }
    }

    /// Ends it alone; its workers live on.
    pub(crate) fn kill(&self) {
        drop(self.process.signal(libc::SIGKILL));
    }

    /// Ends it and all that it has started, as far as they stayed in its group.
    pub(crate) fn kill_group(&self) {
        // krait-spawn leads a session; before it does the group does not exist, and the process itself is meant.
        drop(process::signal_group(self.pid, libc::SIGKILL));
        self.kill();
    }
}

/// The process environment: what every program expects, then what the configuration adds.
fn environment(spec: &AppSpec) -> Vec<(String, String)> {
    let mut env = vec![
        ("PATH".to_owned(), "/usr/local/bin:/usr/bin:/bin".to_owned()),
        ("LANG".to_owned(), "C.UTF-8".to_owned()),
    ];
    if let Some(Identity { name, home, .. }) = &spec.identity {
        for (variable, value) in [("HOME", home), ("USER", name), ("LOGNAME", name)] {
            env.push((variable.to_owned(), value.clone()));
        }
    }
    for (name, value) in &spec.env {
        env.retain(|(known, _)| known != name);
        env.push((name.clone(), value.clone()));
    }
    env
}
