//! What programs of an agent's configuration start never outlives them, nor the agent.

use lcast_lab::{Agent, DEADLINE, Host, Lab, Member, Realm, wait_until};

/// A program that leaves one in a session of its own, and does `then` afterwards.
fn config(then: &str) -> String {
    let script =
        format!("cd $0; setsid sh -c 'echo $$ >>pids; exec sleep 1000' & echo $$ >>own; {then}");
    format!(
        "[[variable]]\nname = 'app.x'\ninterval = '1s'\ntimeout = '1s'\n\
         command = ['/bin/sh', '-c', '''{script}''', 'FOLDER']\n"
    )
}

/// An agent with such a program, at work, and the file of the ids of processes that it left.
fn agent(then: &str) -> (Lab, Host, Agent, String) {
    let lab = Lab::new(1).build();
    let host = lab.host(0);
    let realm = Realm::create(&host, "prod", "");
    let folder = host.path("home");
    let config = config(then).replace("FOLDER", &folder);
    let agent = realm.start(&host, &Member::agent("web1"), &config);
    (lab, host, agent, folder)
}

/// Waits for the first process that a file names.
fn first(host: &Host, file: &str) -> String {
    let line = format!("head -n1 {file} 2>/dev/null | grep .");
    lcast_lab::wait_for("a program to run", DEADLINE, || {
        let output = host.shell(&line).run();
        (output.code == 0).then(|| output.stdout.trim().to_owned())
    })
}

fn check_gone(host: &Host, pid: &str) {
    // A zombie is gone: only its parent can tell.
    let line = format!("grep -q '^State:.[^Z]' /proc/{pid}/status 2>/dev/null");
    wait_until("the stray to be gone", DEADLINE, || host.shell(&line).run().code != 0);
}

#[test]
fn what_left_the_process_group_is_killed_when_the_program_has_ended() {
    let (_lab, host, _agent, folder) = agent("sleep 0.2; echo 1");
    let stray = first(&host, &format!("{folder}/pids"));
    check_gone(&host, &stray);
}

#[test]
fn what_left_the_process_group_is_killed_at_the_timeout() {
    let (_lab, host, _agent, folder) = agent("sleep 1000");
    let stray = first(&host, &format!("{folder}/pids"));
    check_gone(&host, &stray);
}

#[test]
fn what_left_the_process_group_ends_with_the_agent() {
    let (_lab, host, mut agent, folder) = agent("sleep 0.9");
    let stray = first(&host, &format!("{folder}/pids"));
    agent.process().signal(rustix::process::Signal::TERM);
    agent.process().wait(DEADLINE);
    let line = format!("grep -q '^State:.[^Z]' /proc/{stray}/status 2>/dev/null");
    assert_ne!(host.shell(&line).run().code, 0, "it outlived the agent");
}

#[test]
fn a_program_dies_with_an_agent_that_is_killed() {
    let (_lab, host, mut agent, folder) = agent("exec sleep 1000");
    let own = first(&host, &format!("{folder}/own"));
    agent.kill();
    check_gone(&host, &own);
}
