//! The journal torn, flipped, moved, rolled back, mirrored and full.

use super::*;
use crate::domain::money::Currency;

fn now() -> Timestamp {
    "2026-01-02T03:04:05Z".parse().unwrap()
}

fn mark(seq: i64) -> Mark {
    Mark { seq, chain: None }
}

fn open_with(dir: &Path, mirror: Option<&Path>, mark: &Mark, lost: Option<&Mark>) -> Result<Opened, JournalError> {
    Journal::open(&Wanted { data_dir: dir, mirror, instance: "instance", mark, lost, now: now() })
}

fn open(dir: &Path, read_through: i64) -> Result<Opened, JournalError> {
    open_with(dir, None, &mark(read_through), None)
}

fn claim(journal: &Journal, key: &str) -> i64 {
    let order = OrderId("order".to_owned());
    let amount = Money::new(1234, Currency::new("USD").unwrap());
    let request = b"to Jane Doe, 1 Secret Street";
    let slot = Slot::Purchase;
    journal
        .claim(
            now(),
            &NewIntent { order: &order, slot, attempt: 1, key, amount, request, payee_hash: None, terms: None },
        )
        .unwrap()
}

#[test]
fn a6_a_claim_comes_back_whole_and_sealed() {
    let dir = tempfile::tempdir().unwrap();
    let opened = open(dir.path(), 0).unwrap();
    assert_eq!(opened.found, Found::Whole, "a new shop has no mark");
    let seq = claim(&opened.journal, "key-1");
    drop(opened);
    let text = std::fs::read_to_string(dir.path().join("intents.log")).unwrap();
    assert!(!text.contains("Secret"), "no address in the journal");
    let again = open(dir.path(), seq - 1).unwrap();
    let [Line { said: Said::Claim { key, request, amount, .. }, .. }] = &again.unread[..] else { panic!() };
    assert_eq!((key.as_str(), amount.as_str()), ("key-1", "12.34"));
    assert_eq!(again.journal.unseal(request).unwrap(), b"to Jane Doe, 1 Secret Street");
    assert!(open(dir.path(), seq).unwrap().unread.is_empty());
}

#[test]
fn f32b_a_torn_last_line_was_never_sent_and_a_damaged_one_is_fatal() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("intents.log");
    let journal = open(dir.path(), 0).unwrap().journal;
    claim(&journal, "key-1");
    claim(&journal, "key-2");
    drop(journal);
    let whole = std::fs::read(&path).unwrap();
    let last_line = whole[..whole.len() - 1].iter().rposition(|b| *b == b'\n').unwrap() + 1;
    for cut in last_line + 1..whole.len() {
        std::fs::write(&path, &whole[..cut]).unwrap();
        let opened = open(dir.path(), 0).unwrap();
        assert_eq!(opened.journal.last_seq(), 2, "cut at {cut}: the torn line does not count");
        claim(&opened.journal, "key-3");
        drop(opened);
        assert_eq!(open(dir.path(), 2).unwrap().unread.len(), 1);
    }
    for flip in 0..last_line {
        let mut bytes = whole.clone();
        bytes[flip] ^= 1;
        std::fs::write(&path, &bytes).unwrap();
        let opened = open(dir.path(), 0);
        assert!(opened.is_err(), "a flipped bit at {flip} was not noticed");
    }
}

#[test]
fn f33_a_journal_of_another_instance_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    open(dir.path(), 0).unwrap();
    let other = Journal::open(&Wanted {
        data_dir: dir.path(),
        mirror: None,
        instance: "other",
        mark: &mark(0),
        lost: None,
        now: now(),
    });
    assert!(matches!(other, Err(JournalError::OtherInstance { .. })));
}

#[test]
fn lines_in_the_middle_cannot_be_cut_out() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("intents.log");
    let journal = open(dir.path(), 0).unwrap().journal;
    for key in ["a", "b", "c"] {
        claim(&journal, key);
    }
    drop(journal);
    let text = std::fs::read_to_string(&path).unwrap();
    let lines: Vec<&str> = text.split_inclusive('\n').collect();
    std::fs::write(&path, [lines[0], lines[1], lines[3]].concat()).unwrap();
    assert!(matches!(open(dir.path(), 0), Err(JournalError::Broken { line: 3, .. })));
}

