//! `hosts.csv`: many members in one file, for `realm issue --from`.
//!
//! The first line names the columns. `name` is needed; `kind` (agent or client), `roles` and `days`
//! are understood; `labels` holds `key=value` pairs; every other column is a label of that name
//! (`labels.days` for one whose name is taken). Roles and pairs are separated by spaces. `role` is
//! a label like others: only `roles` grants any.

use std::path::Path;

use lcast_proto::keys::{Kind, MemberList};

use super::{DAYS_MAX, RealmError, Request};

/// Longest file in bytes.
pub const LENGTH_MAX: u64 = 8 << 20;

/// The requests of a file; the credential of NODE shall be `NODE.credential` in `out_folder`.
///
/// # Errors
/// [`RealmError::Hosts`] with the line and what is wrong with it.
pub fn read(path: &Path, out_folder: &Path) -> Result<Vec<Request>, RealmError> {
    let bytes = crate::file::read_at_most(path, LENGTH_MAX)
        .map_err(|source| RealmError::io(path, source))?;
    parse(&bytes, out_folder)
        .map_err(|problem| RealmError::Hosts { path: path.to_owned(), problem })
}

/// What a column means.
enum Column {
    Name,
    Kind,
    Roles,
    Days,
    Labels,
    Label(String),
}

fn parse(bytes: &[u8], out_folder: &Path) -> Result<Vec<Request>, String> {
    let mut reader = csv::ReaderBuilder::new().trim(csv::Trim::All).from_reader(bytes);
    let header = reader.headers().map_err(|error| format!("line 1: {error}"))?;
    let columns: Vec<Column> = header.iter().map(column).collect();
    if !columns.iter().any(|it| matches!(it, Column::Name)) {
        return Err("line 1: no column 'name'; the first line names the columns, like \
                    name,kind,roles,site"
            .to_owned());
    }
    let mut requests = Vec::new();
    for record in reader.records() {
        let record = record.map_err(|error| error.to_string())?;
        let line = record.position().map_or(0, csv::Position::line);
        if record.iter().all(str::is_empty) {
            continue;
        }
        let request = request(&columns, &record, out_folder);
        requests.push(request.map_err(|why| format!("line {line}: {why}"))?);
        if requests.len() > MemberList::MEMBERS_MAX {
            return Err(format!("more than {} hosts", MemberList::MEMBERS_MAX));
        }
    }
    if requests.is_empty() {
        return Err("no hosts below its first line".to_owned());
    }
    Ok(requests)
}

fn column(title: &str) -> Column {
    match title.to_ascii_lowercase().as_str() {
        "name" => Column::Name,
        "kind" => Column::Kind,
        "roles" => Column::Roles,
        "days" => Column::Days,
        "labels" => Column::Labels,
        _ => Column::Label(title.strip_prefix("labels.").unwrap_or(title).to_owned()),
    }
}

fn request(
    columns: &[Column],
    record: &csv::StringRecord,
    out_folder: &Path,
) -> Result<Request, String> {
    let mut request = Request {
        name: String::new(),
        kind: Kind::Agent,
        roles: Vec::new(),
        labels: Vec::new(),
        days: None,
        again: false,
        out: out_folder.to_owned(),
    };
    for (column, cell) in columns.iter().zip(record).filter(|(_, cell)| !cell.is_empty()) {
        match column {
            Column::Name => cell.clone_into(&mut request.name),
            Column::Kind => request.kind = kind(cell)?,
            Column::Roles => request.roles.extend(words(cell).map(str::to_owned)),
            Column::Days => request.days = Some(days(cell)?),
            Column::Labels => {
                for word in words(cell) {
                    let pair = word.split_once('=');
                    let (key, value) =
                        pair.ok_or_else(|| format!("label '{word}': write it like role=web"))?;
                    request.labels.push((key.to_owned(), value.to_owned()));
                }
            }
            Column::Label(key) => request.labels.push((key.clone(), cell.to_owned())),
        }
    }
    // What the name may be is checked where certificates are made; here it becomes a file's name.
    let name: lcast_proto::keys::NodeName =
        request.name.parse().map_err(|error: lcast_proto::keys::SubjectError| error.to_string())?;
    request.out.push(format!("{name}.credential"));
    Ok(request)
}

