//! `--explain`: would this be allowed, and by which rule?

use std::{
    net::{IpAddr, SocketAddr},
    process::ExitCode,
    time::{Duration, SystemTime},
};

use tower_socks::{
    Identity, Request, Rules,
    connector::resolve::Resolve,
    proto::{Address, Command, UdpOverTcp},
    session::{Check, Protocol},
};

use crate::{
    outgoing::Stated,
    resolver::Resolvers,
    settings::{Fixed, Settings},
    udp_over_tcp,
};

/// A question as the command line has it.
#[derive(Debug)]
pub(crate) struct Question {
    request: Request,
    at: Option<SystemTime>,
}

const FORM: &str = "expected something like 'user=joe connect example.com:443'; before the command \
                    may stand user=NAME, group=NAME, client=ADDRESS, protocol=http and at=2026-11-23T08:30:00Z";

impl std::str::FromStr for Question {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mut words = text.split_whitespace().peekable();
        let mut user = None;
        let mut groups = Vec::new();
        let mut client: Option<IpAddr> = None;
        let mut at = None;
        let mut protocol = Protocol::default();
        while let Some((key, value)) = words.peek().and_then(|word| word.split_once('=')) {
            match key {
                "user" => user = Some(value),
                "group" => groups.push(value),
                "protocol" => {
                    let parsed = value.parse();
                    protocol = parsed.map_err(|problem| format!("`{value}`: {problem}"))?;
                }
                "client" => {
                    client = Some(
                        value
                            .parse()
                            .map_err(|_| format!("`{value}` is no address"))?,
                    );
                }
                "at" => {
                    let time: jiff::Timestamp = value
                        .parse()
                        .map_err(|_| format!("`{value}` is no time; {FORM}"))?;
                    at = Some(time.into());
                }
                _ => return Err(format!("`{key}` is unknown; {FORM}")),
            }
            words.next();
        }
        let (Some(command), Some(target), None) = (words.next(), words.next(), words.next()) else {
            return Err(FORM.into());
        };
        let command = match command.to_ascii_lowercase().as_str() {
            "connect" => Command::CONNECT,
            "bind" => Command::BIND,
            "udp" => Command::UDP_ASSOCIATE,
            "resolve" => Command::RESOLVE,
            "resolve_ptr" => Command::RESOLVE_PTR,
            _ => {
                return Err(format!(
                    "`{command}` is not connect, bind, udp, resolve or resolve_ptr; {FORM}"
                ));
            }
        };
        let is_lookup = [Command::RESOLVE, Command::RESOLVE_PTR].contains(&command);
        let target: Address = is_lookup
            .then(|| Address::new(target, 0).ok())
            .flatten()
            .map_or_else(|| target.parse(), Ok)
            .map_err(|problem| format!("`{target}`: {problem}; {FORM}"))?;
        let mut request = Request::new(command, target.clone());
        request.protocol = protocol;
        if let Some(user) = user {
            request.identity = Identity::named(user);
        }
        if !groups.is_empty() {
            request.identity = request.identity.with_groups(groups);
        }
        if let Some(client) = client {
            request.peer = SocketAddr::new(client, 0);
        }
        if command == Command::UDP_ASSOCIATE {
            // The question is about where a datagram goes.
            request = request
                .for_datagram(target)
                .map_err(|refusal| refusal.to_string())?;
        }
        Ok(Self { request, at })
    }
}

/// Executes `--explain`: prints what the rules decide, without serving.
pub(crate) async fn answer(settings: &Settings, question: &Question) -> ExitCode {
    let (lines, allowed) = explain(&settings.rules, &settings.fixed, question).await;
    for line in lines {
        println!("{line}");
    }
    if allowed {
        println!("{}", amounts(settings, &question.request.identity));
    }
    let at = question.at.unwrap_or_else(SystemTime::now);
    let through = settings.fixed.upstream.through(&question.request, at);
    if allowed && through.is_direct {
        for line in departures(settings, &question.request) {
            println!("{line}");
        }
    }
    match allowed {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    }
}

/// What its user has of what is limited.
fn amounts(settings: &Settings, identity: &Identity) -> String {
    let amounts = settings.fixed.limits.of(identity);
    let text = toml::to_string(&amounts).unwrap_or_default();
    let stated: Vec<_> = text.lines().collect();
    let name = identity.name().unwrap_or_default();
    let more = match settings.accounts.asks_directories(name) {
        true => {
            "; amounts that a directory knows of the user are not asked for here, and go before those of groups and of all"
        }
        false => "",
    };
    format!("limits: {}{more}", stated.join(", "))
}