/// Every line so far, whatever file it stands in.
fn keys(opened: &Opened) -> Vec<String> {
    let key = |line: &Line| match &line.said {
        Said::Claim { key, .. } => Some(key.clone()),
        _ => None,
    };
    opened.unread.iter().filter_map(key).collect()
}

#[test]
fn f32b_a_journal_without_its_key_is_never_a_fresh_start() {
    let dir = tempfile::tempdir().unwrap();
    let key = dir.path().join("journal.key");
    claim(&open(dir.path(), 0).unwrap().journal, "key-1");
    let bytes = std::fs::read(&key).unwrap();
    for other in [None, Some(vec![7; 32]), Some(vec![7; 5])] {
        match &other {
            None => std::fs::remove_file(&key).unwrap(),
            Some(bytes) => std::fs::write(&key, bytes).unwrap(),
        }
        let refused = open(dir.path(), 0).map(drop).unwrap_err();
        assert!(matches!(refused, JournalError::NoKey(_)) && refused.is_unreadable(), "{other:?}: {refused}");
        assert_eq!(key.exists(), other.is_some(), "no key was made");
    }
    std::fs::write(&key, bytes).unwrap();
    assert_eq!(keys(&open(dir.path(), 0).unwrap()), ["key-1"]);
}

#[test]
fn a6_a_full_journal_goes_on_in_another_file() {
    let dir = tempfile::tempdir().unwrap();
    let mut journal = open(dir.path(), 0).unwrap().journal;
    journal.full_at = 1;
    let wanted: Vec<String> = (1..=5).map(|n| format!("key-{n}")).collect();
    let seqs: Vec<i64> = wanted.iter().map(|key| claim(&journal, key)).collect();
    drop(journal);
    let files = || std::fs::read_dir(dir.path()).unwrap().count();
    assert_eq!(files(), 7, "five full ones, the current one and the key");
    let opened = open(dir.path(), 0).unwrap();
    assert_eq!((keys(&opened), opened.found), (wanted.clone(), Found::Whole));
    for (index, seq) in seqs.iter().enumerate() {
        assert_eq!(keys(&open(dir.path(), *seq).unwrap()), wanted[index + 1..], "read on from line {seq}");
    }
    // A death between the renaming and the new file.
    std::fs::remove_file(dir.path().join("intents.log")).unwrap();
    let opened = open(dir.path(), seqs[4]).unwrap();
    assert_eq!((opened.found, claim(&opened.journal, "key-6")), (Found::Whole, seqs[4] + 2));
    drop(opened);
    assert_eq!(keys(&open(dir.path(), 0).unwrap()).len(), 6);
    // A full file in the middle is gone: its lines are missing, and that is seen.
    let second = files::full_file(dir.path(), seqs[1] - 1);
    let kept = std::fs::read(&second).unwrap();
    std::fs::remove_file(&second).unwrap();
    assert!(matches!(open(dir.path(), 0), Err(JournalError::Broken { .. })));
    // Cut in half a line.
    std::fs::write(&second, &kept[..kept.len() - 3]).unwrap();
    assert!(matches!(open(dir.path(), 0), Err(JournalError::Broken { .. })));
    std::fs::write(&second, kept).unwrap();
    // The oldest may be moved away once every backup is younger; a database that needs it is told.
    std::fs::remove_file(files::full_file(dir.path(), 1)).unwrap();
    assert_eq!(open(dir.path(), seqs[4]).unwrap().found, Found::Whole);
    assert_eq!(open(dir.path(), 1).unwrap().found, Found::Other);
}

