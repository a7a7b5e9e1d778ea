//! The documents are true: what README and ARCHITECTURE name exists. It never repairs prose.