fn words(cell: &str) -> impl Iterator<Item = &str> {
    cell.split([' ', ';', '+']).filter(|word| !word.is_empty())
}

fn kind(cell: &str) -> Result<Kind, String> {
    match cell {
        "agent" => Ok(Kind::Agent),
        "client" => Ok(Kind::Client),
        _ => Err(format!("kind '{cell}' is neither agent nor client")),
    }
}

fn days(cell: &str) -> Result<u32, String> {
    let days = cell.parse().ok().filter(|days| (1..=DAYS_MAX).contains(days));
    days.ok_or_else(|| format!("days '{cell}' is no number from 1 to {DAYS_MAX}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_byte_order_mark_is_no_part_of_the_first_title() {
        let requests = parse("\u{feff}name,site\nweb1,fra\n".as_bytes(), Path::new("out")).unwrap();
        assert_eq!(requests[0].name, "web1");
    }

    #[test]
    fn columns_become_parts_of_the_request() {
        let text = "name,kind,roles,labels,dc,labels.rank,days\n\
                    web1,agent,,role=web tier=1,fra,a,\n\
                    \"ann\",client,operator auditor,,,,30\n\
                    ,,,,,,\n\
                    db1,,,,,,\n";
        let requests = parse(text.as_bytes(), Path::new("out")).unwrap();
        let pairs = |request: &Request| -> Vec<String> {
            request.labels.iter().map(|(key, value)| format!("{key}={value}")).collect()
        };
        assert_eq!(requests.len(), 3);
        assert_eq!(pairs(&requests[0]), ["role=web", "tier=1", "dc=fra", "rank=a"]);
        assert_eq!(requests[0].out, Path::new("out/web1.credential"));
        assert_eq!(requests[1].kind, Kind::Client);
        assert_eq!(requests[1].roles, ["operator", "auditor"]);
        assert_eq!(requests[1].days, Some(30));
        assert_eq!((requests[2].kind, requests[2].days), (Kind::Agent, None));
    }

    /// `role` is the label that people pick nodes by: it must never make an admin.
    #[test]
    fn the_column_role_is_a_label_and_grants_nothing() {
        for title in ["role", "Role", "labels.roles"] {
            let text = format!("name,{title},site\nweb1,web,berlin\na2,admin,paris\n");
            let requests = parse(text.as_bytes(), Path::new("out")).unwrap();
            for (request, value) in requests.iter().zip(["web", "admin"]) {
                assert!(request.roles.is_empty(), "{title}: {request:?}");
                let key = title.trim_start_matches("labels.").to_owned();
                assert!(request.labels.contains(&(key, value.to_owned())), "{request:?}");
            }
        }
        let error = parse(b"web1\n", Path::new("out")).unwrap_err();
        assert!(error.ends_with("like name,kind,roles,site"), "{error}");
    }

    #[test]
    fn what_is_wrong_is_told_with_its_line() {
        for (text, part) in [
            ("", "no column 'name'"),
            ("web1,agent\n", "no column 'name'"),
            ("name\n", "no hosts"),
            ("name,kind\nweb1,server\n", "line 2: kind 'server'"),
            ("name\nok\n../etc\n", "line 3: '../etc'"),
            ("name,days\nweb1,0\n", "line 2: days '0'"),
            ("name,labels\nweb1,role\n", "line 2: label 'role'"),
            ("name,kind\nweb1\n", "line: 2"),
            ("name\n\u{fc}\n", "line 2"),
        ] {
            let error = parse(text.as_bytes(), Path::new("out")).unwrap_err();
            assert!(error.contains(part), "{text:?}: {error}");
        }
        assert!(parse(b"name\n\xff\xfe\n", Path::new("out")).is_err());
        let many = |count: usize| {
            let lines: String = (0..count).map(|index| format!("n{index}\n")).collect();
            parse(format!("name\n{lines}").as_bytes(), Path::new("out"))
        };
        assert_eq!(many(MemberList::MEMBERS_MAX).unwrap().len(), MemberList::MEMBERS_MAX);
        assert!(many(MemberList::MEMBERS_MAX + 1).unwrap_err().contains("more than"));
    }
}