/// A transaction that failed takes its mark back, and the next one marks an earlier line.
#[test]
fn a5_a_line_keeps_its_chain_value_until_a_later_mark_is_committed() {
    let dir = tempfile::tempdir().unwrap();
    let journal = open(dir.path(), 0).unwrap().journal;
    let (first, second) = (claim(&journal, "key-1"), claim(&journal, "key-2"));
    assert!(journal.mark(second).chain.is_some());
    assert!(journal.mark(first).chain.is_some());
    journal.forget_chains_before(second);
    assert!(journal.mark(second).chain.is_some());
    assert_eq!(journal.mark(first).chain, None);
}

#[test]
fn a5_the_marked_line_has_to_stand_in_the_journal() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("intents.log");
    let journal = open(dir.path(), 0).unwrap().journal;
    claim(&journal, "key-1");
    let older = std::fs::read(&path).unwrap();
    claim(&journal, "key-2");
    let marked = journal.mark(claim(&journal, "key-3"));
    assert!(marked.chain.is_some());
    drop(journal);
    let newer = std::fs::read(&path).unwrap();
    let check = |bytes: Option<&[u8]>, lost: Option<&Mark>, wanted: &Mark, expected: Found| {
        match bytes {
            None => std::fs::remove_file(&path).unwrap(),
            Some(bytes) => std::fs::write(&path, bytes).unwrap(),
        }
        assert_eq!(open_with(dir.path(), None, wanted, lost).unwrap().found, expected);
    };
    check(Some(&newer), None, &marked, Found::Whole);
    check(Some(&older), None, &marked, Found::Short);
    check(None, None, &marked, Found::Gone);
    // Rolled back and grown past the mark: the length alone would not tell.
    std::fs::write(&path, &older).unwrap();
    let journal = open(dir.path(), 0).unwrap().journal;
    for n in 4..9 {
        claim(&journal, &format!("key-{n}"));
    }
    let begun = journal.mark(journal.last_seq());
    drop(journal);
    let grown = std::fs::read(&path).unwrap();
    check(Some(&grown), None, &marked, Found::Other);
    // The program went on with it; then the lost one is put back.
    check(Some(&grown), Some(&marked), &begun, Found::Whole);
    check(Some(&newer), Some(&marked), &begun, Found::PutBack);
}

#[test]
fn a5_the_mirror_tells_what_a_rolled_back_journal_has_forgotten() {
    let (dir, elsewhere) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (path, mirror) = (dir.path().join("intents.log"), elsewhere.path().join("mirror.log"));
    let open = || open_with(dir.path(), Some(&mirror), &mark(0), None);
    let opened = open_with(dir.path(), None, &mark(0), None).unwrap();
    claim(&opened.journal, "key-1");
    drop(opened);
    // A mirror set later gets what was said before.
    let opened = open().unwrap();
    assert!(!opened.is_mirrored);
    assert_eq!(std::fs::read(&mirror).unwrap(), std::fs::read(&path).unwrap());
    let older = std::fs::read(&path).unwrap();
    claim(&opened.journal, "key-2");
    claim(&opened.journal, "key-3");
    drop(opened);
    assert!(open().unwrap().is_mirrored);
    for rolled_back in [Some(&older), None] {
        match rolled_back {
            Some(bytes) => std::fs::write(&path, bytes).unwrap(),
            None => std::fs::remove_file(&path).unwrap(),
        }
        let opened = open().unwrap();
        assert_eq!((keys(&opened).len(), opened.is_mirrored), (3, false), "made whole from the mirror");
        assert_eq!(std::fs::read(&path).unwrap(), std::fs::read(&mirror).unwrap());
    }
    // Torn while written, after the journal had its line.
    let whole = std::fs::read(&mirror).unwrap();
    std::fs::write(&mirror, &whole[..whole.len() - 9]).unwrap();
    drop(open().unwrap());
    assert_eq!(std::fs::read(&mirror).unwrap(), whole);
    // Two histories are not brought together by the program.
    std::fs::write(&path, &older).unwrap();
    claim(&open_with(dir.path(), None, &mark(0), None).unwrap().journal, "key-9");
    assert!(open().map(drop).unwrap_err().is_unreadable());
}
