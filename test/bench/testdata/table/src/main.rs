//! A program with a database in it: SQLite's C file, and bindings to it that
//! bindgen makes, come through the build script of libsqlite3-sys.
use rusqlite::Connection;

fn hits() -> rusqlite::Result<i64> {
    let db = Connection::open_in_memory()?;
    db.execute_batch("create table build (project text, hits int); insert into build values ('a', 2), ('b', 3);")?;
    db.query_row("select sum(hits) from build", [], |row| row.get(0))
}

fn main() -> rusqlite::Result<()> {
    println!("{}", hits()?);
    Ok(())
}

#[test]
fn sums() {
    assert_eq!(hits().unwrap(), 5);
}
