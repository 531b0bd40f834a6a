//! CONTRACT STUB: control records (see log-format.md section 4): the key's type, and builders for
//! LEADER_CHANGE, SNAPSHOT_HEADER, SNAPSHOT_FOOTER, ABORT/COMMIT parsing.