/// From where an allowed request leaves: in a line, or where listeners differ in one for each. Nothing where nothing is
/// stated.
fn departures(settings: &Settings, request: &Request) -> Vec<String> {
    let mut asked = request.clone();
    if request.command == Command::UDP_ASSOCIATE {
        // An association is asked for without a destination.
        asked = Request::new(request.command, Address::UNSPECIFIED);
        asked.identity = request.identity.clone();
        asked.protocol = request.protocol;
        asked.peer = request.peer;
    }
    let departures = settings.departures.iter();
    let texts: Vec<_> = departures.map(|it| it.describe(&asked)).collect();
    let is_one = texts.iter().all(|text| texts.first() == Some(text));
    let nothing = Stated::default().to_string();
    match texts.first() {
        Some(first) if is_one && *first == nothing => Vec::new(),
        Some(first) if is_one => vec![format!("leaves {first}")],
        _ => {
            let doors = settings.doors.iter().zip(texts);
            doors
                .map(|(door, text)| format!("at {door}: leaves {text}"))
                .collect()
        }
    }
}

/// Lists what the rules decide, line by line, and whether the request would be allowed. They are asked
/// what the server would ask them.
async fn explain(rules: &Rules, fixed: &Fixed, question: &Question) -> (Vec<String>, bool) {
    let Question { request, at } = question;
    let mut lines = Vec::new();
    let request = match UdpOverTcp::of(request.command, &request.target) {
        Some(protocol) => &udp_over_tcp::association(request.clone(), protocol),
        None => request,
    };
    if request.extensions.get::<UdpOverTcp>().is_some() {
        if !fixed.doors.iter().any(|door| door.udp_over_tcp) {
            lines.push("UDP over TCP is off at all listeners: `udp_over_tcp`".into());
            return (lines, false);
        }
        lines.push(
            "UDP over TCP is judged as UDP ASSOCIATE; for a datagram ask `udp HOST:PORT`".into(),
        );
    }
    let request = match &fixed.search_domain {
        Some(domain) => &domain.complete(request.clone()),
        None => request,
    };
    let at = at.unwrap_or_else(SystemTime::now);
    let stated = rules.explain_at(request, Check::Stated, at);
    lines.push(stated.to_string());
    let is_lookup = [Command::RESOLVE, Command::RESOLVE_PTR].contains(&request.command);
    if is_lookup && !fixed.resolve {
        lines.push("names are not looked up for clients: `resolve` is off".into());
        return (lines, false);
    }
    let is_udp = request.command == Command::UDP_ASSOCIATE;
    let through = fixed.upstream.through(request, at);
    if !fixed.upstream.is_direct() && !stated.is_refused() {
        lines.push(through.text.clone());
        if through.is_refused {
            return (lines, false);
        }
    }
    let refused = match request.command {
        Command::BIND if !through.has_bind => Some("with an upstream, BIND is refused"),
        Command::UDP_ASSOCIATE if !through.has_udp => {
            Some("with an upstream, UDP ASSOCIATE is refused: `upstream_udp` is \"off\"")
        }
        Command::RESOLVE | Command::RESOLVE_PTR if !through.has_lookups => {
            Some("the upstream cannot be asked for the address of a name")
        }
        _ => None,
    };
    if let Some(refused) = refused {
        lines.push(refused.into());
        return (lines, false);
    }
    let Address::Name(name, port) = &request.target else {
        return (lines, !stated.is_refused());
    };
    if stated.is_refused() {
        return (lines, false);
    }
    if is_udp && !through.is_direct && !through.has_remote_dns {
        lines.push("the upstream resolves no names, and a datagram waits for no lookup here: it is dropped".into());
        return (lines, false);
    }
    if through.has_remote_dns {
        if is_lookup {
            lines.push(
                "the upstream looks the name up; each address is judged before it is told".into(),
            );
            return (lines, true);
        }
        let decision = rules.explain_at(request, Check::Name, at);
        lines.push(format!("{decision} (the upstream resolves the name)"));
        return (lines, !decision.is_refused());
    }
    let resolver = match Resolvers::new(&fixed.resolver).and_then(|it| it.of(&fixed.resolver)) {
        Ok(resolver) => resolver,
        Err(problem) => {
            lines.push(problem.to_string());
            return (lines, false);
        }
    };
    let lookup = resolver.resolve(name.clone().into());
    let addresses = match tokio::time::timeout(Duration::from_secs(5), lookup).await {
        Ok(Ok(addresses)) => addresses,
        Ok(Err(error)) => {
            lines.push(format!("{name} has no address here to judge: {error}"));
            return (lines, false);
        }
        Err(_) => {
            lines.push(format!("{name} was not resolved within 5 s"));
            return (lines, false);
        }
    };
    let mut allowed = false;
    for ip in addresses {
        let address = SocketAddr::new(ip, *port);
        let decision = rules.explain_at(request, Check::Address(address), at);
        allowed |= !decision.is_refused();
        lines.push(decision.to_string());
    }
    (lines, allowed)
}
