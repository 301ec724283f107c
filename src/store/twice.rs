//! Every value stands twice in the database file: in its table, and in an index over all columns of the table. A bit that
//! flips in one of them leaves the other as it was, and SQLite's own `PRAGMA integrity_check` compares the two row by row
//! and names the index. By itself it notices damage of the structure only; a digit that became another one it would pass.
//!
//! The indexes are made here from the tables as they are, and not in the migrations, so that no table and no column can
//! be left out. Nothing reads them but the check; what is erased from a table is erased from its index by SQLite itself.

use super::Result;
use rusqlite::Connection;

/// Tables with a check of their own over every byte of every row, and which. They are the two that grow fastest.
pub(super) const GUARDED_OTHERWISE: [(&str, &str); 2] =
    [("events", "timeline_is_whole"), ("requests", "requests_are_what_was_claimed")];

/// Makes the indexes that are not there. Cheap when none is missing.
pub(super) fn make(connection: &Connection) -> Result<()> {
    // The key stands first, so that a row comes to lie in the index where it lies in its table.
    let sql = "SELECT 'CREATE INDEX ' || t.name || '_twice ON ' || t.name || ' ('
                      || (SELECT group_concat(name, ', ' ORDER BY pk = 0, pk, cid) FROM pragma_table_info(t.name)) || ')',
                      t.name
               FROM sqlite_schema t
               WHERE t.type = 'table' AND t.name NOT GLOB 'sqlite_*'
                 AND t.name || '_twice' NOT IN (SELECT name FROM sqlite_schema WHERE type = 'index')";
    run_all(connection, sql)
}

/// Takes the indexes away, for a migration that changes tables.
pub(super) fn unmake(connection: &Connection) -> Result<()> {
    run_all(
        connection,
        "SELECT 'DROP INDEX ' || name, tbl_name FROM sqlite_schema WHERE type = 'index' AND name GLOB '*_twice'",
    )
}

/// All of them, or none.
fn run_all(connection: &Connection, sql: &str) -> Result<()> {
    let statements = {
        let mut statement = connection.prepare(sql)?;
        let rows = statement.query_map([], |row| Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?)))?;
        rows.collect::<rusqlite::Result<Vec<_>>>()?
    };
    let wanted = statements.iter().filter(|(_, table)| GUARDED_OTHERWISE.iter().all(|(name, _)| name != table));
    let batch: Vec<&str> = wanted.map(|(statement, _)| statement.as_str()).collect();
    if batch.is_empty() {
        return Ok(());
    }
    let tx = connection.unchecked_transaction()?;
    tx.execute_batch(&batch.join(";"))?;
    Ok(tx.commit()?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::StoreError;
    use crate::store::checks;
    use crate::store::law_tests::law;

    /// Columns of a table, or of an index.
    fn columns(connection: &Connection, kind: &str, name: &str) -> Vec<String> {
        let sql = format!("SELECT name FROM pragma_{kind}_info('{name}') ORDER BY name");
        let mut statement = connection.prepare(&sql).unwrap();
        statement.query_map([], |row| row.get(0)).unwrap().map(std::result::Result::unwrap).collect()
    }

    #[test]
    fn every_column_of_every_table_stands_twice_or_has_its_own_check() {
        let law = law();
        law.store
            .read(|c| {
                let mut statement = c.prepare("SELECT name FROM sqlite_schema WHERE type = 'table'")?;
                let tables = statement.query_map([], |row| row.get::<_, String>(0))?;
                let tables = tables.collect::<rusqlite::Result<Vec<_>>>()?;
                assert!(tables.len() > 40, "{tables:?}");
                for table in &tables {
                    let own = GUARDED_OTHERWISE.iter().find(|(name, _)| name == table);
                    let expected = if own.is_some() { Vec::new() } else { columns(c, "table", table) };
                    assert_eq!(columns(c, "index", &format!("{table}_twice")), expected, "{table}");
                }
                Ok::<_, StoreError>(())
            })
            .unwrap();
        for (_, check) in GUARDED_OTHERWISE {
            assert!(checks::table().iter().any(|c| c.id == check), "{check}");
        }
    }

    #[test]
    fn a_table_that_changed_gets_a_new_copy() {
        let law = law();
        law.store
            .write(|tx| {
                tx.execute_batch("ALTER TABLE crashes ADD COLUMN more TEXT")?;
                assert_eq!(columns(tx, "index", "crashes_twice").len(), 3);
                Ok::<_, StoreError>(())
            })
            .unwrap();
        let connection = Connection::open(law.store.path()).unwrap();
        unmake(&connection).unwrap();
        assert_eq!(columns(&connection, "index", "crashes_twice").len(), 0);
        make(&connection).unwrap();
        make(&connection).unwrap();
        assert_eq!(columns(&connection, "index", "crashes_twice").len(), 4);
    }
}
